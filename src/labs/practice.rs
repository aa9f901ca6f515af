//! Steps that a reader does: check, undo, and wait for the reader.

use std::time::{Duration, Instant};

use super::reader::{Reader, Turn};
use super::session::Session;
use super::steps::with_step;
use super::{Reset, RunAction, Step};
use crate::core::event::{Event, LabEvent, Note, RuntimeEvent};
use crate::core::failure::{Failure, FailureKind, Result};
use crate::core::model::Slug;

/// The deadline of a check after the reader says that the task is done.
pub const READER_DEADLINE: Duration = Duration::from_secs(10);

impl Session {
    /// Runs the checks that decide whether a step is done.
    pub async fn check_step(&self, index: usize, patience: Duration) -> Result<()> {
        let step = &self.lab.steps[index];
        self.prove_closing(step, patience).await.map_err(|failure| with_step(failure, index + 1, step))
    }

    async fn prove_closing(&self, step: &Step, patience: Duration) -> Result<()> {
        for check in step.closing_checks() {
            self.prove(check, patience).await?;
        }
        Ok(())
    }

    /// Probes the checks of a step once. Returns the claim and the observation of the first check that does not pass.
    pub async fn first_open_check(&self, index: usize) -> Option<(String, String)> {
        for check in self.lab.steps[index].closing_checks() {
            if let Err(mismatch) = check.probe_once(self.address, &self.machine).await {
                return Some((check.claim.clone(), mismatch.to_string()));
            }
        }
        None
    }

    /// Undoes a step.
    pub async fn reset_step(&mut self, index: usize) -> Result<()> {
        let step = self.lab.steps[index].clone();
        for reset in &step.reset {
            let done = match reset {
                Reset::Run(run) => self.execute(&step, run).await,
                Reset::Stop(service) => self.stop(service).await,
            };
            done.map_err(|failure| with_step(failure, index + 1, &step))?;
        }
        Ok(())
    }

    async fn stop(&self, service: &Slug) -> Result<()> {
        let started = Instant::now();
        let component = service.to_string();
        self.report_runtime(RuntimeEvent::Stopping { component: component.clone() });
        self.machine.stop(service.as_str()).await?;
        self.report_runtime(RuntimeEvent::Stopped { component, took: started.elapsed() });
        Ok(())
    }

    /// Gives the reader the task of a command, if there are both. Returns `false` if the command must run.
    pub(super) async fn is_done_by(
        &self,
        reader: Option<&dyn Reader>,
        step: &Step,
        run: &RunAction,
    ) -> Result<bool> {
        let (Some(reader), Some(task)) = (reader, &run.task) else { return Ok(false) };
        let shell = format!("meshlab --address {} shell", self.address);
        self.report(LabEvent::Task { task: task.clone(), shell });
        let mut hints = step.hints.iter().enumerate();
        let patience = step.timeout.min(READER_DEADLINE);
        loop {
            match reader.turn().await {
                Turn::Solve => return Ok(false),
                Turn::Hint => self.report_hint(hints.next(), step.hints.len()),
                Turn::Done => match self.prove_closing(step, patience).await {
                    Ok(()) => return Ok(true),
                    // Already reported. The reader tries again.
                    Err(failure) if failure.kind() == FailureKind::CheckFailed => {}
                    Err(failure) => return Err(failure),
                },
                Turn::Quit => {
                    return Err(Failure::new(
                        FailureKind::ReaderQuit,
                        "the reader stopped before the step was done",
                    ));
                }
            }
        }
    }

    fn report_hint(&self, hint: Option<(usize, &String)>, of: usize) {
        match hint {
            Some((index, text)) => {
                self.report(LabEvent::Hint { number: index + 1, of, text: text.clone() });
            }
            None => self.reporter.report(Event::Note(Note::NoMoreHints)),
        }
    }
}
