//! A command in the foreground.

use std::process::{ExitStatus, Stdio};

use bytes::Bytes;
use futures_util::{Stream, stream};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;

use crate::core::failure::{Failure, Result};
use crate::machine::backend::OnLine;
use crate::machine::output::forward;

/// The size of a read, in bytes.
const PIECE: usize = 8 * 1024;

/// Kills the whole process group if the future is dropped: a pipeline has several processes.
struct GroupGuard(Option<Pid>);

impl Drop for GroupGuard {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// Runs a command that leads a process group. Returns once it has ended and its output is delivered.
pub(super) async fn run(line: &str, command: &mut Command, on_line: OnLine<'_>) -> Result<ExitStatus> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| Failure::failed(format!("cannot run `{line}`")).seen(&error))?;
    let group = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
    let mut guard = GroupGuard(group);
    let cannot = |error: &std::io::Error| Failure::failed(format!("cannot wait for `{line}`")).seen(error);
    let output = child.stdout.take().map(|stream| Box::pin(pieces(stream, false)));
    let errors = child.stderr.take().map(|stream| Box::pin(pieces(stream, true)));
    if let (Some(output), Some(errors)) = (output, errors) {
        forward(stream::select(output, errors), on_line).await.map_err(|error| cannot(&error))?;
    }
    let status = child.wait().await.map_err(|error| cannot(&error))?;
    guard.0 = None;
    Ok(status)
}

fn pieces(source: impl AsyncRead + Unpin, error: bool) -> impl Stream<Item = std::io::Result<(Bytes, bool)>> {
    stream::try_unfold(source, move |mut source| async move {
        let mut piece = Vec::with_capacity(PIECE);
        let length = source.read_buf(&mut piece).await?;
        Ok((length > 0).then(|| ((Bytes::from(piece), error), source)))
    })
}
