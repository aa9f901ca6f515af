//! Runs the steps of a lab: commands, services that start in parallel, checks.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::check::{Check, CheckResult};
use super::reader::Reader;
use super::session::Session;
use super::{Action, RunAction, Step};
use crate::core::event::{LabEvent, StepSummary};
use crate::core::failure::{Failure, FailureKind, Result};
use crate::core::model::Slug;
use crate::machine::ServiceSpec;
use crate::mesh::vm::Component;

/// The limit of reported output lines of a command.
const MAX_LINES: usize = 2000;

/// How many of its last lines a failed command reports. An error of meshlab itself has several.
const LAST_LINES: usize = 6;

impl Session {
    /// Runs one step (`index` from 0). A reader, if there is one, gets the step's tasks. Reports the end of the step, except
    /// if the reader stops during it.
    pub async fn run_step(&mut self, index: usize, reader: Option<&dyn Reader>) -> (StepSummary, Result<()>) {
        let step = self.lab.steps[index].clone();
        let number = index + 1;
        self.report(LabEvent::StepStarted {
            number,
            of: self.lab.steps.len(),
            step: step.id.clone(),
            title: step.title.clone(),
            text: step.text.clone(),
        });
        tracing::info!("step {number}: {}", step.id);
        let started = Instant::now();
        let mut checks = 0;
        let mut outcome = Ok(());
        for group in groups(&step.actions) {
            let acted = self.act(&step, group, reader).await;
            outcome = acted.map_err(|failure| with_step(failure, number, &step));
            if outcome.is_err() {
                break;
            }
            checks += group.iter().filter(|action| matches!(action, Action::Check(_))).count();
        }
        let (passed, took) = (outcome.is_ok(), started.elapsed());
        if !matches!(&outcome, Err(failure) if failure.kind() == FailureKind::ReaderQuit) {
            self.report(LabEvent::StepFinished { number, step: step.id.clone(), passed, took });
        }
        (StepSummary { number, step: step.id, title: step.title, passed, checks, took }, outcome)
    }

    /// Runs one command, one check, or a group of services that start in parallel.
    async fn act(&mut self, step: &Step, group: &[Action], reader: Option<&dyn Reader>) -> Result<()> {
        let mut starting = Vec::new();
        for action in group {
            match action {
                Action::Run(run) => match &run.service {
                    Some(service) => starting.push((service.spec(&run.command), None)),
                    None if self.is_done_by(reader, step, run).await? => {}
                    None => self.execute(step, run).await?,
                },
                Action::Up(component) => {
                    starting.push((component.spec(self.environment()?), Some(*component)));
                }
                Action::Check(check) => self.prove(check, step.timeout).await?,
            }
        }
        self.start(step, &starting).await
    }

    pub(super) async fn prove(&self, check: &Check, patience: Duration) -> Result<()> {
        let claim = check.claim.clone();
        self.report(LabEvent::CheckStarted { claim: claim.clone() });
        let started = Instant::now();
        tracing::info!("check: {claim}");
        let waiting = |observed: &str| {
            tracing::debug!("check waits: {claim}: {observed}");
            self.report(LabEvent::CheckWaiting { claim: claim.clone(), observed: observed.to_owned() });
        };
        match check.prove(self.address, &self.machine, patience, waiting).await {
            CheckResult::Passed { evidence } => {
                tracing::info!(millis = started.elapsed().as_millis(), "check passed: {claim}");
                self.report(LabEvent::CheckPassed { claim, evidence, took: started.elapsed() });
                Ok(())
            }
            CheckResult::Failed { observed } => {
                tracing::warn!("check failed: {claim}: {observed}");
                let expected = check.expected();
                let failure = Failure::new(FailureKind::CheckFailed, format!("check failed: {claim}"))
                    .detail("expected", expected.clone())
                    .observed(format!("{observed} (for {} s)", patience.as_secs()));
                let path = check.call_path(self.machine.run()).await;
                let failure = match &path {
                    Some(Ok(path)) => failure.detail("path", path.in_short()),
                    Some(Err(why)) => failure.detail("path", format!("unknown: {why}")),
                    None => failure,
                };
                let path = path.and_then(|path| path.ok().map(Box::new));
                self.report(LabEvent::CheckFailed { claim, expected, observed, path });
                Err(self.machine.with_log(failure, check.component.as_ref().map(Slug::as_str)))
            }
        }
    }

    pub(super) async fn execute(&self, step: &Step, run: &RunAction) -> Result<()> {
        self.report(LabEvent::Command { command: run.command.clone(), service: None });
        let started = Instant::now();
        let (mut shown, mut beyond) = (0, 0);
        let mut last = VecDeque::new();
        let finished = self
            .machine
            .execute(&run.command, step.timeout, |line| {
                if last.len() == LAST_LINES {
                    last.pop_front();
                }
                last.push_back(line.text.clone());
                if shown < run.shown_lines {
                    shown += 1;
                    self.report(LabEvent::Output { line: line.text, error: line.error });
                } else if shown + beyond < MAX_LINES {
                    beyond += 1;
                    self.report(LabEvent::OutputBeyond { line: line.text, error: line.error });
                }
            })
            .await?;
        if finished.lines > shown {
            self.report(LabEvent::OutputCut { lines: finished.lines - shown });
        }
        if !finished.status.success() {
            return Err(Failure::failed(format!("`{}` failed", run.command))
                .seen_text(finished.status.to_string())
                .detail("last lines", Vec::from(last).join("\n")));
        }
        self.report(LabEvent::CommandFinished { took: started.elapsed(), service: None, ready: None });
        Ok(())
    }

    /// Starts neighbours side by side, and waits until all of them are ready.
    async fn start(&mut self, step: &Step, starting: &[(ServiceSpec, Option<Component>)]) -> Result<()> {
        for (spec, _) in starting {
            let (command, service) = (spec.command.clone(), Some(spec.name.clone()));
            self.report(LabEvent::Command { command, service });
        }
        let started = Instant::now();
        let mut specs = Vec::with_capacity(starting.len());
        for (spec, component) in starting {
            // A step that is done once more: the lab's own services begin anew, the environment goes on.
            if self.machine.is_alive(&spec.name).await {
                if component.is_some() {
                    continue;
                }
                self.machine.stop(&spec.name).await?;
            }
            specs.push(spec.clone());
        }
        self.machine.start(&specs).await?;
        for (spec, component) in starting {
            let ready = self.await_settled(spec, *component, step.timeout).await?;
            let (service, took) = (Some(spec.name.clone()), started.elapsed());
            self.report(LabEvent::CommandFinished { took, service, ready: Some(ready) });
        }
        Ok(())
    }
}

/// Groups consecutive services, which start in parallel. A component that needs those before it starts a new group.
fn groups(actions: &[Action]) -> impl Iterator<Item = &[Action]> {
    let starts = |action: &Action| match action {
        Action::Run(run) => run.service.is_some(),
        Action::Up(_) => true,
        Action::Check(_) => false,
    };
    let waits = |action: &Action| matches!(action, Action::Up(component) if component.comes_last());
    actions.chunk_by(move |one, next| starts(one) && starts(next) && !waits(next))
}

/// Adds the step to a failure, and the step's first hint if the failure has no hint.
pub(super) fn with_step(failure: Failure, number: usize, step: &Step) -> Failure {
    let failure = failure.detail("step", format!("{number}, {}", step.title));
    match (failure.hint_text(), step.hints.first()) {
        (None, Some(hint)) => failure.hint(hint.clone()),
        (None, None) => {
            failure.hint("run the lab again with --keep, then try `meshlab logs` and `meshlab shell`")
        }
        (Some(_), _) => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nomad_starts_after_consul_is_ready() {
        let actions = Component::ALL.map(Action::Up);
        let together: Vec<usize> = groups(&actions).map(<[Action]>::len).collect();
        assert_eq!(together, [3, 1]);
    }
}
