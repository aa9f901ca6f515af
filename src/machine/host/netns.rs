//! A lab's own network namespace and mount namespace, for labs whose Nomad tasks have networks. What Nomad creates there (a
//! bridge, packet filter rules, named network namespaces) ends with the lab's last process and is not visible outside.
//!
//! Only a thread can enter a namespace. So a program enters with its first thread and executes itself again: then all of its
//! threads are inside.

mod files;

use std::convert::Infallible;
use std::fs::File;
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use camino::Utf8Path;
use fs_err as fs;
use rustix::mount::{MountPropagationFlags, mount_bind, mount_change};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};

pub use files::{is_inside, outside};

use files::NETWORK;

use crate::core::failure::{Failure, FailureKind, Result};
use crate::machine::process::network_of;
use crate::machine::state::alive::is_running;
use crate::machine::state::{RunDir, RunState};
use crate::machine::{ALLOCATIONS, BRIDGE};

/// The address of Nomad's bridge, in Nomad's default bridge subnet.
const BRIDGE_ADDRESS: &str = "172.26.64.1/20";

/// The network namespace that this process is in.
pub(super) fn own_network() -> Option<u64> {
    procfs::process::Process::myself().ok().as_ref().and_then(network_of)
}

/// A process in the lab's own network namespace; `None` if the lab has none or this process is in it.
pub fn process_in(state: &RunState) -> Option<i32> {
    let network = state.network.filter(|network| own_network() != Some(*network))?;
    let processes = state.services.iter().filter_map(|service| service.process);
    let mut alive = processes.filter(|process| is_running(process.pid, process.start_ticks));
    let is_in = |pid: i32| {
        let process = procfs::process::Process::new(pid).ok();
        process.as_ref().and_then(network_of) == Some(network)
    };
    alive.find(|process| is_in(process.pid)).map(|process| process.pid)
}

/// Fails if this user may not create network namespaces.
pub(super) fn require_rights() -> Result<()> {
    if rustix::process::geteuid().is_root() {
        return Ok(());
    }
    Err(lacks("this lab's tasks have networks of their own, and only root can make them")
        .hint("run it in containers: --runtime docker; or as root"))
}

/// Moves this thread into new network and mount namespaces, with a bridge for Nomad. The state folder stays visible outside.
pub(super) fn make(state: &Utf8Path, busybox: &Utf8Path) -> Result<()> {
    files::require_visible(state)?;
    // What is not there yet would not be seen.
    fs::create_dir_all(state)?;
    unshare(UnshareFlags::NEWNS, "mounts")?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .map_err(|error| cannot_mount("/", error))?;
    files::hide()?;
    fs::write(NETWORK, "")?;
    mount_bind("/proc/thread-self/ns/net", NETWORK).map_err(|error| cannot_mount(NETWORK, error))?;
    unshare(UnshareFlags::NEWNET, "a network")?;
    for line in [
        "link set lo up".to_owned(),
        format!("link add {BRIDGE} type bridge"),
        format!("addr add {BRIDGE_ADDRESS} dev {BRIDGE}"),
        format!("link set {BRIDGE} up"),
    ] {
        let made = Command::new(busybox).arg("ip").args(line.split(' ')).output();
        let made = made.map_err(|error| Failure::failed(format!("cannot run {busybox}")).seen(&error))?;
        if !made.status.success() {
            let said = String::from_utf8_lossy(&made.stderr);
            return Err(lacks(&format!("`ip {line}` failed in the lab's own network"))
                .seen_text(said.trim().to_owned())
                .hint("the kernel needs bridges and veth; `--runtime docker` may run where they are"));
        }
    }
    Ok(())
}

/// Moves this thread into the namespaces of another process.
pub fn enter(pid: i32) -> Result<()> {
    // The kernel lets a thread enter a mount namespace only if it shares its working directory with no other thread.
    let folder = std::env::current_dir()?;
    unshare(UnshareFlags::FS, "a working directory")?;
    for (name, kind) in [("net", LinkNameSpaceType::Network), ("mnt", LinkNameSpaceType::Mount)] {
        let path = format!("/proc/{pid}/ns/{name}");
        let cannot = || {
            Failure::failed("cannot enter the lab's own network")
                .hint("only root can; run the same command with sudo")
        };
        let opened = File::open(&path).map_err(|error| cannot().seen(&error))?;
        move_into_link_name_space(opened.as_fd(), Some(kind)).map_err(|error| cannot().seen(&error))?;
    }
    std::env::set_current_dir(&folder).map_err(|error| {
        Failure::failed(format!("the lab's own mounts have no folder {}", folder.display()))
            .seen(&error)
            .hint("run the same command in another folder")
    })
}

/// Replaces this process with this program, called again. Returns only if that fails.
pub fn re_exec(mut again: Command) -> Result<Infallible> {
    Err(Failure::failed("cannot execute this program again").seen(&again.exec()))
}

/// Moves this thread out of the lab's network namespace.
pub(in crate::machine) fn leave() -> Result<()> {
    let moved = File::open(NETWORK).and_then(|outside| {
        Ok(move_into_link_name_space(outside.as_fd(), Some(LinkNameSpaceType::Network))?)
    });
    moved.map_err(|error| Failure::failed("cannot reach the network outside of the lab's own").seen(&error))
}

/// Mounts the folder of a lab's allocations under its short name.
pub(super) fn shorten(run: &RunDir) -> Result<()> {
    let folder = run.allocations();
    fs::create_dir_all(&folder)?;
    let mounts = procfs::process::Process::myself().and_then(|process| process.mountinfo());
    let mounts = mounts.map_err(|error| Failure::failed("cannot read the list of mounts").seen(&error))?;
    if mounts.into_iter().any(|mount| mount.mount_point == *ALLOCATIONS) {
        return Ok(());
    }
    mount_bind(folder.as_std_path(), ALLOCATIONS).map_err(|error| cannot_mount(ALLOCATIONS, error))
}

#[allow(deprecated, reason = "what replaces it is unsafe for the sake of CLONE_FILES, which is not used")]
fn unshare(what: UnshareFlags, words: &str) -> Result<()> {
    rustix::thread::unshare(what).map_err(|error| {
        lacks(&format!("the system does not let this lab have {words} of its own"))
            .seen(&error)
            .hint("root needs CAP_SYS_ADMIN and CAP_NET_ADMIN; or run it in containers: --runtime docker")
    })
}

fn cannot_mount(place: &str, error: rustix::io::Errno) -> Failure {
    lacks(&format!("cannot mount {place} for this lab alone"))
        .seen(&error)
        .hint("run it in containers: --runtime docker")
}

fn lacks(message: &str) -> Failure {
    Failure::new(FailureKind::MissingRequirement, message)
}
