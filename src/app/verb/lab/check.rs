//! `meshlab lab check`

use std::process::ExitCode;
use std::time::Instant;

use clap::Args;

use super::practised::{Practised, step};
use crate::app::verb::{Context, Run};
use crate::artifacts::lockfile::Lock;
use crate::core::event::{Event, LabEvent, Note, SharedReporter};
use crate::core::failure::{Failure, Result};
use crate::core::settings::Settings;
use crate::labs::READER_DEADLINE;

/// Check whether a step of the running lab is done
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// Lab id, name, or unique prefix
    name: String,
    /// Step by number or name [default: the first that is not done]
    step: Option<String>,
}

impl Run for CheckArgs {
    const IN_LAB_NETNS: bool = true;

    async fn run(self, context: &Context) -> Result<ExitCode> {
        let (settings, lock) = (&context.settings, context.lock()?);
        check(&self.name, self.step.as_deref(), settings, &lock, &context.reporter).await?;
        Ok(ExitCode::SUCCESS)
    }
}

async fn check(
    name: &str,
    named: Option<&str>,
    settings: &Settings,
    lock: &Lock,
    reporter: &SharedReporter,
) -> Result<()> {
    let mut practised = Practised::find(name, settings, lock, reporter).await?;
    practised.require_running()?;
    let index = step(&practised.lab, practised.standing.current(&practised.lab), named)?;
    let Practised { lab, standing, launcher, .. } = &mut practised;
    let components = launcher.provision(lab).await?;
    let session = launcher.observe(lab.clone(), components).await?;
    let checked = &lab.steps[index];
    let (number, of) = (index + 1, lab.steps.len());
    let report = |event: LabEvent| reporter.report(Event::Lab(event));
    let (step, title) = (checked.id.clone(), checked.title.clone());
    report(LabEvent::StepStarted { number, of, step: step.clone(), title, text: String::new() });
    let started = Instant::now();
    let outcome = session.check_step(index, checked.timeout.min(READER_DEADLINE)).await;
    // Another process may have made progress meanwhile.
    standing.refresh();
    // A later step may have changed what these checks read, for instance by allowing what was denied.
    let still_counts = outcome.is_err() && standing.is_done(&step) && standing.is_any_done(lab, number);
    if !still_counts {
        standing.mark(lab, &step, outcome.is_ok())?;
    }
    report(LabEvent::StepFinished { number, step, passed: outcome.is_ok(), took: started.elapsed() });
    let id = &lab.id;
    let failed = |failure: Failure| {
        let still =
            "it still counts as done: later steps are done, and may have changed what its checks read";
        failure.hint(match (still_counts, checked.reset.is_empty()) {
            (false, _) => {
                format!("`meshlab lab hint {id} {number}` helps; `meshlab lab solve {id} {number}` does it")
            }
            (true, false) => format!(
                "{still}; `meshlab lab reset {id} {number}`, then `meshlab lab solve {id} {number}` does it again"
            ),
            (true, true) => format!("{still}; `meshlab lab reset {id}` resets the whole lab"),
        })
    };
    outcome.map_err(failed)?;
    let lab_id = id.clone();
    reporter.report(Event::Note(match standing.current(lab) {
        Some(next) => Note::NextStep { lab: lab_id, number: next + 1, title: lab.steps[next].title.clone() },
        None => Note::LabDone { lab: lab_id, steps: of },
    }));
    Ok(())
}
