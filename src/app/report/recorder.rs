//! Keeps what a lab tells, and passes it on.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::mask::Mask;
use super::record::{
    Act, Check, Command, Fact, Hop, Line, Outcome, Place, Proof, Record, SCHEMA, Step, Tool, Verdict, Why,
};
use crate::app::ui;
use crate::core::event::{Event, LabEvent, Reporter, SharedReporter};
use crate::core::failure::{Failure, FailureKind};
use crate::core::model::Platform;
use crate::core::model::call_path::{CallPath, Finding};
use crate::core::settings::Dirs;
use crate::labs::Lab;
use crate::machine::state::RunDir;

/// Of one command's output, no more is kept, in bytes.
const MOST_OUTPUT: usize = 256 << 10;

/// A reporter that keeps what a lab tells, and passes everything on to another one.
pub struct Recorder {
    to: SharedReporter,
    /// Time since the lab began.
    clock: Box<dyn Fn() -> Duration + Send + Sync>,
    notebook: Mutex<Notebook>,
}

/// What is known so far.
struct Notebook {
    record: Record,
    dirs: Dirs,
    mask: Mask,
    /// The step that runs, from 0.
    current: Option<usize>,
    /// Of the command that ran last: the bytes that were kept, and the lines beyond those that were shown.
    kept: usize,
    beyond: usize,
}

impl Recorder {
    /// Begins a record of a lab. `home` is the user's.
    pub fn new(lab: &Lab, dirs: &Dirs, home: Option<&str>, to: SharedReporter) -> Self {
        let begun = Instant::now();
        Self::at(blank(lab), SystemTime::now(), Box::new(move || begun.elapsed()), dirs, home, to)
    }

    pub(super) fn at(
        mut record: Record,
        started_at: SystemTime,
        clock: Box<dyn Fn() -> Duration + Send + Sync>,
        dirs: &Dirs,
        home: Option<&str>,
        to: SharedReporter,
    ) -> Self {
        record.started_at = started_at;
        let notebook = Notebook {
            record,
            dirs: dirs.clone(),
            mask: Mask::new(dirs, home),
            current: None,
            kept: 0,
            beyond: 0,
        };
        Self { to, clock, notebook: Mutex::new(notebook) }
    }

    /// Only these steps are to be seen.
    pub fn limit_to(&self, wanted: &[usize]) {
        let mut notebook = self.notebook();
        for (index, step) in notebook.record.steps.iter_mut().enumerate() {
            if !wanted.contains(&index) && step.not_run.is_some() {
                step.not_run = Some(NOT_IN_THIS_RUN);
            }
        }
    }

    /// What is known, now that the lab is over.
    pub fn finish(&self, failure: Option<&Failure>) -> Record {
        let at = (self.clock)();
        let mut notebook = self.notebook();
        let mut record = notebook.record.clone();
        let interrupted =
            failure.is_some_and(|failure| matches!(failure.kind(), FailureKind::Interrupted(_)));
        // It was cut off within a step.
        if let Some(step) = notebook.current.take().and_then(|index| record.steps.get_mut(index)) {
            step.verdict = match failure {
                _ if interrupted => Verdict::Interrupted,
                Some(_) => Verdict::Failed,
                None => Verdict::Stopped,
            };
            step.took = at.saturating_sub(step.at);
        }
        if record.took == Duration::ZERO {
            record.took = at;
        }
        record.outcome = match failure {
            _ if interrupted => Outcome::Interrupted,
            Some(_) => Outcome::Failed,
            None if record.steps.iter().any(Step::is_open) => Outcome::Stopped,
            None => Outcome::Passed,
        };
        record.failure = failure.map(|failure| why(failure, &notebook.mask));
        record
    }

    fn notebook(&self) -> MutexGuard<'_, Notebook> {
        // Half a line is the worst that a panic can have left.
        self.notebook.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reporter for Recorder {
    fn report(&self, event: Event) {
        if let Event::Lab(event) = &event {
            self.notebook().take(event, (self.clock)());
        }
        self.to.report(event);
    }
}

const NOT_REACHED: &str = "not reached";
const LEFT_OUT: &str = "skipped: --keep leaves the lab running";
const NOT_IN_THIS_RUN: &str = "not part of this run";

impl Step {
    /// Whether it was to run, and did not run to its end.
    fn is_open(&self) -> bool {
        self.verdict == Verdict::Stopped || self.not_run == Some(NOT_REACHED)
    }
}

/// The record of a lab that has not begun.
pub(super) fn blank(lab: &Lab) -> Record {
    let step = |(index, step): (usize, &crate::labs::Step)| Step {
        number: index + 1,
        id: step.id.clone(),
        title: step.title.clone(),
        text: String::new(),
        verdict: Verdict::NotRun,
        not_run: Some(NOT_REACHED),
        at: Duration::ZERO,
        took: Duration::ZERO,
        acts: Vec::new(),
    };
    Record {
        schema: SCHEMA,
        meshlab: env!("CARGO_PKG_VERSION"),
        platform: Platform::current().map_or_else(|_| "unknown".to_owned(), |here| here.name().to_owned()),
        lab: lab.id.clone(),
        title: lab.title.clone(),
        summary: lab.summary.clone(),
        place: None,
        tools: Vec::new(),
        started_at: SystemTime::UNIX_EPOCH,
        took: Duration::ZERO,
        outcome: Outcome::Failed,
        failure: None,
        steps: lab.steps.iter().enumerate().map(step).collect(),
        learned: Vec::new(),
        kept: false,
    }
}

fn why(failure: &Failure, mask: &Mask) -> Why {
    let fact = |detail: &crate::core::failure::Detail| Fact {
        label: detail.label.clone(),
        text: mask.clean(&detail.text),
    };
    Why {
        message: mask.clean(failure.message()),
        details: failure.details().iter().map(fact).collect(),
        hint: failure.hint_text().map(|hint| mask.clean(hint)),
        exit: failure.kind().exit_code(),
    }
}

fn hops(way: &CallPath, mask: &Mask) -> Vec<Hop> {
    let found = |finding: &Finding| {
        let expected = finding.expected.as_ref().map(|expected| format!(" (expected: {expected})"));
        mask.clean(&format!("{}: {}{}", finding.about, finding.seen, expected.unwrap_or_default()))
    };
    let hop = |hop: &crate::core::model::call_path::Hop| Hop {
        name: way.name_of(hop.kind),
        state: hop.state,
        found: hop.findings.iter().map(found).collect(),
    };
    way.hops.iter().map(hop).collect()
}

impl Notebook {
    fn take(&mut self, event: &LabEvent, at: Duration) {
        match event {
            LabEvent::Started { title, summary, runtime, runtime_reason, address, tools, .. } => {
                let record = &mut self.record;
                record.title.clone_from(title);
                record.summary.clone_from(summary);
                record.place = Some(Place {
                    runtime: runtime.name().to_owned(),
                    reason: self.mask.clean(&ui::runtime_reason(*runtime, runtime_reason)),
                    address: *address,
                });
                let tool = |(name, version): &(String, String)| Tool {
                    name: name.clone(),
                    version: version.clone(),
                };
                record.tools = tools.iter().map(tool).collect();
            }
            LabEvent::StepStarted { number, title, text, .. } => {
                self.start_step(number.saturating_sub(1), title, text, at);
            }
            LabEvent::Command { command, service } => {
                let command = Command {
                    command: self.mask.clean(command),
                    service: service.clone(),
                    ready: None,
                    at,
                    took: None,
                    output: Vec::new(),
                    lines_left_out: 0,
                };
                (self.kept, self.beyond) = (0, 0);
                self.add(Act::Command(command));
            }
            LabEvent::Output { line, error } => self.add_line(line, *error, true),
            LabEvent::OutputBeyond { line, error } => {
                self.beyond += 1;
                self.add_line(line, *error, false);
            }
            LabEvent::OutputCut { lines } => {
                // Those that were told of are here, or counted already.
                let left_out = lines.saturating_sub(self.beyond);
                if let Some(command) = self.last_command(|_| true) {
                    command.lines_left_out += left_out;
                }
            }
            LabEvent::CommandFinished { took, service, ready } => {
                let ready = ready.as_ref().map(|ready| self.mask.clean(ready));
                if let Some(command) = self.last_command(|command| command.service == *service) {
                    command.took = Some(*took);
                    command.ready = ready;
                }
            }
            LabEvent::Task { task, .. } => self.add(Act::Task { text: task.clone() }),
            LabEvent::Hint { text, .. } => self.add(Act::Hint { text: text.clone() }),
            // Of `lab test`, which goes through a lab in another way.
            LabEvent::Trying { .. } | LabEvent::Tried { .. } | LabEvent::Tested { .. } => {}
            // Not shown.
            LabEvent::Preceding { .. } => {}
            LabEvent::CheckStarted { claim } => {
                let proof = Proof::Unfinished { observed: None };
                self.add(Act::Check(Check { claim: claim.clone(), at, took: Duration::ZERO, proof }));
            }
            LabEvent::CheckWaiting { claim, observed } => {
                let observed = Some(self.mask.clean(observed));
                self.prove(claim, None, at, Proof::Unfinished { observed });
            }
            LabEvent::CheckPassed { claim, evidence, took } => {
                let evidence = evidence.iter().map(|fact| self.mask.clean(fact)).collect();
                self.prove(claim, Some(*took), at, Proof::Passed { evidence });
            }
            LabEvent::CheckFailed { claim, expected, observed, path } => {
                let (expected, observed) = (self.mask.clean(expected), self.mask.clean(observed));
                let path = path.as_ref().map(|way| hops(way, &self.mask)).unwrap_or_default();
                self.prove(claim, None, at, Proof::Failed { expected, observed, path });
            }
            LabEvent::StepFinished { passed, took, .. } => {
                if let Some(step) = self.step() {
                    step.verdict = if *passed { Verdict::Passed } else { Verdict::Failed };
                    step.took = *took;
                }
                self.current = None;
            }
            LabEvent::StepSkipped { number, .. } => {
                if let Some(step) = self.record.steps.get_mut(number.saturating_sub(1)) {
                    step.not_run = Some(LEFT_OUT);
                }
            }
            LabEvent::Finished { passed, learned, kept, took, .. } => {
                if *passed {
                    self.record.learned.clone_from(learned);
                }
                self.record.kept = *kept;
                self.record.took = *took;
            }
        }
    }

    fn start_step(&mut self, index: usize, title: &str, text: &str, at: Duration) {
        if let Some(place) = &self.record.place {
            // The lab has its tokens from the first step on.
            self.mask.add_tokens(&RunDir::new(&self.dirs.state, place.address));
        }
        self.current = Some(index);
        if let Some(step) = self.step() {
            title.clone_into(&mut step.title);
            text.clone_into(&mut step.text);
            step.not_run = None;
            // Until it is known better.
            step.verdict = Verdict::Interrupted;
            step.at = at;
            step.acts.clear();
        }
    }

    fn step(&mut self) -> Option<&mut Step> {
        self.record.steps.get_mut(self.current?)
    }

    fn add(&mut self, act: Act) {
        if let Some(step) = self.step() {
            step.acts.push(act);
        }
    }

    fn last_command(&mut self, is_it: impl Fn(&Command) -> bool) -> Option<&mut Command> {
        self.step()?.acts.iter_mut().rev().find_map(|act| match act {
            Act::Command(command) if is_it(command) => Some(command),
            _ => None,
        })
    }

    fn add_line(&mut self, line: &str, error: bool, shown: bool) {
        let text = self.mask.clean(line);
        let kept = self.kept + text.len() + 1;
        let is_kept = kept <= MOST_OUTPUT;
        if is_kept {
            self.kept = kept;
        }
        if let Some(command) = self.last_command(|_| true) {
            // What comes after a line that was left out would be misread.
            if is_kept && command.lines_left_out == 0 {
                command.output.push(Line { text, error, shown });
            } else {
                command.lines_left_out += 1;
            }
        }
    }

    fn prove(&mut self, claim: &str, took: Option<Duration>, now: Duration, proof: Proof) {
        let Some(step) = self.step() else { return };
        let check = step.acts.iter_mut().rev().find_map(|act| match act {
            Act::Check(check) if check.claim == claim => Some(check),
            _ => None,
        });
        if let Some(check) = check {
            check.took = took.unwrap_or_else(|| now.saturating_sub(check.at));
            check.proof = proof;
        }
    }
}
