//! `meshlab svc forward-ports|pid1|kill-on-stdin-close|end-tasks|end-session|empty-folder`: meshlab's own processes inside a
//! lab.

use std::process::ExitCode;

use camino::Utf8PathBuf;
use clap::Args;

use crate::app::verb::{Context, Execution, Run};
use crate::core::failure::Result;
use crate::machine::inside::{forward_ports, processes};
use crate::machine::state::RunDir;

/// Publish ports of a lab that has its own network namespace
#[derive(Debug, Args)]
pub(crate) struct ForwardPortsArgs {
    /// Port inside that opens when all ports are published
    #[arg(long, value_name = "PORT")]
    ready: u16,
    /// Ports to publish
    ports: Vec<u16>,
}

impl Run for ForwardPortsArgs {
    const NEEDS_HOME: bool = false;

    async fn run(self, context: &Context) -> Result<ExitCode> {
        forward_ports::serve(context.settings.address, self.ready, self.ports).await?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Be PID 1 of the lab's main container, until SIGTERM
#[derive(Debug, Args)]
pub(crate) struct Pid1Args;

impl Run for Pid1Args {
    const NEEDS_HOME: bool = false;
    /// SIGTERM is its orderly end.
    const EXECUTION: Execution = Execution::HandlesSignals;

    async fn run(self, _: &Context) -> Result<ExitCode> {
        processes::pid1().await?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Run a command line until it ends or standard input is closed
#[derive(Debug, Args)]
pub(crate) struct KillOnStdinCloseArgs {
    /// Command line
    line: String,
}

impl Run for KillOnStdinCloseArgs {
    const NEEDS_HOME: bool = false;
    const EXECUTION: Execution = Execution::Blocking;

    async fn run(self, _: &Context) -> Result<ExitCode> {
        processes::kill_on_stdin_close(&self.line).map(ExitCode::from)
    }
}

/// End the tasks of a Nomad that has ended
#[derive(Debug, Args)]
pub(crate) struct EndTasksArgs;

impl Run for EndTasksArgs {
    const NEEDS_HOME: bool = false;

    async fn run(self, context: &Context) -> Result<ExitCode> {
        processes::end_tasks(&RunDir::of(&context.settings)).await?;
        Ok(ExitCode::SUCCESS)
    }
}

/// End a process session: its leader and all that it started
#[derive(Debug, Args)]
pub(crate) struct EndSessionArgs {
    /// Process id of its leader
    leader: i32,
}

impl Run for EndSessionArgs {
    const NEEDS_HOME: bool = false;

    async fn run(self, _: &Context) -> Result<ExitCode> {
        processes::end_session(self.leader).await?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Empty a lab's folder, and remove the control groups of its tasks
#[derive(Debug, Args)]
pub(crate) struct EmptyFolderArgs {
    /// Folder, inside the folder that holds all labs
    folder: Utf8PathBuf,
}

impl Run for EmptyFolderArgs {
    const NEEDS_HOME: bool = false;

    async fn run(self, _: &Context) -> Result<ExitCode> {
        processes::empty_folder(&self.folder).await?;
        Ok(ExitCode::SUCCESS)
    }
}
