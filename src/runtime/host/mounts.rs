//! What Nomad leaves in the system when it runs as root: a mount for each task's secrets, and control groups.

use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use crate::failure::{Failure, Result};

/// Where control groups are mounted.
const CONTROL_GROUPS: &str = "/sys/fs/cgroup";

/// How long the kernel may take to empty a control group whose processes have ended.
const EMPTYING: Duration = Duration::from_secs(2);

const PAUSE: Duration = Duration::from_millis(10);

/// Unmounts everything below a folder, the deepest first. Says in words what was there.
pub(super) fn unmount_below(folder: &Utf8Path) -> Result<Vec<String>> {
    let mounts = match procfs::process::Process::myself().and_then(|process| process.mountinfo()) {
        Ok(mounts) => mounts,
        Err(error) => return Err(Failure::failed("cannot read the list of mounts").seen(&error)),
    };
    let mut points: Vec<std::path::PathBuf> = mounts
        .into_iter()
        .map(|mount| mount.mount_point)
        .filter(|point| point.starts_with(folder) && point != folder.as_std_path())
        .collect();
    points.sort_by_key(|point| std::cmp::Reverse(point.components().count()));
    for point in &points {
        rustix::mount::unmount(point, rustix::mount::UnmountFlags::DETACH).map_err(|error| {
            Failure::failed(format!("cannot unmount {}", point.display()))
                .seen(&error)
                .hint("only root can; run the same command with sudo")
        })?;
    }
    Ok(if points.is_empty() { Vec::new() } else { vec![format!("{} mounts of Nomad's tasks", points.len())] })
}

/// Where Nomad puts its tasks on systems with the first version of control groups, whatever it is told.
const FIRST_VERSION: &str = "nomad";

/// Removes the control group of a lab's tasks and all below it, in every hierarchy. Where Nomad takes one for all, it is
/// left to another Nomad that runs.
pub(super) async fn remove_control_groups(name: &str) -> Result<Vec<String>> {
    let mut groups = Vec::new();
    let root = Utf8Path::new(CONTROL_GROUPS);
    let entries: Vec<Utf8PathBuf> =
        root.read_dir_utf8().into_iter().flatten().flatten().map(|entry| entry.path().to_owned()).collect();
    let mut found = vec![root.join(name)];
    found.extend(entries.iter().map(|hierarchy| hierarchy.join(name)));
    if entries.iter().any(|hierarchy| hierarchy.join(FIRST_VERSION).is_dir()) && !is_another_nomad_running() {
        found.extend(entries.iter().map(|hierarchy| hierarchy.join(FIRST_VERSION)));
    }
    // Several names lead to the same hierarchy.
    let is_real =
        |group: &Utf8PathBuf| group.is_dir() && group.parent().is_some_and(|parent| !parent.is_symlink());
    for group in found.into_iter().filter(is_real) {
        let deadline = Instant::now() + EMPTYING;
        while let Err(error) = remove_tree(&group) {
            if Instant::now() >= deadline {
                return Err(Failure::failed(format!("cannot remove the control group {group}"))
                    .seen(&error)
                    .hint("something still runs in it: look into its cgroup.procs"));
            }
            tokio::time::sleep(PAUSE).await;
        }
        groups.push(format!("control group {group}"));
    }
    Ok(groups)
}

/// Asked after this lab's own have ended.
fn is_another_nomad_running() -> bool {
    let processes = procfs::process::all_processes().into_iter().flatten().flatten();
    processes.filter_map(|process| process.stat().ok()).any(|stat| stat.comm == "nomad" && stat.state != 'Z')
}

/// A control group's files cannot be removed and need not be: only its folders.
fn remove_tree(group: &Utf8PathBuf) -> std::io::Result<()> {
    for entry in group.read_dir_utf8()? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path().to_owned())?;
        }
    }
    fs::remove_dir(group)
}
