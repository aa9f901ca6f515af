//! PID 1 of a container, commands that end with their caller, and the removal of leftovers.

use std::io::Read as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Command, ExitStatus, Stdio};

use camino::Utf8Path;
use rustix::process::{Pid, Signal, WaitOptions, kill_process_group, wait};
use tokio::signal::unix::{SignalKind, signal};

use crate::core::failure::{Failure, Result};
use crate::core::signals::interrupted;
use crate::machine::host;
use crate::machine::host::stop::kill;
use crate::machine::process::{find_task_processes, session_members};
use crate::machine::state::RunDir;

/// PID 1 of the machine's container: reaps orphans until it is interrupted.
pub async fn pid1() -> Result<()> {
    let mut ended = signal(SignalKind::child())
        .map_err(|error| Failure::failed("cannot wait for processes that end").seen(&error))?;
    let reap = async {
        loop {
            // One signal may stand for many processes.
            while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
            if ended.recv().await.is_none() {
                return;
            }
        }
    };
    tokio::select! {
        () = reap => {}
        _ = interrupted() => {}
    }
    Ok(())
}

/// Runs a command line and returns its exit status, as a shell would. When standard input closes, the command and its process
/// group are killed: the other end of standard input belongs to the caller.
pub fn kill_on_stdin_close(line: &str) -> Result<u8> {
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
        // The caller writes nothing: the first read ends when standard input closes.
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

/// Kills a session: its leader and its processes, except those that made a session of their own.
pub async fn end_session(leader: i32) -> Result<()> {
    kill("a program does not end", || session_members(leader)).await
}

/// Kills all tasks of the lab's Nomad jobs, before a new Nomad starts them again.
pub async fn end_tasks(run: &RunDir) -> Result<()> {
    let tasks = || Ok(find_task_processes(run).into_iter().map(|task| task.member).collect());
    kill("tasks of an earlier Nomad do not end", tasks).await
}

/// Empties a lab's folder. None of its processes is left.
pub async fn empty_folder(folder: &Utf8Path) -> Result<()> {
    let no_lab = || Failure::usage(format!("{folder} is not the folder of a lab"));
    let address = folder.file_name().and_then(|name| name.parse().ok()).ok_or_else(no_lab)?;
    let state = folder.parent().filter(|above| above.ends_with("run")).and_then(Utf8Path::parent);
    host::clear(&RunDir::new(state.ok_or_else(no_lab)?, address)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_statuses_are_those_of_a_shell() {
        assert_eq!(code(ExitStatus::from_raw(0)), 0);
        assert_eq!(code(ExitStatus::from_raw(3 << 8)), 3);
        assert_eq!(code(ExitStatus::from_raw(9)), 137);
    }
}
