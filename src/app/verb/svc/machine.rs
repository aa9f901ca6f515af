//! `meshlab svc doors|hold|leash|sweep|end|clear`: meshlab's own processes inside a lab.

use std::process::ExitCode;

use camino::Utf8PathBuf;
use clap::Args;

use crate::app::verb::{Context, Execution, Run};
use crate::core::failure::Result;
use crate::core::model::LabAddress;
use crate::machine::inside::{doors, processes};
use crate::machine::state::RunDir;

/// Publish ports of a lab that has its own network namespace
#[derive(Debug, Args)]
pub(crate) struct DoorsArgs {
    /// Address of the lab, outside and inside
    #[arg(long, value_name = "IP")]
    of: LabAddress,
    /// Port inside that opens when all ports are published
    #[arg(long, value_name = "PORT")]
    ready: u16,
    /// Ports to publish
    ports: Vec<u16>,
}

impl Run for DoorsArgs {
    const NEEDS_HOME: bool = false;

    async fn run(self, _: &Context) -> Result<ExitCode> {
        doors::serve(self.of, self.ready, self.ports).await?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Be PID 1 of the lab's main container, until SIGTERM
#[derive(Debug, Args)]
pub(crate) struct HoldArgs;

impl Run for HoldArgs {
    const NEEDS_HOME: bool = false;
    /// SIGTERM is its orderly end.
    const EXECUTION: Execution = Execution::HandlesSignals;

    async fn run(self, _: &Context) -> Result<ExitCode> {
        processes::hold().await?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Run a command line until it ends or standard input is closed
#[derive(Debug, Args)]
pub(crate) struct LeashArgs {
    /// Command line
    line: String,
}

impl Run for LeashArgs {
    const NEEDS_HOME: bool = false;
    const EXECUTION: Execution = Execution::Blocking;

    async fn run(self, _: &Context) -> Result<ExitCode> {
        processes::leash(&self.line).map(ExitCode::from)
    }
}

/// End the tasks of a Nomad that has ended
#[derive(Debug, Args)]
pub(crate) struct SweepArgs;

impl Run for SweepArgs {
    const NEEDS_HOME: bool = false;

    async fn run(self, context: &Context) -> Result<ExitCode> {
        processes::sweep(&RunDir::of(&context.settings)).await?;
        Ok(ExitCode::SUCCESS)
    }
}

/// End a process session: its leader and all that it started
#[derive(Debug, Args)]
pub(crate) struct EndArgs {
    /// Session id
    session: i32,
}

impl Run for EndArgs {
    const NEEDS_HOME: bool = false;

    async fn run(self, _: &Context) -> Result<ExitCode> {
        processes::end(self.session).await?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Empty a lab's folder, and remove the control groups of its tasks
#[derive(Debug, Args)]
pub(crate) struct ClearArgs {
    /// Folder, inside the folder that holds all labs
    folder: Utf8PathBuf,
}

impl Run for ClearArgs {
    const NEEDS_HOME: bool = false;

    async fn run(self, _: &Context) -> Result<ExitCode> {
        processes::clear(&self.folder).await?;
        Ok(ExitCode::SUCCESS)
    }
}
