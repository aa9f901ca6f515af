//! wrk as a process: one target, one load, one measurement, and nothing left of it.

use std::process::Stdio;
use std::time::Duration;

use camino::Utf8PathBuf;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Resource, Signal, getrlimit, kill_process_group, pidfd_open};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;

use super::block::{self, Measurement};
use super::plan::{Load, Target};
use crate::core::assets;
use crate::core::failure::{Failure, FailureKind, Result};
use crate::machine::state::{RUN_DIR_VARIABLE, RunDir};

/// What wrk may take beyond the load's duration: to connect, and to count at the end.
const GRACE: Duration = Duration::from_secs(15);

/// An answer that takes longer counts as an error.
const TIMEOUT: &str = "10s";

/// wrk's own lines and 20,000 latencies stay far below, in bytes.
const LONGEST_OUTPUT: u64 = 4 << 20;

/// Descriptors that wrk needs besides its connections.
const OTHER_DESCRIPTORS: u64 = 64;

/// wrk, ready to run for a lab.
#[derive(Debug)]
pub struct Wrk {
    program: Utf8PathBuf,
    run: RunDir,
    /// Goes with this value, or with the lab's folder.
    script: tempfile::NamedTempFile,
}

impl Wrk {
    /// `program` is the installed tool; the script is put into the lab's folder.
    pub fn new(program: Utf8PathBuf, run: &RunDir) -> Result<Self> {
        let mut script =
            tempfile::Builder::new().prefix("bench-").suffix(".lua").tempfile_in(run.temporary())?;
        std::io::Write::write_all(&mut script, assets::bench_script())?;
        Ok(Self { program, run: run.clone(), script })
    }

    /// The arguments as a person would type them, without the script's folder.
    pub fn shown(target: &Target, load: &Load) -> String {
        let words = arguments(target, load, "compute.lua");
        let quoted = words.iter().map(|word| {
            let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:=".contains(letter);
            if word.chars().all(plain) { word.clone() } else { format!("'{word}'") }
        });
        format!("wrk {}", quoted.collect::<Vec<_>>().join(" "))
    }

    /// Presses the target and says how it answered. wrk is ended when the future is dropped.
    pub async fn measure(&self, target: &Target, load: &Load) -> Result<Measurement> {
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
        let mut leash = Leash::of(child.id());
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let work = async { tokio::join!(all_of(stdout), all_of(stderr), child.wait()) };
        let deadline = load.duration.duration() + GRACE;
        let (output, errors, status) = tokio::time::timeout(deadline, work).await.map_err(|_| {
            Failure::new(FailureKind::DeadlinePassed, format!("wrk did not end in {deadline:?}"))
                .detail("target", target.url.to_string())
                .hint("it was stopped; fewer --connections are easier on the machine")
        })?;
        let status = status.map_err(|error| Failure::failed("cannot wait for wrk").seen(&error))?;
        // It has ended by itself, and its number may be somebody else's by now.
        leash.0 = None;
        if !status.success() {
            return Err(Failure::failed(format!("wrk ended with {status}"))
                .detail("target", target.url.to_string())
                .seen_text(last_words(&errors, &output))
                .hint("`meshlab status` shows whether the lab is still there"));
        }
        block::parse(&output).map_err(|error| {
            Failure::failed("cannot make sense of what wrk printed")
                .seen(&error)
                .detail("last lines", last_words(&errors, &output))
                .hint("`meshlab deps verify wrk` tells whether it is the pinned one")
        })
    }

    /// wrk itself, or a shell that first allows it as many descriptors as it needs.
    fn command(&self, load: &Load) -> Result<Command> {
        let needed = u64::from(load.connections) + OTHER_DESCRIPTORS;
        let limit = getrlimit(Resource::Nofile);
        if limit.current.is_none_or(|current| current >= needed) {
            return Ok(Command::new(&self.program));
        }
        if limit.maximum.is_some_and(|maximum| maximum < needed) {
            let most = limit.maximum.unwrap_or_default().saturating_sub(OTHER_DESCRIPTORS);
            return Err(Failure::failed(format!(
                "{} connections are more than this user may open",
                load.connections
            ))
            .hint(format!(
                "give --connections {most} or fewer, or raise the hard limit of open files (ulimit -Hn)"
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

fn arguments(target: &Target, load: &Load, script: &str) -> Vec<String> {
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

/// Everything a stream says, up to a limit; what comes after is read and forgotten, so that the writer can go on.
async fn all_of(stream: Option<impl AsyncRead + Unpin>) -> String {
    let Some(mut stream) = stream else { return String::new() };
    let mut bytes = Vec::new();
    // A stream that breaks has said what it had to say; the exit status tells the rest.
    if (&mut stream).take(LONGEST_OUTPUT).read_to_end(&mut bytes).await.is_ok() {
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn last_words(errors: &str, output: &str) -> String {
    const LINES: usize = 3;
    let said = if errors.trim().is_empty() { output } else { errors };
    let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    let last: Vec<String> = lines[lines.len().saturating_sub(LINES)..]
        .iter()
        .map(|line| line.chars().take(200).collect())
        .collect();
    if last.is_empty() { "(nothing)".to_owned() } else { last.join("\n") }
}

/// Ends the whole process group when dropped, and returns once its leader is gone.
struct Leash(Option<Pid>);

impl Leash {
    fn of(pid: Option<u32>) -> Self {
        Self(pid.and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw))
    }
}

impl Drop for Leash {
    fn drop(&mut self) {
        const PATIENCE: Timespec = Timespec { tv_sec: 2, tv_nsec: 0 };
        let Some(group) = self.0 else { return };
        // Opened before the signal: the number could belong to somebody else after it.
        let leader = pidfd_open(group, PidfdFlags::empty());
        let _ = kill_process_group(group, Signal::KILL);
        if let Ok(leader) = leader {
            let _ = poll(&mut [PollFd::new(&leader, PollFlags::IN)], Some(&PATIENCE));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_can_be_typed() {
        let target = super::super::plan::compute("127.0.0.1".parse().unwrap()).unwrap();
        let load = Load::new("60s", 5, None).unwrap();
        insta::assert_snapshot!(Wrk::shown(&target, &load), @r#"wrk --latency --threads 5 --connections 5 --duration 60s --timeout 10s --script compute.lua http://127.0.0.1:8088/api/v1/compute -- POST '{"result":9}' '{"expression":"1+1+2+3+4+5+6-1-2-3-4-5-6+9+8-4-5"}'"#);
    }

    #[tokio::test]
    async fn output_without_an_end_is_cut() {
        let endless = tokio::io::repeat(b'x').take(LONGEST_OUTPUT + 1000);
        assert_eq!(all_of(Some(endless)).await.len() as u64, LONGEST_OUTPUT);
    }
}
