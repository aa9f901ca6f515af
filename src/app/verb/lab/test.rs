//! `meshlab lab test`: whether a lab keeps its promises. For each step: its checks fail before it and hold after it, and
//! fail again once it is undone.

use std::convert::Infallible;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;

use super::once_more;
use super::run::report_start;
use crate::app::verb::{Context, Execution, Run};
use crate::artifacts::lockfile::Lock;
use crate::core::event::{Event, LabEvent, SharedReporter, Silent, Trial};
use crate::core::failure::{Failure, FailureKind, Result};
use crate::core::model::LabId;
use crate::core::settings::Settings;
use crate::core::signals::interrupted;
use crate::core::until::{DEFAULT_DEADLINE, Observed, until};
use crate::labs::{Catalog, Lab, Launcher, Session};
use crate::mesh::api::API_POLL_INTERVAL;

/// Test that each step's checks fail before it, pass after it, and fail again after its reset (for authors)
#[derive(Debug, Args)]
pub(super) struct TestArgs {
    /// Lab ids, names, or unique prefixes [default: all]
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

impl Run for TestArgs {
    const KEEPS_LOG: bool = true;
    /// It takes down what it has started.
    const EXECUTION: Execution = Execution::HandlesSignals;

    async fn run(self, context: &Context) -> Result<ExitCode> {
        test(&self.names, &context.settings, &context.lock()?, &context.reporter).await?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Tests the labs that are named, else all. Progress of readers is not touched.
async fn test(names: &[String], settings: &Settings, lock: &Lock, reporter: &SharedReporter) -> Result<()> {
    let catalog = Catalog::find(&settings.work_dir)?;
    let ids: Vec<LabId> = if names.is_empty() {
        catalog.ids().cloned().collect()
    } else {
        let id = |name: &String| catalog.lab(name, settings.address).map(|lab| lab.id);
        names.iter().map(id).collect::<Result<_>>()?
    };
    let launcher = Launcher::choose(settings, lock, reporter).await?;
    let is_one_of_several = ids.len() > 1;
    // One for all of them: to be told between two labs is to be told, too.
    let mut interruption = pin!(interrupted());
    for id in ids {
        let lab = catalog.lab(id.as_str(), launcher.settings.address)?;
        if is_one_of_several && launcher.backend.needs_netns(lab.network())? {
            // This process would not come back to the labs that are left.
            let test =
                launcher.settings.subcommand(launcher.backend.kind(), &["lab", "test", id.as_str()])?;
            let what = format!("the test of lab {id}");
            once_more::see_through(test, &what, &mut interruption, DEFAULT_DEADLINE).await?;
            continue;
        }
        launcher.enter_netns(&lab).await?;
        test_one(lab, &launcher, reporter, &mut interruption).await?;
    }
    // All labs were asked for: one that cannot even be read has not passed.
    match catalog.unusable().first() {
        Some(unusable) if names.is_empty() => Err(unusable.why.clone()),
        _ => Ok(()),
    }
}

async fn test_one(
    lab: Lab,
    launcher: &Launcher<'_>,
    reporter: &SharedReporter,
    interruption: &mut (impl Future<Output = Failure> + Unpin),
) -> Result<()> {
    let run_lock = launcher.clear_leftovers(launcher.run().lock().await?).await?;
    let outcome = tokio::select! {
        outcome = try_steps(lab, launcher, reporter) => outcome,
        interruption = interruption => Err(interruption),
    };
    let taken_down = launcher.undo(run_lock).await;
    outcome.and(taken_down)
}

async fn try_steps(lab: Lab, launcher: &Launcher<'_>, reporter: &SharedReporter) -> Result<()> {
    let components = launcher.provision_to_start(&lab).await?;
    report_start(&lab, launcher, components.tools.clone(), reporter);
    let started = Instant::now();
    let mut session = launcher.start(lab, components).await?;
    session.report_to(Arc::new(Silent));
    let mut tester = Tester { session, reporter, trials: 0, wrong: Vec::new() };
    let mut outcome = Ok(());
    let mut steps = 0;
    for index in 0..tester.session.lab().steps.len() {
        outcome = tester.try_step(index).await;
        if outcome.is_err() {
            break;
        }
        steps += 1;
    }
    let (id, of) = (tester.session.lab().id.clone(), tester.session.lab().steps.len());
    let passed = outcome.is_ok() && tester.wrong.is_empty();
    let (trials, wrong, took) = (tester.trials, tester.wrong.len(), started.elapsed());
    reporter.report(Event::Lab(LabEvent::Tested { id: id.clone(), steps, of, trials, wrong, passed, took }));
    outcome?;
    if tester.wrong.is_empty() {
        return Ok(());
    }
    let mut failure = Failure::new(FailureKind::CheckFailed, format!("lab {id} does not keep its promises"));
    for wrong in tester.wrong {
        failure = failure.detail("wrong", wrong);
    }
    Err(failure.hint("a step's closing checks, after its last command, say whether it is done; `changes = false` is for one that leaves the lab as it was"))
}

struct Tester<'a> {
    session: Session,
    reporter: &'a SharedReporter,
    trials: usize,
    /// What was not as it should be, and did not keep the rest from being tried.
    wrong: Vec<String>,
}

impl Tester<'_> {
    /// `Err` if what follows cannot be tried.
    async fn try_step(&mut self, index: usize) -> Result<()> {
        self.working(index, Trial::Before);
        let started = Instant::now();
        let open = self.session.first_open_check(index).await;
        let (holds, observed) = told(open);
        self.tell(
            index,
            Trial::Before,
            holds != self.session.lab().steps[index].changes,
            observed,
            started.elapsed(),
        );
        self.run(index, Trial::Run).await?;
        if self.session.lab().steps[index].reset.is_empty() {
            return Ok(());
        }
        self.working(index, Trial::Reset);
        let started = Instant::now();
        let undone = self.session.reset_step(index).await;
        if let Err(failure) = undone {
            self.tell(index, Trial::Reset, false, failure.message().to_owned(), started.elapsed());
            return Err(failure);
        }
        let (holds, observed) = self.until_open(index).await;
        self.tell(index, Trial::Reset, !holds, observed, started.elapsed());
        self.run(index, Trial::Again).await
    }

    async fn run(&mut self, index: usize, trial: Trial) -> Result<()> {
        self.working(index, trial);
        let (summary, outcome) = self.session.run_step(index, None).await;
        let observed = match &outcome {
            Ok(()) => holding(summary.checks),
            Err(failure) => failure.message().to_owned(),
        };
        self.tell(index, trial, outcome.is_ok(), observed, summary.took);
        outcome
    }

    /// Looks until a check of a step does not hold any more, for as long as the step may take.
    async fn until_open(&self, index: usize) -> (bool, String) {
        let deadline = self.session.lab().steps[index].timeout;
        let probe = async || -> Result<_, Infallible> {
            let (holds, observed) = told(self.session.first_open_check(index).await);
            Ok(if holds { Observed::Pending(observed) } else { Observed::Ready(observed) })
        };
        let Ok(outcome) = until(deadline, API_POLL_INTERVAL, probe).await;
        match outcome {
            Ok(observed) => (false, observed),
            Err(late) => (true, late.last_seen()),
        }
    }

    fn working(&self, index: usize, trial: Trial) {
        let steps = &self.session.lab().steps;
        let (number, of, step) = (index + 1, steps.len(), steps[index].id.clone());
        self.reporter.report(Event::Lab(LabEvent::Trying { number, of, step, trial }));
    }

    fn tell(&mut self, index: usize, trial: Trial, passed: bool, observed: String, took: Duration) {
        let step = &self.session.lab().steps[index];
        let (number, of) = (index + 1, self.session.lab().steps.len());
        self.trials += 1;
        if !passed {
            self.wrong.push(format!("step {number}, {}, {}: {observed}", step.id, trial.name()));
        }
        let (step, title) = (step.id.clone(), step.title.clone());
        self.reporter.report(Event::Lab(LabEvent::Tried {
            number,
            of,
            step,
            title,
            trial,
            passed,
            observed,
            took,
        }));
    }
}

/// Whether all checks hold, and in words.
fn told(open: Option<(String, String)>) -> (bool, String) {
    match open {
        None => (true, "all checks hold".to_owned()),
        Some((claim, observed)) => (false, format!("does not hold: {claim} ({observed})")),
    }
}

fn holding(checks: usize) -> String {
    if checks == 1 { "its check holds".to_owned() } else { format!("{checks} checks hold") }
}
