//! Commands inside the lab's machine, in the foreground.

use std::process::ExitStatus;

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::exec::{CreateExecOptions, StartExecOptions, StartExecResults};
use futures_util::StreamExt as _;

use super::container::status;
use super::failure::cannot;
use crate::core::failure::{Failure, Result};
use crate::machine::backend::OnLine;
use crate::machine::output::forward;
use crate::machine::variables::CommandEnvironment;

/// A command, and where it runs.
pub(super) struct Inside<'a> {
    pub(super) docker: &'a Docker,
    pub(super) container: &'a str,
    pub(super) folder: &'a str,
    /// This program, inside.
    pub(super) program: &'a str,
}

impl Inside<'_> {
    /// Runs a command line to its end. If the future is dropped earlier, the connection closes, and `svc kill-on-stdin-close`
    /// inside ends the command: the daemon has no call for it.
    pub(super) async fn run(
        &self,
        line: &str,
        environment: &CommandEnvironment,
        secrets: &CommandEnvironment,
        on_line: OnLine<'_>,
    ) -> Result<ExitStatus> {
        let what = || format!("run `{line}` in the container {}", self.container);
        let options = CreateExecOptions {
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            env: Some(variables(environment.iter().chain(secrets))),
            cmd: Some([self.program, "svc", "kill-on-stdin-close", line].map(str::to_owned).to_vec()),
            working_dir: Some(self.folder.to_owned()),
            ..CreateExecOptions::default()
        };
        let exec = self.docker.create_exec(self.container, options).await.map_err(cannot(what()))?;
        let started = self.docker.start_exec(&exec.id, None::<StartExecOptions>).await;
        let StartExecResults::Attached { output, input } = started.map_err(cannot(what()))? else {
            return Err(
                Failure::failed(format!("cannot {}", what())).seen_text("Docker closed the connection")
            );
        };
        let pieces = output.map(|piece| {
            piece.map(|piece| match piece {
                LogOutput::StdErr { message } => (message, true),
                LogOutput::StdOut { message }
                | LogOutput::Console { message }
                | LogOutput::StdIn { message } => (message, false),
            })
        });
        forward(pieces, on_line).await.map_err(cannot(what()))?;
        // Open until here: the command ends when it closes.
        drop(input);
        let ended = self.docker.inspect_exec(&exec.id).await.map_err(cannot(what()))?;
        let code = ended.exit_code.and_then(|code| i32::try_from(code).ok()).ok_or_else(|| {
            Failure::failed(format!("cannot {}", what())).seen_text("its output ended, and it still runs")
        })?;
        Ok(status(code))
    }
}

pub(super) fn variables<'a>(pairs: impl Iterator<Item = (&'a String, &'a String)>) -> Vec<String> {
    pairs.map(|(name, value)| format!("{name}={value}")).collect()
}
