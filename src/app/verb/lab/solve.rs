//! `meshlab lab solve`

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::practised::lab;
use super::run::{RunMode, StepSelection, run_lab};
use crate::app::report::Reports;
use crate::app::ui::Console;
use crate::app::verb::{Context, Execution, Run};
use crate::artifacts::lockfile::Lock;
use crate::core::failure::Result;
use crate::core::settings::Settings;

/// Do a step; start the lab if it does not run, and leave it running
#[derive(Debug, Args)]
pub(super) struct SolveArgs {
    /// Lab id, name, or unique prefix
    name: String,
    /// Step by number or name [default: the first that is not done]
    step: Option<String>,
}

impl Run for SolveArgs {
    const KEEPS_LOG: bool = true;
    const IN_LAB_NETNS: bool = true;
    /// It takes down what it has started.
    const EXECUTION: Execution = Execution::HandlesSignals;

    async fn run(self, context: &Context) -> Result<ExitCode> {
        let (settings, lock) = (&context.settings, context.lock()?);
        solve(&self.name, self.step.as_deref(), settings, &lock, &context.console).await?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Runs a step, and the open ones before it; starts the lab if it does not run, and leaves it running.
async fn solve(
    name: &str,
    step: Option<&str>,
    settings: &Settings,
    lock: &Lock,
    console: &Arc<Console>,
) -> Result<()> {
    let lab = lab(name, settings.address, settings)?;
    let selection = match step {
        Some(step) => StepSelection::Only(lab.position(step)?),
        None => StepSelection::Next,
    };
    let mode = RunMode { selection, keep: true, with_reader: false };
    run_lab(&lab.id, mode, settings, lock, console, &Reports::default()).await
}
