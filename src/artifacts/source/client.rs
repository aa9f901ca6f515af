//! Runs a package manager (pip, apt-get, go) as a child process: no shell, a given environment, bounded output, a
//! deadline. Dropping the future kills the whole process group.

use std::collections::{BTreeMap, VecDeque};
use std::future::ready;
use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt as _;
use std::pin::pin;
use std::process::Stdio;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout_at};

use crate::core::failure::{Failure, FailureKind, Result};
use crate::core::settings::Environment;
use crate::core::until::retry;

/// The number of last output lines to keep for an error.
const KEPT_LINES: usize = 20;
/// The longest output line in bytes. Longer lines are split.
const MAX_LINE: usize = 2000;
/// How often to start a program again that fails with ETXTBSY, and the pause between.
const BUSY_TRIES: u32 = 40;
const BUSY_PAUSE: Duration = Duration::from_millis(25);
/// How long to read remaining output after the client exited.
const DRAIN_TIME: Duration = Duration::from_secs(2);

/// A package manager command to run.
pub(crate) struct ClientCommand<'a> {
    pub(crate) program: &'a Utf8Path,
    pub(crate) args: Vec<String>,
    /// The complete environment of the process.
    pub(crate) environment: BTreeMap<String, String>,
    /// The working directory.
    pub(crate) directory: &'a Utf8Path,
    /// The process is killed after this time.
    pub(crate) deadline: Duration,
}

/// The pipe that a line was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pipe {
    Out,
    Err,
}

/// The result of a client that exited by itself.
#[derive(Debug)]
pub(crate) struct ClientExit {
    /// Whether the exit code is 0.
    pub(crate) success: bool,
    /// The exit status as text.
    status: String,
    /// The last lines of both pipes.
    pub(crate) lines: Vec<String>,
}

impl ClientExit {
    /// A failure that shows the last line that `is_error` accepts, else the last line.
    pub(crate) fn failure(&self, message: impl Into<String>, is_error: impl Fn(&str) -> bool) -> Failure {
        let not_empty = |line: &&String| !line.trim().is_empty();
        let line = self
            .lines
            .iter()
            .rev()
            .find(|line| is_error(line))
            .or_else(|| self.lines.iter().rev().find(not_empty))
            .map_or(self.status.as_str(), |line| line.trim());
        let failure = Failure::failed(message).seen_text(line).detail("ended", &self.status);
        if self.lines.is_empty() { failure } else { failure.detail("log", self.lines.join("\n")) }
    }
}

/// Finds an executable in `PATH`. Ignores relative folders.
pub(crate) fn find_program(environment: &Environment, name: &str) -> Option<Utf8PathBuf> {
    let path = environment.var("PATH").unwrap_or("/usr/local/bin:/usr/bin:/bin");
    path.split(':').filter(|folder| folder.starts_with('/')).find_map(|folder| {
        let candidate = Utf8Path::new(folder).join(name);
        let found = std::fs::metadata(&candidate).ok()?;
        (found.is_file() && found.permissions().mode() & 0o111 != 0).then_some(candidate)
    })
}

/// Kills the client's process group when dropped.
struct ProcessGroup(Option<Pid>);

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // Fails if the group has already exited.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

impl ClientCommand<'_> {
    /// Runs the client until it exits, and passes each output line to `on_line`.
    pub(crate) async fn run(self, on_line: &mut (dyn FnMut(Pipe, &str) + Send)) -> Result<ClientExit> {
        let deadline = Instant::now() + self.deadline;
        let mut child = self
            .start()
            .await
            .map_err(|error| Failure::failed(format!("cannot start {}", self.program)).seen(&error))?;
        let leader = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let mut group = ProcessGroup(leader);
        tracing::info!(pid = child.id(), folder = %self.directory, "running {} {}", self.program, self.args.join(" "));
        let (Some(mut out), Some(mut err)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(Failure::failed(format!("{} was started without pipes", self.program)));
        };
        let mut tail = VecDeque::new();
        let mut take = |pipe, line: &str| {
            if tail.len() == KEPT_LINES {
                tail.pop_front();
            }
            tail.push_back(line.to_owned());
            on_line(pipe, line);
        };
        let ended = timeout_at(deadline, async {
            let (mut out_lines, mut err_lines) = (Lines::default(), Lines::default());
            let mut status = None;
            let (mut out_open, mut err_open) = (true, true);
            // Limited after the exit: a grandchild may keep the pipes open.
            let mut drain_end = pin!(sleep(DRAIN_TIME));
            while out_open || err_open {
                tokio::select! {
                    read = out_lines.read(&mut out), if out_open => {
                        out_open = read;
                        out_lines.pass_lines(Pipe::Out, &mut take);
                    }
                    read = err_lines.read(&mut err), if err_open => {
                        err_open = read;
                        err_lines.pass_lines(Pipe::Err, &mut take);
                    }
                    ended = child.wait(), if status.is_none() => {
                        status = Some(ended);
                        drain_end.as_mut().reset(Instant::now() + DRAIN_TIME);
                    }
                    () = &mut drain_end, if status.is_some() => break,
                }
            }
            out_lines.finish(Pipe::Out, &mut take);
            err_lines.finish(Pipe::Err, &mut take);
            match status {
                Some(status) => status,
                None => child.wait().await,
            }
        })
        .await;
        let lines: Vec<String> = tail.into();
        match ended {
            Ok(Ok(status)) => {
                group.0 = None;
                tracing::info!(%status, "{} exited", self.program);
                Ok(ClientExit { success: status.success(), status: status.to_string(), lines })
            }
            Ok(Err(error)) => Err(Failure::failed(format!("cannot wait for {}", self.program)).seen(&error)),
            Err(_) => {
                let last = lines.last().cloned().unwrap_or_else(|| "no output".to_owned());
                Err(Failure::new(
                    FailureKind::DeadlinePassed,
                    format!(
                        "{} did not finish within {} s and was killed",
                        self.program,
                        self.deadline.as_secs()
                    ),
                )
                .seen_text(last))
            }
        }
    }
}

impl ClientCommand<'_> {
    async fn start(&self) -> std::io::Result<Child> {
        let mut command = Command::new(self.program.as_std_path());
        command
            .args(&self.args)
            .env_clear()
            .envs(&self.environment)
            .current_dir(self.directory.as_std_path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        let mut tries = 0;
        let mut attempt = || match command.spawn() {
            // The tool was just unpacked, and a process forked meanwhile still has it open for writing.
            Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy && tries < BUSY_TRIES => {
                tries += 1;
                ControlFlow::Continue(BUSY_PAUSE)
            }
            other => ControlFlow::Break(other),
        };
        retry(|| ready(attempt())).await
    }
}

/// Splits output into lines. A carriage return also ends a line, because progress displays use it.
#[derive(Default)]
struct Lines {
    bytes: Vec<u8>,
}

impl Lines {
    /// Reads once. Returns false at the end of the pipe. Cancel-safe.
    async fn read(&mut self, pipe: &mut (impl AsyncRead + Unpin)) -> bool {
        self.bytes.reserve(4096);
        matches!(pipe.read_buf(&mut self.bytes).await, Ok(length) if length > 0)
    }

    fn pass_lines(&mut self, pipe: Pipe, take: &mut impl FnMut(Pipe, &str)) {
        while let Some(end) = self.bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            let line: Vec<u8> = self.bytes.drain(..=end).collect();
            Self::pass(&line[..end], pipe, take);
        }
        if self.bytes.len() > MAX_LINE {
            self.finish(pipe, take);
        }
    }

    fn finish(&mut self, pipe: Pipe, take: &mut impl FnMut(Pipe, &str)) {
        let rest = std::mem::take(&mut self.bytes);
        Self::pass(&rest, pipe, take);
    }

    fn pass(line: &[u8], pipe: Pipe, take: &mut impl FnMut(Pipe, &str)) {
        let line = &line[..line.len().min(MAX_LINE)];
        if !line.is_empty() {
            take(pipe, &String::from_utf8_lossy(line));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::until::assert_soon;

    fn shell(script: &str, deadline: Duration) -> ClientCommand<'static> {
        ClientCommand {
            program: Utf8Path::new("/bin/sh"),
            args: vec!["-c".into(), script.into()],
            environment: BTreeMap::from([("PATH".into(), "/usr/bin:/bin".into())]),
            directory: Utf8Path::new("/"),
            deadline,
        }
    }

    const SOON: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn lines_of_both_pipes_are_read_and_the_error_line_is_shown() {
        let mut seen = Vec::new();
        let ended = shell("echo one; printf 'half\\rway\\n'; echo ERROR: broken >&2; echo bye; exit 3", SOON)
            .run(&mut |pipe, line| seen.push((pipe, line.to_owned())))
            .await
            .unwrap();
        assert!(!ended.success);
        let out: Vec<&str> =
            seen.iter().filter(|(pipe, _)| *pipe == Pipe::Out).map(|(_, line)| line.as_str()).collect();
        assert_eq!(out, ["one", "half", "way", "bye"]);
        let failure = ended.failure("it failed", |line| line.starts_with("ERROR"));
        assert_eq!(failure.to_string(), "it failed: ERROR: broken");
    }

    #[tokio::test]
    async fn output_is_bounded() {
        let ended =
            shell("i=0; while [ $i -lt 500 ]; do echo $i; i=$((i+1)); done; head -c 9000 /dev/zero", SOON)
                .run(&mut |_, _| {})
                .await
                .unwrap();
        assert!(ended.success);
        assert_eq!(ended.lines.len(), KEPT_LINES);
        assert!(ended.lines.iter().all(|line| line.len() <= MAX_LINE));
    }

    #[tokio::test]
    async fn the_client_has_only_the_given_environment() {
        let mut seen = Vec::new();
        shell("env | cut -d= -f1 | grep -vE '^(PWD|SHLVL|_|OLDPWD)$'", SOON)
            .run(&mut |_, line| seen.push(line.to_owned()))
            .await
            .unwrap();
        assert_eq!(seen, ["PATH"]);
    }

    /// Whether a process has exited; it may be a zombie.
    fn has_exited(pid: i32) -> bool {
        let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        status.is_empty() || status.rsplit(") ").next().is_some_and(|rest| rest.starts_with(['Z', 'X']))
    }

    /// A process that the client leaves behind may keep a pipe open.
    #[tokio::test]
    async fn output_is_read_although_another_pipe_stays_open() {
        // The line is printed after the client exited; its standard output stays open.
        let script = "sleep 60 2>&- & (sleep 0.3; echo no such module >&2) >&- & exit 1";
        let ended = shell(script, SOON).run(&mut |_, _| {}).await.unwrap();
        assert!(ended.lines.contains(&"no such module".to_owned()), "{ended:?}");
    }

    const WITH_GRANDCHILD: &str = "sleep 600 & echo $!; sleep 600";

    #[tokio::test]
    async fn the_process_group_is_killed_when_the_future_is_dropped() {
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        let mut on_line = move |_, line: &str| sender.send(line.parse::<i32>().unwrap()).unwrap();
        let grandchild = tokio::select! {
            _ = shell(WITH_GRANDCHILD, SOON).run(&mut on_line) => panic!("it sleeps"),
            pid = receiver.recv() => pid.unwrap(),
        };
        assert_dies(grandchild).await;
    }

    #[tokio::test]
    async fn the_process_group_is_killed_at_the_deadline() {
        // A busy machine may need longer until the script prints.
        for seconds in [1, 4, 16] {
            let mut grandchild = None;
            let mut on_line = |_, line: &str| grandchild = line.parse::<i32>().ok();
            let failure =
                shell(WITH_GRANDCHILD, Duration::from_secs(seconds)).run(&mut on_line).await.unwrap_err();
            assert_eq!(failure.kind(), FailureKind::DeadlinePassed);
            if let Some(grandchild) = grandchild {
                return assert_dies(grandchild).await;
            }
        }
        panic!("the script never started");
    }

    async fn assert_dies(pid: i32) {
        assert_soon(|| has_exited(pid)).await;
    }

    #[test]
    fn programs_are_found_by_path() {
        let found = |path| find_program(&Environment::from_pairs([("PATH", path)]), "sh");
        assert!(found("/nowhere:relative:/bin:/usr/bin").is_some());
        assert_eq!(found("/nowhere"), None);
    }
}
