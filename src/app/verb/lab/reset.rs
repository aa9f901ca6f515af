//! `meshlab lab reset`

use std::process::ExitCode;

use clap::Args;

use super::practised::Practised;
use crate::app::verb::{Context, Run};
use crate::artifacts::lockfile::Lock;
use crate::core::event::{Event, Note, SharedReporter};
use crate::core::failure::{Failure, Result};
use crate::core::settings::Settings;

/// Undo a step of the running lab; without a step, stop the lab and delete its progress
#[derive(Debug, Args)]
pub(super) struct ResetArgs {
    /// Lab id, name, or unique prefix
    name: String,
    /// Step by number or name [default: the whole lab]
    step: Option<String>,
}

impl Run for ResetArgs {
    const IN_LAB_NETNS: bool = true;

    async fn run(self, context: &Context) -> Result<ExitCode> {
        let (settings, lock) = (&context.settings, context.lock()?);
        reset(&self.name, self.step.as_deref(), settings, &lock, &context.reporter).await?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Undoes a step of the running lab; without a step, takes the lab down and deletes its progress.
async fn reset(
    name: &str,
    step: Option<&str>,
    settings: &Settings,
    lock: &Lock,
    reporter: &SharedReporter,
) -> Result<()> {
    let mut practised = Practised::find(name, settings, lock, reporter).await?;
    let id = practised.lab.id.clone();
    let Some(step) = step else {
        if practised.run.load().is_some_and(|state| state.lab == id) {
            let run_lock = practised.run.lock().await?;
            practised.launcher.take_down(run_lock).await?;
        }
        practised.standing.progress().forget()?;
        reporter.report(Event::Note(Note::LabReset { lab: id }));
        return Ok(());
    };
    practised.require_running()?;
    let index = practised.lab.position(step)?;
    let number = index + 1;
    let Practised { lab, run, mut standing, launcher } = practised;
    if lab.steps[index].reset.is_empty() {
        return Err(Failure::usage(format!("step {number} of lab {id} cannot be undone on its own"))
            .hint(format!("`meshlab lab reset {id}` resets the whole lab")));
    }
    let _run_lock = run.lock().await?;
    let components = launcher.provision(&lab).await?;
    let mut session = launcher.resume(lab.clone(), components).await?;
    session.reset_step(index).await?;
    standing.mark(&lab, &lab.steps[index].id, false)?;
    let later_done = standing.is_any_done(&lab, number);
    reporter.report(Event::Note(Note::StepReset { lab: id, number, later_done }));
    Ok(())
}
