//! `meshlab lab test`: the self-test of a lab. The checks of each step fail before it, pass after it, and fail again after its
//! reset.

use std::convert::Infallible;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;

use super::child;
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

/// Tests the named labs, or all. Does not change a reader's progress.
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
    // One for all labs: a signal between two labs counts, too.
    let mut interruption = pin!(interrupted());
    for id in ids {
        let lab = catalog.lab(id.as_str(), launcher.settings.address)?;
        if is_one_of_several && launcher.backend.needs_netns(lab.network())? {
            // A process that enters a network namespace does not come back for the other labs.
            let test =
                launcher.settings.subcommand(launcher.backend.kind(), &["lab", "test", id.as_str()])?;
            let what = format!("the test of lab {id}");
            child::run_to_completion(test, &what, &mut interruption, DEFAULT_DEADLINE).await?;
            continue;
        }
        launcher.enter_netns(&lab).await?;
        test_one(lab, &launcher, reporter, &mut interruption).await?;
    }
    // Among all labs, one that cannot be read has failed.
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
    let mut failure = Failure::new(FailureKind::CheckFailed, format!("lab {id} failed its self-test"));
    for wrong in tester.wrong {
        failure = failure.detail("wrong", wrong);
    }
    Err(failure.hint("the checks after a step's last command decide whether the step is done; set `changes = false` for a step that changes nothing"))
}

struct Tester<'a> {
    session: Session,
    reporter: &'a SharedReporter,
    trials: usize,
    /// Failed trials after which the test went on.
    wrong: Vec<String>,
}

impl Tester<'_> {
    /// Fails if the later steps cannot be tried.
    async fn try_step(&mut self, index: usize) -> Result<()> {
        self.report_trying(index, Trial::Before);
        let started = Instant::now();
        let open = self.session.first_open_check(index).await;
        let (holds, observed) = describe(open);
        self.report_trial(
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
        self.report_trying(index, Trial::Reset);
        let started = Instant::now();
        let undone = self.session.reset_step(index).await;
        if let Err(failure) = undone {
            self.report_trial(index, Trial::Reset, false, failure.message().to_owned(), started.elapsed());
            return Err(failure);
        }
        let (holds, observed) = self.until_open(index).await;
        self.report_trial(index, Trial::Reset, !holds, observed, started.elapsed());
        self.run(index, Trial::Again).await
    }

    async fn run(&mut self, index: usize, trial: Trial) -> Result<()> {
        self.report_trying(index, trial);
        let (summary, outcome) = self.session.run_step(index, None).await;
        let observed = match &outcome {
            Ok(()) => holding(summary.checks),
            Err(failure) => failure.message().to_owned(),
        };
        self.report_trial(index, trial, outcome.is_ok(), observed, summary.took);
        outcome
    }

    /// Waits until a check of a step fails, up to the step's timeout.
    async fn until_open(&self, index: usize) -> (bool, String) {
        let deadline = self.session.lab().steps[index].timeout;
        let probe = async || -> Result<_, Infallible> {
            let (holds, observed) = describe(self.session.first_open_check(index).await);
            Ok(if holds { Observed::Pending(observed) } else { Observed::Ready(observed) })
        };
        let Ok(outcome) = until(deadline, API_POLL_INTERVAL, probe).await;
        match outcome {
            Ok(observed) => (false, observed),
            Err(late) => (true, late.last_seen()),
        }
    }

    fn report_trying(&self, index: usize, trial: Trial) {
        let steps = &self.session.lab().steps;
        let (number, of, step) = (index + 1, steps.len(), steps[index].id.clone());
        self.reporter.report(Event::Lab(LabEvent::Trying { number, of, step, trial }));
    }

    fn report_trial(&mut self, index: usize, trial: Trial, passed: bool, observed: String, took: Duration) {
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

/// Whether all checks hold, and a description.
fn describe(open: Option<(String, String)>) -> (bool, String) {
    match open {
        None => (true, "all checks hold".to_owned()),
        Some((claim, observed)) => (false, format!("does not hold: {claim} ({observed})")),
    }
}

fn holding(checks: usize) -> String {
    if checks == 1 { "its check holds".to_owned() } else { format!("{checks} checks hold") }
}
