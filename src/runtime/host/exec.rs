//! A command in the foreground: its lines as they come, its end, its deadline.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::Child;
use tokio::sync::mpsc;

use super::Host;
use crate::failure::{Failure, FailureKind, Result};

/// A longer line is cut here, in bytes.
const LONGEST_LINE: usize = 4096;

/// One line that a command wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputLine {
    /// Without the line's end.
    pub text: String,
    /// Whether it went to standard error.
    pub error: bool,
}

/// How a command ended.
#[derive(Debug, Clone)]
pub struct Finished {
    /// Its exit status.
    pub status: ExitStatus,
    /// All its lines were delivered before this.
    pub lines: usize,
}

/// Ends the whole group if the command is abandoned: a pipeline's other ends too.
struct GroupGuard(Option<Pid>);

impl Drop for GroupGuard {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

impl Host {
    /// Runs a command line to its end and hands over each line as it comes.
    pub async fn execute(
        &self,
        line: &str,
        deadline: Duration,
        mut on_line: impl FnMut(OutputLine),
    ) -> Result<Finished> {
        let mut child = self
            .command(line)
            .envs(&self.secrets)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| Failure::failed(format!("cannot run `{line}`")).seen(&error))?;
        let group = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        let mut guard = GroupGuard(group);
        let mut last = String::new();
        let mut lines = 0;
        let run = async {
            let mut output = read_lines(&mut child);
            while let Some(next) = output.recv().await {
                lines += 1;
                last.clone_from(&next.text);
                on_line(next);
            }
            child.wait().await
        };
        match tokio::time::timeout(deadline, run).await {
            Ok(Ok(status)) => {
                guard.0 = None;
                Ok(Finished { status, lines })
            }
            Ok(Err(error)) => Err(Failure::failed(format!("cannot wait for `{line}`")).seen(&error)),
            Err(_) => Err(Failure::new(
                FailureKind::DeadlinePassed,
                format!("`{line}` did not end in {deadline:?}"),
            )
            .detail("last line", if last.is_empty() { "(none)".to_owned() } else { last })
            .hint("it was stopped; `meshlab logs` shows what the components were doing")),
        }
    }
}

fn read_lines(child: &mut Child) -> mpsc::Receiver<OutputLine> {
    const WAITING_LINES: usize = 64;
    let (sender, receiver) = mpsc::channel(WAITING_LINES);
    if let Some(stdout) = child.stdout.take() {
        tokio::spawn(forward(stdout, false, sender.clone()));
    }
    if let Some(stderr) = child.stderr.take() {
        tokio::spawn(forward(stderr, true, sender));
    }
    receiver
}

async fn forward(stream: impl AsyncRead + Unpin, error: bool, lines: mpsc::Sender<OutputLine>) {
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    loop {
        let available = match reader.fill_buf().await {
            Ok(bytes) if !bytes.is_empty() => bytes,
            _ => break,
        };
        let newline = available.iter().position(|byte| *byte == b'\n');
        let taken = newline.map_or(available.len(), |at| at + 1);
        let room = LONGEST_LINE.saturating_sub(line.len());
        line.extend_from_slice(&available[..newline.unwrap_or(taken).min(room)]);
        reader.consume(taken);
        if newline.is_some() {
            let text = String::from_utf8_lossy(&std::mem::take(&mut line)).into_owned();
            if lines.send(OutputLine { text, error }).await.is_err() {
                return;
            }
        }
    }
    if !line.is_empty() {
        let text = String::from_utf8_lossy(&line).into_owned();
        let _ = lines.send(OutputLine { text, error }).await;
    }
}
