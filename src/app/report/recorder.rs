//! The reporter that records a lab run for its reports.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::mask::Mask;
use super::record::{
    Act, CheckOutcome, CheckRecord, CommandRecord, DetailRecord, FailureRecord, HopRecord, OutputLine,
    RunLocation, RunOutcome, RunRecord, SCHEMA, StepOutcome, StepRecord, ToolVersion,
};
use crate::app::ui;
use crate::core::event::{Event, LabEvent, Reporter, SharedReporter};
use crate::core::failure::{Failure, FailureKind};
use crate::core::model::Platform;
use crate::core::model::call_path::{CallPath, Finding};
use crate::core::settings::Dirs;
use crate::labs::Lab;
use crate::machine::state::RunDir;

/// How much output of one command a record keeps, in bytes.
const MAX_OUTPUT: usize = 256 << 10;

/// A reporter that records the events of a lab and passes every event on to another reporter.
pub(crate) struct Recorder {
    to: SharedReporter,
    /// Time since the lab began.
    clock: Box<dyn Fn() -> Duration + Send + Sync>,
    recording: Mutex<Recording>,
}

/// The record so far.
struct Recording {
    record: RunRecord,
    dirs: Dirs,
    mask: Mask,
    /// The index of the running step, from 0.
    current: Option<usize>,
    /// The size of the last command's output in the record, in bytes.
    kept_bytes: usize,
    /// How many [`LabEvent::OutputBeyond`] the last command had.
    lines_beyond: usize,
}

impl Recorder {
    /// Starts a record of a lab. `home` is the user's home folder, which the record shows as `~`.
    pub(crate) fn new(lab: &Lab, dirs: &Dirs, home: Option<&str>, to: SharedReporter) -> Self {
        let started = Instant::now();
        Self::at(empty_record(lab), SystemTime::now(), Box::new(move || started.elapsed()), dirs, home, to)
    }

    pub(super) fn at(
        mut record: RunRecord,
        started_at: SystemTime,
        clock: Box<dyn Fn() -> Duration + Send + Sync>,
        dirs: &Dirs,
        home: Option<&str>,
        to: SharedReporter,
    ) -> Self {
        record.started_at = started_at;
        let recording = Recording {
            record,
            dirs: dirs.clone(),
            mask: Mask::new(dirs, home),
            current: None,
            kept_bytes: 0,
            lines_beyond: 0,
        };
        Self { to, clock, recording: Mutex::new(recording) }
    }

    /// Marks all steps but these (indexes from 0) as not part of this run.
    pub(crate) fn limit_to(&self, steps: &[usize]) {
        let mut recording = self.recording();
        for (index, step) in recording.record.steps.iter_mut().enumerate() {
            if !steps.contains(&index) && step.not_run.is_some() {
                step.not_run = Some(NOT_IN_THIS_RUN);
            }
        }
    }

    /// The record, at the end of the lab.
    pub(crate) fn finish(&self, failure: Option<&Failure>) -> RunRecord {
        let at = (self.clock)();
        let mut recording = self.recording();
        let mut record = recording.record.clone();
        let interrupted =
            failure.is_some_and(|failure| matches!(failure.kind(), FailureKind::Interrupted(_)));
        // The lab ended during a step.
        if let Some(step) = recording.current.take().and_then(|index| record.steps.get_mut(index)) {
            step.verdict = match failure {
                _ if interrupted => StepOutcome::Interrupted,
                Some(_) => StepOutcome::Failed,
                None => StepOutcome::Stopped,
            };
            step.took = at.saturating_sub(step.at);
        }
        if record.took == Duration::ZERO {
            record.took = at;
        }
        record.outcome = match failure {
            _ if interrupted => RunOutcome::Interrupted,
            Some(_) => RunOutcome::Failed,
            None if record.steps.iter().any(StepRecord::is_open) => RunOutcome::Stopped,
            None => RunOutcome::Passed,
        };
        record.failure = failure.map(|failure| failure_record(failure, &recording.mask));
        record
    }

    fn recording(&self) -> MutexGuard<'_, Recording> {
        // At worst, a panic left one entry incomplete.
        self.recording.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reporter for Recorder {
    fn report(&self, event: Event) {
        if let Event::Lab(event) = &event {
            self.recording().take(event, (self.clock)());
        }
        self.to.report(event);
    }
}

const NOT_REACHED: &str = "not reached";
const LEFT_OUT: &str = "skipped: --keep leaves the lab running";
const NOT_IN_THIS_RUN: &str = "not part of this run";

impl StepRecord {
    /// Whether the step was part of the run and did not run to its end.
    fn is_open(&self) -> bool {
        self.verdict == StepOutcome::Stopped || self.not_run == Some(NOT_REACHED)
    }
}

/// The record of a lab that has not started.
pub(super) fn empty_record(lab: &Lab) -> RunRecord {
    let step = |(index, step): (usize, &crate::labs::Step)| StepRecord {
        number: index + 1,
        id: step.id.clone(),
        title: step.title.clone(),
        text: String::new(),
        verdict: StepOutcome::NotRun,
        not_run: Some(NOT_REACHED),
        at: Duration::ZERO,
        took: Duration::ZERO,
        acts: Vec::new(),
    };
    RunRecord {
        schema: SCHEMA,
        meshlab: env!("CARGO_PKG_VERSION"),
        platform: Platform::current().map_or_else(|_| "unknown".to_owned(), |here| here.name().to_owned()),
        lab: lab.id.clone(),
        title: lab.title.clone(),
        summary: lab.summary.clone(),
        location: None,
        tools: Vec::new(),
        started_at: SystemTime::UNIX_EPOCH,
        took: Duration::ZERO,
        outcome: RunOutcome::Failed,
        failure: None,
        steps: lab.steps.iter().enumerate().map(step).collect(),
        learned: Vec::new(),
        kept: false,
    }
}

fn failure_record(failure: &Failure, mask: &Mask) -> FailureRecord {
    let detail = |detail: &crate::core::failure::Detail| DetailRecord {
        label: detail.label.clone(),
        text: mask.clean(&detail.text),
    };
    FailureRecord {
        message: mask.clean(failure.message()),
        details: failure.details().iter().map(detail).collect(),
        hint: failure.hint_text().map(|hint| mask.clean(hint)),
        exit: failure.kind().exit_code(),
    }
}

fn hops(path: &CallPath, mask: &Mask) -> Vec<HopRecord> {
    let found = |finding: &Finding| {
        let expected = finding.expected.as_ref().map(|expected| format!(" (expected: {expected})"));
        mask.clean(&format!("{}: {}{}", finding.about, finding.seen, expected.unwrap_or_default()))
    };
    let hop = |hop: &crate::core::model::call_path::Hop| HopRecord {
        name: path.name_of(hop.kind),
        state: hop.state,
        found: hop.findings.iter().map(found).collect(),
    };
    path.hops.iter().map(hop).collect()
}

impl Recording {
    fn take(&mut self, event: &LabEvent, at: Duration) {
        match event {
            LabEvent::Started { title, summary, runtime, runtime_reason, address, tools, .. } => {
                let record = &mut self.record;
                record.title.clone_from(title);
                record.summary.clone_from(summary);
                record.location = Some(RunLocation {
                    runtime: runtime.name().to_owned(),
                    reason: self.mask.clean(&ui::runtime_reason(*runtime, runtime_reason)),
                    address: *address,
                });
                let tool = |(name, version): &(String, String)| ToolVersion {
                    name: name.clone(),
                    version: version.clone(),
                };
                record.tools = tools.iter().map(tool).collect();
            }
            LabEvent::StepStarted { number, title, text, .. } => {
                self.start_step(number.saturating_sub(1), title, text, at);
            }
            LabEvent::Command { command, service } => {
                let command = CommandRecord {
                    command: self.mask.clean(command),
                    service: service.clone(),
                    ready: None,
                    at,
                    took: None,
                    output: Vec::new(),
                    lines_left_out: 0,
                };
                (self.kept_bytes, self.lines_beyond) = (0, 0);
                self.add(Act::Command(command));
            }
            LabEvent::Output { line, error } => self.add_line(line, *error, true),
            LabEvent::OutputBeyond { line, error } => {
                self.lines_beyond += 1;
                self.add_line(line, *error, false);
            }
            LabEvent::OutputCut { lines } => {
                // Lines with an event of their own are in the record, or counted.
                let left_out = lines.saturating_sub(self.lines_beyond);
                if let Some(command) = self.last_command(|_| true) {
                    command.lines_left_out += left_out;
                }
            }
            LabEvent::CommandFinished { took, service, ready } => {
                let ready = ready.as_ref().map(|ready| self.mask.clean(&ui::ready(ready)));
                if let Some(command) = self.last_command(|command| command.service == *service) {
                    command.took = Some(*took);
                    command.ready = ready;
                }
            }
            LabEvent::Task { task, .. } => self.add(Act::Task { text: task.clone() }),
            LabEvent::Hint { text, .. } => self.add(Act::Hint { text: text.clone() }),
            // Only `lab test` reports the first three, and it writes no report. Earlier steps that run silently are not
            // part of a report either.
            LabEvent::Trying { .. }
            | LabEvent::Tried { .. }
            | LabEvent::Tested { .. }
            | LabEvent::Preceding { .. } => {}
            LabEvent::CheckStarted { claim } => {
                let outcome = CheckOutcome::Unfinished { observed: None };
                self.add(Act::Check(CheckRecord { claim: claim.clone(), at, took: Duration::ZERO, outcome }));
            }
            LabEvent::CheckWaiting { claim, observed } => {
                let observed = Some(self.mask.clean(observed));
                self.end_check(claim, None, at, CheckOutcome::Unfinished { observed });
            }
            LabEvent::CheckPassed { claim, evidence, took } => {
                let evidence = evidence.iter().map(|fact| self.mask.clean(fact)).collect();
                self.end_check(claim, Some(*took), at, CheckOutcome::Passed { evidence });
            }
            LabEvent::CheckFailed { claim, expected, observed, path } => {
                let (expected, observed) = (self.mask.clean(expected), self.mask.clean(observed));
                let path = path.as_ref().map(|path| hops(path, &self.mask)).unwrap_or_default();
                self.end_check(claim, None, at, CheckOutcome::Failed { expected, observed, path });
            }
            LabEvent::StepFinished { passed, took, .. } => {
                if let Some(step) = self.step() {
                    step.verdict = if *passed { StepOutcome::Passed } else { StepOutcome::Failed };
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
        if let Some(location) = &self.record.location {
            // From the first step on, the lab's tokens exist.
            self.mask.add_tokens(&RunDir::new(&self.dirs.state, location.address));
        }
        self.current = Some(index);
        if let Some(step) = self.step() {
            title.clone_into(&mut step.title);
            text.clone_into(&mut step.text);
            step.not_run = None;
            // Replaced when the step ends.
            step.verdict = StepOutcome::Interrupted;
            step.at = at;
            step.acts.clear();
        }
    }

    fn step(&mut self) -> Option<&mut StepRecord> {
        self.record.steps.get_mut(self.current?)
    }

    fn add(&mut self, act: Act) {
        if let Some(step) = self.step() {
            step.acts.push(act);
        }
    }

    fn last_command(&mut self, matches: impl Fn(&CommandRecord) -> bool) -> Option<&mut CommandRecord> {
        self.step()?.acts.iter_mut().rev().find_map(|act| match act {
            Act::Command(command) if matches(command) => Some(command),
            _ => None,
        })
    }

    fn add_line(&mut self, line: &str, error: bool, shown: bool) {
        let text = self.mask.clean(line);
        let size = self.kept_bytes + text.len() + 1;
        let is_kept = size <= MAX_OUTPUT;
        if is_kept {
            self.kept_bytes = size;
        }
        if let Some(command) = self.last_command(|_| true) {
            // Output without a gap: after the first line that is left out, no line is kept.
            if is_kept && command.lines_left_out == 0 {
                command.output.push(OutputLine { text, error, shown });
            } else {
                command.lines_left_out += 1;
            }
        }
    }

    fn end_check(&mut self, claim: &str, took: Option<Duration>, now: Duration, outcome: CheckOutcome) {
        let Some(step) = self.step() else { return };
        let check = step.acts.iter_mut().rev().find_map(|act| match act {
            Act::Check(check) if check.claim == claim => Some(check),
            _ => None,
        });
        if let Some(check) = check {
            check.took = took.unwrap_or_else(|| now.saturating_sub(check.at));
            check.outcome = outcome;
        }
    }
}
