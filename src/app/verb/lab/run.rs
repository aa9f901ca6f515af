//! `meshlab lab NAME`: runs a lab from its first open step to its last.

use std::ops::Range;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use camino::Utf8PathBuf;
use clap::Args;

use crate::app::report::Reports;
use crate::app::ui::{Answer, Console};
use crate::app::verb::{Context, Execution, Run};
use crate::artifacts::lockfile::Lock;
use crate::core::event::{Event, LabEvent, Note, SharedReporter, Silent, StepSummary};
use crate::core::failure::{Failure, FailureKind, Result};
use crate::core::model::{LabAddress, LabId};
use crate::core::settings::Settings;
use crate::core::signals::interrupted;
use crate::labs::{Catalog, Lab, Launcher, Progress, RunProgress, Session};
use crate::machine::state::RunDir;

#[derive(Debug, Args)]
pub(super) struct LabRunArgs {
    /// Lab id, name, or unique prefix, for instance 1 or tcp-echo
    name: Option<String>,
    /// Leave the lab running at the end, and skip a last step that only takes down
    #[arg(long)]
    keep: bool,
    /// Show only this step, by number or name; earlier steps run silently if they are not done
    #[arg(long, value_name = "STEP", conflicts_with = "from")]
    step: Option<String>,
    /// Start with this step; earlier steps run silently if they are not done
    #[arg(long, value_name = "STEP")]
    from: Option<String>,
    /// Write a report, even if the lab fails: FILE.html, FILE.json or FILE.xml (JUnit) (repeatable)
    #[arg(long = "report", value_name = "FILE")]
    reports: Vec<Utf8PathBuf>,
}

impl Run for LabRunArgs {
    const KEEPS_LOG: bool = true;
    const IN_LAB_NETNS: bool = true;
    /// It takes down what it has started.
    const EXECUTION: Execution = Execution::HandlesSignals;

    async fn run(self, context: &Context) -> Result<ExitCode> {
        run(&self, &context.settings, &context.lock()?, &context.console).await?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The steps to show.
#[derive(Debug, Clone, Copy)]
pub(super) enum StepSelection {
    /// From the first open step to the end.
    Rest,
    /// From this one to the end.
    From(usize),
    /// This one.
    Only(usize),
    /// The first open step.
    Next,
}

impl StepSelection {
    /// The range in a lab of `steps` steps whose first open step is `open`.
    fn range(self, open: usize, steps: usize) -> Range<usize> {
        match self {
            Self::Rest => open..steps,
            Self::Next => open..open + 1,
            Self::From(index) => index..steps,
            Self::Only(index) => index..index + 1,
        }
    }
}

/// How to run a lab.
#[derive(Debug, Clone, Copy)]
pub(super) struct RunMode {
    pub(super) selection: StepSelection,
    /// Whether to leave the lab running.
    pub(super) keep: bool,
    /// Whether to wait for a reader at the terminal.
    pub(super) with_reader: bool,
}

/// Runs a lab, and takes it down unless it is kept. Writes the reports even if it fails.
async fn run(args: &LabRunArgs, settings: &Settings, lock: &Lock, console: &Arc<Console>) -> Result<()> {
    let mut reports = Reports::new(&args.reports, settings)?;
    let name = args.name.as_deref().unwrap_or_default();
    // Before Docker is asked: an unknown lab or step is the first error.
    let lab = Catalog::find(&settings.work_dir)?.lab(name, settings.address)?;
    let selection = match (&args.step, &args.from) {
        (Some(step), _) => StepSelection::Only(lab.position(step)?),
        (None, Some(step)) => StepSelection::From(lab.position(step)?),
        (None, None) => StepSelection::Rest,
    };
    reports.begin(&lab, settings, console);
    let mode = RunMode { selection, keep: args.keep, with_reader: true };
    let outcome = run_lab(&lab.id, mode, settings, lock, console, &reports).await;
    reports.write(outcome)
}

/// Runs a lab: continues one that was left running, else starts it.
pub(super) async fn run_lab(
    id: &LabId,
    mode: RunMode,
    settings: &Settings,
    lock: &Lock,
    console: &Arc<Console>,
    reports: &Reports,
) -> Result<()> {
    let reporter = &reports.reporter(console);
    let launcher = Launcher::choose(settings, lock, reporter).await?;
    let settings = &launcher.settings;
    let lab = Catalog::find(&settings.work_dir)?.lab(id.as_str(), settings.address)?;
    launcher.enter_netns(&lab).await?;
    let run = launcher.run();
    let mut run_lock = run.lock().await?;
    let mut standing = RunProgress::load(&run, Progress::load(&settings.dirs.state, &lab.id));
    let resumes = is_resumable(&run, &lab, &standing);
    let plan = if resumes {
        Plan::resumed(mode, &lab, &standing, run.address())?.without_teardown(mode, &lab)?
    } else {
        run_lock = launcher.clear_leftovers(run_lock).await?;
        standing.refresh();
        Plan::fresh(mode, &lab, standing.progress(), reporter).without_teardown(mode, &lab)?
    };
    reports.limit_to(&plan.shown);
    if plan.from_zero {
        standing.progress().begin()?;
    }
    let keep = mode.keep || resumes;
    let with_reader = mode.with_reader;
    let lab_run = LabRun { launcher: &launcher, console, reporter, with_reader };
    let outcome = tokio::select! {
        outcome = lab_run.work(lab, plan, keep, &mut standing) => outcome,
        interruption = interrupted() => Err(interruption),
    };
    let stopped = matches!(&outcome, Err(failure) if matches!(failure.kind(), FailureKind::Interrupted(_)));
    // A lab that was kept before this run stays.
    if resumes || (keep && !stopped && run.exists()) {
        return outcome;
    }
    let taken_down = launcher.undo(run_lock).await;
    // The first failure is the one to report.
    outcome.and(taken_down)
}

/// Whether a running lab can be continued.
fn is_resumable(run: &RunDir, lab: &Lab, standing: &RunProgress) -> bool {
    // Without a step begun, it is an environment that `up` started.
    run.load().is_some_and(|state| state.kept && state.lab == lab.id) && standing.is_begun()
}

/// Which steps to run, and which of them to show.
#[derive(Debug)]
struct Plan {
    /// The first step to run.
    first: usize,
    /// The steps to show. Earlier ones run silently.
    shown: Vec<usize>,
    /// Whether the lab is running already, so that done steps are not run again.
    resumes: bool,
    /// Whether progress starts from zero.
    from_zero: bool,
    /// The step that is left out because it only takes down.
    skipped: Option<usize>,
}

impl Plan {
    fn resumed(mode: RunMode, lab: &Lab, standing: &RunProgress, address: LabAddress) -> Result<Self> {
        let (id, steps) = (&lab.id, lab.steps.len());
        let open = standing.current(lab);
        if open.is_none() && matches!(mode.selection, StepSelection::Rest | StepSelection::Next) {
            return Err(Failure::failed(format!("all {steps} steps of the running lab {id} are done"))
                .seen_text(format!("it is running on {address}"))
                .hint(format!("`meshlab lab reset {id} STEP` undoes one; `meshlab down` ends all of it")));
        }
        let shown = mode.selection.range(open.unwrap_or(steps), steps);
        if standing.is_done(&lab.steps[shown.start].id) {
            let number = shown.start + 1;
            let failure = Failure::failed(format!("step {number} of the running lab {id} is done already"));
            let is_whole = matches!(mode.selection, StepSelection::From(0));
            return Err(if is_whole || lab.steps[shown.start].reset.is_empty() {
                failure.hint(format!("`meshlab lab reset {id}` resets the whole lab"))
            } else {
                failure.hint(format!("`meshlab lab reset {id} {number}` undoes it"))
            });
        }
        let first = open.unwrap_or(shown.start);
        let shown = shown.filter(|index| !standing.is_done(&lab.steps[*index].id)).collect();
        Ok(Self { first, shown, resumes: true, from_zero: false, skipped: None })
    }

    fn fresh(mode: RunMode, lab: &Lab, progress: &Progress, reporter: &SharedReporter) -> Self {
        // A lab starts from zero if all its steps are done, or all but the one that takes down.
        let is_open = |index: &usize| !(mode.keep && lab.steps[*index].teardown);
        let left = progress.current(lab).filter(is_open).unwrap_or(0);
        let shown = mode.selection.range(left, lab.steps.len());
        if matches!(mode.selection, StepSelection::Rest) && left > 0 {
            let (number, title) = (left + 1, lab.steps[left].title.clone());
            reporter.report(Event::Note(Note::LabContinues { number, title }));
        }
        let from_zero = shown.start == 0 && !matches!(mode.selection, StepSelection::Only(_));
        Self { first: 0, shown: shown.collect(), resumes: false, from_zero, skipped: None }
    }

    /// The plan of a run with `--keep`: without the step that only takes down, unless that is what was named.
    fn without_teardown(mut self, mode: RunMode, lab: &Lab) -> Result<Self> {
        let last = self.shown.last().copied().filter(|index| mode.keep && lab.steps[*index].teardown);
        let Some(last) = last else { return Ok(self) };
        let is_named = match mode.selection {
            StepSelection::Only(index) | StepSelection::From(index) => index == last,
            StepSelection::Rest | StepSelection::Next => false,
        };
        if is_named {
            return Ok(self);
        }
        self.shown.pop();
        if self.shown.is_empty() {
            let (number, id) = (last + 1, &lab.id);
            return Err(Failure::failed(format!("only step {number} of the running lab {id} is left"))
                .detail("seen", "it takes down what the lab started, and --keep leaves it out")
                .hint(format!("`meshlab lab {id}` runs it; `meshlab down` ends the lab")));
        }
        self.skipped = Some(last);
        Ok(self)
    }
}

struct LabRun<'a> {
    launcher: &'a Launcher<'a>,
    console: &'a Console,
    reporter: &'a SharedReporter,
    with_reader: bool,
}

impl LabRun<'_> {
    async fn work(&self, lab: Lab, plan: Plan, keep: bool, standing: &mut RunProgress) -> Result<()> {
        let Plan { first, shown, resumes, skipped, .. } = plan;
        let reporter = self.reporter;
        let components = if resumes {
            self.launcher.provision(&lab).await?
        } else {
            self.launcher.provision_to_start(&lab).await?
        };
        report_start(&lab, self.launcher, components.tools.clone(), reporter);
        let mut session = if resumes {
            self.launcher.resume(lab.clone(), components).await?
        } else {
            self.launcher.start(lab.clone(), components).await?
        };
        // Earlier steps are needed, but not shown.
        session.report_to(Arc::new(Silent));
        for index in first..shown.first().copied().unwrap_or(first) {
            if standing.is_done(&lab.steps[index].id) {
                continue;
            }
            let (number, of, step) = (index + 1, lab.steps.len(), lab.steps[index].id.clone());
            reporter.report(Event::Lab(LabEvent::Preceding { number, of, step }));
            let outcome = session.run_step(index, None).await.1;
            standing.mark(&lab, &lab.steps[index].id, outcome.is_ok())?;
            if outcome.is_err() && keep {
                session.keep()?;
            }
            outcome?;
        }
        session.report_to(reporter.clone());
        let seen = self.show(&mut session, &lab, &shown, standing).await?;
        if keep {
            session.keep()?;
        }
        if let Some(index) = skipped {
            let step = &lab.steps[index];
            reporter.report(Event::Lab(LabEvent::StepSkipped {
                number: index + 1,
                of: lab.steps.len(),
                step: step.id.clone(),
                title: step.title.clone(),
            }));
            if standing.current(&lab) == Some(index) {
                // The reader has nothing left to do.
                standing.progress().mark(&lab, &step.id, true)?;
            }
        }
        let is_through = standing.current(&lab).is_none_or(|open| skipped == Some(open));
        let completed = seen.outcome.is_ok() && is_through;
        reporter.report(Event::Lab(LabEvent::Finished {
            id: lab.id.clone(),
            steps: seen.steps,
            of: shown.len(),
            all: lab.steps.len(),
            passed: seen.outcome.is_ok(),
            // Only after the last step.
            learned: if completed { lab.learned.clone() } else { Vec::new() },
            kept: keep,
            took: seen.took,
        }));
        seen.outcome
    }

    async fn show(
        &self,
        session: &mut Session,
        lab: &Lab,
        shown: &[usize],
        standing: &mut RunProgress,
    ) -> Result<ShownSteps> {
        let mut seen =
            ShownSteps { steps: Vec::with_capacity(shown.len()), outcome: Ok(()), took: Duration::ZERO };
        let started = Instant::now();
        let mut paused = Duration::ZERO;
        let reader = if self.with_reader { self.console.reader() } else { None };
        for (place, index) in shown.iter().copied().enumerate() {
            let (summary, outcome) = session.run_step(index, reader).await;
            if matches!(&outcome, Err(failure) if failure.kind() == FailureKind::ReaderQuit) {
                self.report_stop(index + 1, lab.steps.len(), false);
                break;
            }
            standing.mark(lab, &summary.step, outcome.is_ok())?;
            seen.steps.push(summary);
            seen.outcome = outcome;
            if seen.outcome.is_err() {
                break;
            }
            if self.with_reader && place + 1 < shown.len() {
                let pause = Instant::now();
                let answer = self.console.pause("Enter for the next step, q and Enter to stop").await;
                paused += pause.elapsed();
                if answer == Answer::Quit {
                    self.report_stop(index + 1, lab.steps.len(), true);
                    break;
                }
            }
        }
        seen.took = started.elapsed().saturating_sub(paused);
        Ok(seen)
    }

    fn report_stop(&self, number: usize, of: usize, done: bool) {
        self.reporter.report(Event::Note(Note::LabStopped { number, of, done }));
    }
}

/// The outcome of the steps that were shown.
struct ShownSteps {
    steps: Vec<StepSummary>,
    outcome: Result<()>,
    took: Duration,
}

/// Reports which lab starts, and where.
pub(super) fn report_start(
    lab: &Lab,
    launcher: &Launcher<'_>,
    tools: Vec<(String, String)>,
    reporter: &SharedReporter,
) {
    reporter.report(Event::Lab(LabEvent::Started {
        id: lab.id.clone(),
        title: lab.title.clone(),
        summary: lab.summary.clone(),
        runtime: launcher.backend.kind(),
        runtime_reason: launcher.reason.clone(),
        address: launcher.settings.address,
        tools,
        steps: lab.steps.len(),
    }));
}
