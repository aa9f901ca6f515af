//! `meshlab completions`

use std::process::ExitCode;

use clap::Args;

use super::{Context, Execution, Run};
use crate::app::ui;
use crate::core::failure::Result;

/// Print a completion script for a shell
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// Shell to complete in
    shell: clap_complete::Shell,
}

impl Run for CompletionsArgs {
    const EXECUTION: Execution = Execution::Blocking;
    const NEEDS_HOME: bool = false;

    async fn run(self, context: &Context) -> Result<ExitCode> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut (context.command_line)(), "meshlab", &mut script);
        ui::print_raw(&script)?;
        Ok(ExitCode::SUCCESS)
    }
}
