//! Runs wrk for one target and one load. No process of it is left afterwards.

use std::process::Stdio;
use std::time::Duration;

use camino::Utf8PathBuf;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Resource, Signal, getrlimit, kill_process_group, pidfd_open};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;

use super::block::{self, Measurement};
use super::plan::{Target, WrkLoad};
use crate::core::assets;
use crate::core::failure::{Failure, FailureKind, Result};
use crate::machine::state::{RUN_DIR_VARIABLE, RunDir};

/// How long wrk may run beyond the load's duration, to connect and to print its result.
const GRACE: Duration = Duration::from_secs(15);

/// wrk counts a slower answer as an error.
const TIMEOUT: &str = "10s";

/// The limit of wrk's output, in bytes. 20,000 latencies need far less.
const MAX_OUTPUT: u64 = 4 << 20;

/// File descriptors that wrk needs besides its connections.
const OTHER_DESCRIPTORS: u64 = 64;

/// The installed wrk, prepared for a lab.
#[derive(Debug)]
pub struct Wrk {
    program: Utf8PathBuf,
    run: RunDir,
    /// Deleted when this value is dropped.
    script: tempfile::NamedTempFile,
}

impl Wrk {
    /// Writes the wrk script to the lab's folder. `program` is the path of wrk.
    pub fn new(program: Utf8PathBuf, run: &RunDir) -> Result<Self> {
        let mut script =
            tempfile::Builder::new().prefix("bench-").suffix(".lua").tempfile_in(run.temporary())?;
        std::io::Write::write_all(&mut script, assets::bench_script())?;
        Ok(Self { program, run: run.clone(), script })
    }

    /// The command line as a user types it, without the folder of the script.
    pub fn command_line(target: &Target, load: &WrkLoad) -> String {
        let words = arguments(target, load, "compute.lua");
        let quoted = words.iter().map(|word| {
            let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:=".contains(letter);
            if word.chars().all(plain) { word.clone() } else { format!("'{word}'") }
        });
        format!("wrk {}", quoted.collect::<Vec<_>>().join(" "))
    }

    /// Runs wrk and returns its result. wrk is killed when the future is dropped.
    pub async fn measure(&self, target: &Target, load: &WrkLoad) -> Result<Measurement> {
        let script = self.script.path().to_string_lossy();
        let mut command = self.command(load)?;
        let mut child = command
            .args(arguments(target, load, &script))
            .env_clear()
            // The installed command is a small shell script.
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env(RUN_DIR_VARIABLE, self.run.root())
            .current_dir(self.run.temporary())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|error| Failure::failed(format!("cannot run {}", self.program)).seen(&error))?;
        let mut guard = KillGroupOnDrop::of(child.id());
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let work = async { tokio::join!(read_all(stdout), read_all(stderr), child.wait()) };
        let deadline = load.duration.duration() + GRACE;
        let (output, errors, status) = tokio::time::timeout(deadline, work).await.map_err(|_| {
            Failure::new(FailureKind::DeadlinePassed, format!("wrk did not finish within {deadline:?}"))
                .detail("target", target.url.to_string())
                .hint("wrk was killed; use fewer --connections")
        })?;
        let status = status.map_err(|error| Failure::failed("cannot wait for wrk").seen(&error))?;
        // wrk has ended, and its pid may be reused.
        guard.0 = None;
        if !status.success() {
            return Err(Failure::failed(format!("wrk failed: {status}"))
                .detail("target", target.url.to_string())
                .seen_text(last_lines(&errors, &output))
                .hint("`meshlab status` shows whether the lab still runs"));
        }
        block::parse(&output).map_err(|error| {
            Failure::failed("cannot parse the output of wrk")
                .seen(&error)
                .detail("last lines", last_lines(&errors, &output))
                .hint("`meshlab deps verify wrk` checks whether wrk has the pinned version")
        })
    }

    /// The command for wrk. If the limit of open files is too low, a shell raises it first.
    fn command(&self, load: &WrkLoad) -> Result<Command> {
        let needed = u64::from(load.connections) + OTHER_DESCRIPTORS;
        let limit = getrlimit(Resource::Nofile);
        if limit.current.is_none_or(|current| current >= needed) {
            return Ok(Command::new(&self.program));
        }
        if limit.maximum.is_some_and(|maximum| maximum < needed) {
            let most = limit.maximum.unwrap_or_default().saturating_sub(OTHER_DESCRIPTORS);
            return Err(Failure::failed(format!(
                "{} connections exceed the limit of open files",
                load.connections
            ))
            .hint(format!(
                "use --connections {most} or fewer, or raise the hard limit of open files (ulimit -Hn)"
            )));
        }
        let mut command = Command::new("/bin/sh");
        command.args([
            "-c",
            "ulimit -n \"$1\"; shift; exec \"$@\"",
            "sh",
            &needed.to_string(),
            self.program.as_str(),
        ]);
        Ok(command)
    }
}

fn arguments(target: &Target, load: &WrkLoad, script: &str) -> Vec<String> {
    let mut words: Vec<String> = [
        "--latency",
        "--threads",
        &load.threads.to_string(),
        "--connections",
        &load.connections.to_string(),
        "--duration",
        &format!("{}s", load.duration.0),
        "--timeout",
        TIMEOUT,
        "--script",
        script,
        target.url.as_str(),
        "--",
        target.method.as_str(),
        &target.answer,
    ]
    .map(str::to_owned)
    .into();
    words.extend(target.body.clone());
    words
}

/// Reads a stream up to [`MAX_OUTPUT`]. The rest is read and discarded, so that the writer does not block.
async fn read_all(stream: Option<impl AsyncRead + Unpin>) -> String {
    let Some(mut stream) = stream else { return String::new() };
    let mut bytes = Vec::new();
    // On an error, the output so far is used: the exit status decides.
    if (&mut stream).take(MAX_OUTPUT).read_to_end(&mut bytes).await.is_ok() {
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn last_lines(errors: &str, output: &str) -> String {
    const LINES: usize = 3;
    let text = if errors.trim().is_empty() { output } else { errors };
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let last: Vec<String> = lines[lines.len().saturating_sub(LINES)..]
        .iter()
        .map(|line| line.chars().take(200).collect())
        .collect();
    if last.is_empty() { "(no output)".to_owned() } else { last.join("\n") }
}

/// Kills a process group when dropped, and waits until its leader has ended.
struct KillGroupOnDrop(Option<Pid>);

impl KillGroupOnDrop {
    fn of(pid: Option<u32>) -> Self {
        Self(pid.and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw))
    }
}

impl Drop for KillGroupOnDrop {
    fn drop(&mut self) {
        const KILL_TIMEOUT: Timespec = Timespec { tv_sec: 2, tv_nsec: 0 };
        let Some(group) = self.0 else { return };
        // Opened before the signal: afterwards the pid may be reused.
        let leader = pidfd_open(group, PidfdFlags::empty());
        let _ = kill_process_group(group, Signal::KILL);
        if let Ok(leader) = leader {
            let _ = poll(&mut [PollFd::new(&leader, PollFlags::IN)], Some(&KILL_TIMEOUT));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_quoted() {
        let target = super::super::plan::compute("127.0.0.1".parse().unwrap()).unwrap();
        let load = WrkLoad::new("60s", 5, None).unwrap();
        insta::assert_snapshot!(Wrk::command_line(&target, &load), @r#"wrk --latency --threads 5 --connections 5 --duration 60s --timeout 10s --script compute.lua http://127.0.0.1:8088/api/v1/compute -- POST '{"result":9}' '{"expression":"1+1+2+3+4+5+6-1-2-3-4-5-6+9+8-4-5"}'"#);
    }

    #[tokio::test]
    async fn endless_output_is_truncated() {
        let endless = tokio::io::repeat(b'x').take(MAX_OUTPUT + 1000);
        assert_eq!(read_all(Some(endless)).await.len() as u64, MAX_OUTPUT);
    }
}
