//! Finding a lab's processes, also after the meshlab that started them has ended.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use camino::Utf8Path;
use procfs::net::TcpState;
use procfs::process::{FDTarget, Process};

use crate::core::failure::{Failure, Result};
use crate::core::model::LabAddress;
use crate::machine::state::alive::{has_ended, start_ticks};
use crate::machine::state::{RUN_DIR_VARIABLE, RunDir, RunState};

/// A process that belongs to a lab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Process id.
    pub pid: i32,
    /// Start time in clock ticks since boot: with the pid, an identity.
    pub start_ticks: u64,
    /// The program's name.
    pub name: String,
}

/// Whether a process that was found has not ended, even if its environment and files cannot be read any more.
pub(super) fn is_there(member: &Member) -> bool {
    let stat = Process::new(member.pid).and_then(|process| process.stat());
    stat.is_ok_and(|stat| stat.starttime == member.start_ticks && !has_ended(&stat))
}

/// The live processes of the group of this leader, also after the leader has ended.
pub(super) fn group_members(leader: i32, started: u64) -> Result<Vec<Member>> {
    let same_leader = start_ticks(leader).is_none_or(|now| now == started);
    let processes = procfs::process::all_processes()
        .map_err(|error| Failure::failed("cannot read /proc").seen(&error))?;
    let members = processes
        .flatten()
        .filter_map(|process| process.stat().ok())
        .filter(|stat| same_leader && stat.pgrp == leader && stat.starttime >= started && !has_ended(stat));
    Ok(members.map(|stat| Member { pid: stat.pid, start_ticks: stat.starttime, name: stat.comm }).collect())
}

/// The live processes of a session.
pub(super) fn session_members(leader: i32) -> Result<Vec<Member>> {
    let processes = procfs::process::all_processes()
        .map_err(|error| Failure::failed("cannot read /proc").seen(&error))?;
    let stats = processes.flatten().filter_map(|process| process.stat().ok());
    let members = stats.filter(|stat| stat.session == leader && !has_ended(stat));
    Ok(members.map(|stat| Member { pid: stat.pid, start_ticks: stat.starttime, name: stat.comm }).collect())
}

/// Every live process that has the lab's mark, is in a process group that the state records, or writes to a log of the lab.
///
/// The mark alone is not enough: some programs overwrite their environment. The state alone is not enough either: it may
/// have been deleted.
pub fn find_members(run: &RunDir, state: Option<&RunState>) -> Result<Vec<Member>> {
    let processes = procfs::process::all_processes()
        .map_err(|error| Failure::failed("cannot read /proc").seen(&error))?;
    let own = i32::try_from(std::process::id()).unwrap_or_default();
    let mark = OsStr::new(run.root().as_str());
    let logs = run.logs();
    let groups: Vec<(i32, u64)> = state
        .iter()
        .flat_map(|state| &state.services)
        .filter_map(|service| service.process)
        .map(|process| (process.pid, process.start_ticks))
        .collect();
    // A later leader with the same process id leads another group.
    let is_ours = |group: i32, started: u64| {
        groups.iter().any(|(leader, leader_started)| {
            *leader == group
                && started >= *leader_started
                && start_ticks(group).is_none_or(|now| now == *leader_started)
        })
    };
    let mut members = Vec::new();
    for process in processes.flatten() {
        // A process may end in between, and the environments of other users' processes are not readable.
        let Ok(stat) = process.stat() else { continue };
        if process.pid == own || has_ended(&stat) {
            continue;
        }
        if is_ours(stat.pgrp, stat.starttime) || carries(&process, mark) || writes_below(&process, &logs) {
            members.push(Member { pid: process.pid, start_ticks: stat.starttime, name: stat.comm });
        }
    }
    Ok(members)
}

/// The addresses whose labs have processes alive, even where their folders are gone.
pub fn marked_addresses(state_dir: &Utf8Path) -> Result<Vec<LabAddress>> {
    let processes = procfs::process::all_processes()
        .map_err(|error| Failure::failed("cannot read /proc").seen(&error))?;
    let labs = state_dir.join("run");
    let mut addresses: Vec<LabAddress> = processes
        .flatten()
        .flat_map(|process| {
            let mark = process.environ().ok().and_then(|mut all| all.remove(OsStr::new(RUN_DIR_VARIABLE)));
            mark.map(PathBuf::from).into_iter().chain(output(&process, 1)).chain(output(&process, 2))
        })
        .filter_map(|path| path.strip_prefix(&labs).ok()?.iter().next()?.to_str()?.parse().ok())
        .collect();
    addresses.sort();
    addresses.dedup();
    Ok(addresses)
}

/// Whether its standard output or standard error is a file in a folder, which may have been removed. A process that reads a
/// log has it as another file descriptor.
fn writes_below(process: &Process, folder: &Utf8Path) -> bool {
    [1, 2].into_iter().filter_map(|number| output(process, number)).any(|path| path.starts_with(folder))
}

fn output(process: &Process, number: i32) -> Option<PathBuf> {
    match process.fd_from_fd(number).ok()?.target {
        FDTarget::Path(path) => Some(path),
        _ => None,
    }
}

/// A process of a task that Nomad runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskProcess {
    /// The allocation that the task belongs to.
    pub allocation: String,
    /// The task's job.
    pub job: String,
    /// The task's name.
    pub task: String,
    /// The process; of several, the oldest.
    pub member: Member,
}

/// The processes of all tasks of this lab, found by the variables that Nomad sets for them.
pub fn find_task_processes(run: &RunDir) -> Vec<TaskProcess> {
    let mark = OsStr::new(run.root().as_str());
    let mut found: Vec<TaskProcess> = Vec::new();
    for process in procfs::process::all_processes().into_iter().flatten().flatten() {
        // A process may end in between, and the environments of other users' processes are not readable.
        let (Ok(mut environment), Ok(stat)) = (process.environ(), process.stat()) else { continue };
        if environment.get(OsStr::new(RUN_DIR_VARIABLE)).is_none_or(|value| value != mark) {
            continue;
        }
        let mut of = |name: &str| environment.remove(OsStr::new(name))?.into_string().ok();
        let (Some(allocation), Some(task)) = (of("NOMAD_ALLOC_ID"), of("NOMAD_TASK_NAME")) else { continue };
        let job = of("NOMAD_JOB_NAME").unwrap_or_default();
        let member = Member { pid: process.pid, start_ticks: stat.starttime, name: stat.comm };
        match found.iter_mut().find(|other| other.allocation == allocation && other.task == task) {
            Some(other) if other.member.start_ticks <= member.start_ticks => {}
            Some(other) => other.member = member,
            None => found.push(TaskProcess { allocation, job, task, member }),
        }
    }
    found
}

/// A port on which a process of a lab listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// The address and the port.
    pub at: SocketAddr,
    /// The program's name.
    pub program: String,
}

/// Every TCP port on which a lab's processes listen, as the kernel sees it.
pub fn listeners(run: &RunDir, state: Option<&RunState>) -> Result<Vec<Listener>> {
    let mut found: Vec<Listener> = Vec::new();
    let mut tables: BTreeMap<Option<u64>, BTreeMap<u64, SocketAddr>> = BTreeMap::new();
    for member in find_members(run, state)? {
        // It has ended in between.
        let Ok(process) = Process::new(member.pid) else { continue };
        let listening = tables.entry(network_of(&process)).or_insert_with(|| listening(&process));
        let open = process.fd();
        for file in open.into_iter().flatten().flatten() {
            let FDTarget::Socket(inode) = file.target else { continue };
            let Some(at) = listening.get(&inode).copied() else { continue };
            // Child processes inherit sockets.
            if !found.iter().any(|listener| listener.at == at) {
                found.push(Listener { at, program: member.name.clone() });
            }
        }
    }
    found.sort_by_key(|listener| listener.at);
    Ok(found)
}

/// The network namespace that a process is in.
pub(super) fn network_of(process: &Process) -> Option<u64> {
    let namespaces = process.namespaces().ok()?;
    namespaces.0.get(OsStr::new("net")).map(|namespace| namespace.identifier)
}

/// Every listening TCP socket of a process's network namespace, by inode.
fn listening(process: &Process) -> BTreeMap<u64, SocketAddr> {
    // A machine without IPv6 has no such table.
    let sockets = [process.tcp(), process.tcp6()].into_iter().flatten().flatten();
    let listening = sockets.filter(|socket| socket.state == TcpState::Listen);
    listening.map(|socket| (socket.inode, socket.local_address)).collect()
}

fn carries(process: &Process, mark: &OsStr) -> bool {
    process.environ().is_ok_and(|environment| {
        environment.get(OsStr::new(RUN_DIR_VARIABLE)).is_some_and(|value| value.as_bytes() == mark.as_bytes())
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt as _;
    use std::process::{Command, Stdio};

    use super::*;
    use crate::core::until::assert_soon_blocking;
    use crate::machine::state::alive::is_running;

    #[test]
    fn what_waits_for_its_parent_to_notice_does_not_run() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).process_group(0).spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let started = start_ticks(pid).unwrap();
        assert!(is_running(pid, started) && !is_running(pid, started + 1));
        assert_eq!(group_members(pid, started).unwrap().len(), 1);
        assert_eq!(group_members(pid, started + 1).unwrap(), []);
        child.kill().unwrap();
        assert_soon_blocking(|| !is_running(pid, started));
        assert_eq!(start_ticks(pid), Some(started), "it is still listed");
        assert_eq!(group_members(pid, started).unwrap(), []);
        child.wait().unwrap();
    }

    #[test]
    fn workers_are_found_after_their_leader_and_all_files_are_gone() {
        let temporary = tempfile::tempdir().unwrap();
        let run = RunDir::new(Utf8Path::from_path(temporary.path()).unwrap(), LabAddress::DEFAULT);
        run.create().unwrap();
        let log = std::fs::File::create(run.log("x")).unwrap();
        // No mark: it may have written over it.
        let mut leader = Command::new("sh")
            .args(["-c", "sleep 600 & wait"])
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .stdout(log)
            .process_group(0)
            .spawn()
            .unwrap();
        let pid = i32::try_from(leader.id()).unwrap();
        let started = start_ticks(pid).unwrap();
        // The worker is the shell once more until it is replaced.
        let is_worker = |member: &Member| member.name == "sleep";
        assert_soon_blocking(|| group_members(pid, started).unwrap().iter().any(is_worker));
        leader.kill().unwrap();
        leader.wait().unwrap();
        let workers = group_members(pid, started).unwrap();
        assert_eq!(workers.iter().map(|member| member.name.as_str()).collect::<Vec<_>>(), ["sleep"]);
        std::fs::remove_dir_all(run.root()).unwrap();
        assert_eq!(find_members(&run, None).unwrap(), workers);
        let state_dir = Utf8Path::from_path(temporary.path()).unwrap();
        assert_eq!(marked_addresses(state_dir).unwrap(), [LabAddress::DEFAULT]);
        let worker = rustix::process::Pid::from_raw(workers[0].pid).unwrap();
        rustix::process::kill_process(worker, rustix::process::Signal::KILL).unwrap();
    }
}
