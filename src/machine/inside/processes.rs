//! What keeps the machine of a lab's containers in order, from inside: its first process, commands on a leash, and the
//! tasks of a Nomad that is gone.

use std::io::Read as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use camino::Utf8Path;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, kill_process_group, wait};
use tokio::signal::unix::{SignalKind, signal};

use crate::core::failure::{Failure, FailureKind, Result};
use crate::core::signals::interrupted;
use crate::core::until::{Observed, POLL_INTERVAL, TimedOut, until};
use crate::machine::host;
use crate::machine::process::find_task_processes;
use crate::machine::state::RunDir;

/// How long tasks may take to end once they are killed.
const KILL_GRACE: Duration = Duration::from_secs(5);

/// The first process of the machine: buries what others have left, until it is told to end.
pub async fn hold() -> Result<()> {
    let mut ended = signal(SignalKind::child())
        .map_err(|error| Failure::failed("cannot wait for processes that end").seen(&error))?;
    let bury = async {
        loop {
            // One signal may stand for many.
            while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
            if ended.recv().await.is_none() {
                return;
            }
        }
    };
    tokio::select! {
        () = bury => {}
        _ = interrupted() => {}
    }
    Ok(())
}

/// Runs a command line and returns its exit status as a shell tells it. Standard input is the leash: when whoever holds
/// its other end is gone, the command and all that it started are ended.
pub fn leash(line: &str) -> Result<u8> {
    let mut child = Command::new("/bin/sh")
        .arg("-c")
        .arg(line)
        .stdin(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(|error| Failure::failed(format!("cannot run `{line}`")).seen(&error))?;
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    std::thread::spawn(move || {
        let mut nothing = [0; 64];
        // Nobody writes into it: whatever it returns, it is over.
        while std::io::stdin().read(&mut nothing).is_ok_and(|length| length > 0) {}
        if let Some(group) = group {
            let _ = kill_process_group(group, Signal::KILL);
        }
    });
    let status =
        child.wait().map_err(|error| Failure::failed(format!("cannot wait for `{line}`")).seen(&error))?;
    Ok(code(status))
}

fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| Some(128 + status.signal()?));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

/// Ends a session: its leader and all that it started, unless that made a session of its own.
pub async fn end(session: i32) -> Result<()> {
    let outcome = until(KILL_GRACE, POLL_INTERVAL, async || -> Result<_> {
        let processes = procfs::process::all_processes()
            .map_err(|error| Failure::failed("cannot read /proc").seen(&error))?;
        let stats = processes.flatten().filter_map(|process| process.stat().ok());
        let members: Vec<_> =
            stats.filter(|stat| stat.session == session && !matches!(stat.state, 'Z' | 'X')).collect();
        if members.is_empty() {
            return Ok(Observed::Ready(()));
        }
        for pid in members.iter().filter_map(|member| Pid::from_raw(member.pid)) {
            // It may have ended in the meantime, which is what is wanted.
            let _ = kill_process(pid, Signal::KILL);
        }
        Ok(Observed::Pending(members.into_iter().map(|member| member.comm).collect()))
    });
    outcome.await?.map_err(|late| still_alive("a program does not end", late))
}

/// Ends all tasks of the lab's Nomad jobs, before a new Nomad starts them again.
pub async fn sweep(run: &RunDir) -> Result<()> {
    let outcome = until(KILL_GRACE, POLL_INTERVAL, async || -> Result<_> {
        let tasks = find_task_processes(run);
        if tasks.is_empty() {
            return Ok(Observed::Ready(()));
        }
        for pid in tasks.iter().filter_map(|task| Pid::from_raw(task.member.pid)) {
            // It may have ended in the meantime, which is what is wanted.
            let _ = kill_process(pid, Signal::KILL);
        }
        Ok(Observed::Pending(tasks.into_iter().map(|task| task.task).collect()))
    });
    outcome.await?.map_err(|late| still_alive("tasks of an earlier Nomad do not end", late))
}

fn still_alive(message: &str, late: TimedOut<Vec<String>>) -> Failure {
    Failure::new(FailureKind::DeadlinePassed, message)
        .detail("alive", late.last.unwrap_or_default().join(", "))
}

/// Empties a lab's folder, as far as nobody uses it.
pub async fn clear(folder: &Utf8Path) -> Result<()> {
    let not_one = || Failure::usage(format!("{folder} is no lab's folder"));
    let address = folder.file_name().and_then(|name| name.parse().ok()).ok_or_else(not_one)?;
    let state = folder.parent().filter(|above| above.ends_with("run")).and_then(Utf8Path::parent);
    host::clear(&RunDir::new(state.ok_or_else(not_one)?, address)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_s_end_is_told_as_a_shell_tells_it() {
        assert_eq!(code(ExitStatus::from_raw(0)), 0);
        assert_eq!(code(ExitStatus::from_raw(3 << 8)), 3);
        assert_eq!(code(ExitStatus::from_raw(9)), 137);
    }
}
