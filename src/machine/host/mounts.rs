//! Nomad's leftovers when it runs as root: a mount for each task's secrets, and control groups.

use std::convert::Infallible;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use crate::core::event::Removed;
use crate::core::failure::{Failure, Result};
use crate::core::until::{Observed, POLL_INTERVAL, until};
use crate::machine::process::find_task_processes;
use crate::machine::state::RunDir;

/// Where control groups are mounted.
const CONTROL_GROUPS: &str = "/sys/fs/cgroup";

/// How long the kernel may take to empty a control group whose processes have ended.
const CGROUP_EMPTY_GRACE: Duration = Duration::from_secs(2);

/// Unmounts everything below a folder, the deepest first. Returns what was there.
pub(super) fn unmount_below(folder: &Utf8Path) -> Result<Option<Removed>> {
    let mounts = match procfs::process::Process::myself().and_then(|process| process.mountinfo()) {
        Ok(mounts) => mounts,
        Err(error) => return Err(Failure::failed("cannot read the list of mounts").seen(&error)),
    };
    let mut points: Vec<PathBuf> = mounts
        .into_iter()
        .map(|mount| unescaped(&mount.mount_point))
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
    Ok((!points.is_empty()).then_some(Removed::Mounts { count: points.len() }))
}

/// A mount point without the kernel's escapes: it writes a space, tab, newline and backslash as `\040` and the like.
fn unescaped(point: &Path) -> PathBuf {
    let mut bytes = Vec::new();
    let mut rest = point.as_os_str().as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let code =
            after.get(..3).filter(|_| first == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        if let Some(byte) = code.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            bytes.push(byte);
            rest = &after[3..];
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    PathBuf::from(OsString::from_vec(bytes))
}

/// The parent of Nomad's control groups with cgroups version 1, which cannot be configured.
const FIRST_VERSION: &str = "nomad";

/// The allocations of a lab's Nomad, by their folders and by the tasks that run.
pub(super) fn allocations(run: &RunDir) -> Vec<String> {
    let own = folders(&run.allocations());
    let named = own.iter().filter_map(|folder| folder.file_name().map(str::to_owned));
    let mut ids: Vec<String> =
        named.chain(find_task_processes(run).into_iter().map(|task| task.allocation)).collect();
    ids.sort();
    ids.dedup();
    ids
}

/// Whether other labs' Nomads can be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Others {
    /// Their processes can be seen.
    Visible,
    /// In a container, their processes cannot be seen.
    Unknown,
}

/// Removes the control groups of a lab's tasks, in every hierarchy. A parent that all Nomads share stays while another Nomad
/// runs.
pub(super) async fn remove_control_groups(
    run: &RunDir,
    allocations: &[String],
    others: Others,
) -> Result<Vec<Removed>> {
    let mut removed: Vec<Utf8PathBuf> = Vec::new();
    for group in control_groups(run, allocations, others) {
        let Ok(outcome) = until(CGROUP_EMPTY_GRACE, POLL_INTERVAL, async || -> Result<_, Infallible> {
            // Another Nomad may have been started in between, and needs the parent.
            let outcome = if group.ends_with(FIRST_VERSION) && is_another_nomad_running() {
                own_groups(&group, allocations).iter().try_for_each(remove_tree)
            } else {
                remove_tree(&group)
            };
            Ok(match outcome {
                Ok(()) => Observed::Ready(true),
                // Another take-down removed it, or it is another user's: the Nomad of an ordinary user makes none.
                Err(error) if [ErrorKind::NotFound, ErrorKind::PermissionDenied].contains(&error.kind()) => {
                    Observed::Ready(false)
                }
                Err(error) => Observed::Pending(error),
            })
        })
        .await;
        let is_removed = outcome.map_err(|late| {
            let failure = Failure::failed(format!("cannot remove the control group {group}"));
            late.last
                .iter()
                .fold(failure, |failure, error| failure.seen(error))
                .hint("something still runs in it: look into its cgroup.procs")
        })?;
        if is_removed {
            removed.push(group);
        }
    }
    // They are counted: one line per task would be a long list.
    let (shared, whole): (Vec<_>, Vec<_>) = removed
        .into_iter()
        .partition(|group| group.parent().is_some_and(|parent| parent.ends_with(FIRST_VERSION)));
    let mut removed: Vec<Removed> = whole.into_iter().map(|path| Removed::ControlGroup { path }).collect();
    if !shared.is_empty() {
        removed.push(Removed::TaskControlGroups { count: shared.len() });
    }
    Ok(removed)
}

fn control_groups(run: &RunDir, allocations: &[String], others: Others) -> Vec<Utf8PathBuf> {
    let root = Utf8Path::new(CONTROL_GROUPS);
    let name = run.control_group();
    // Symbolic links to the same hierarchy.
    let hierarchies: Vec<Utf8PathBuf> =
        folders(root).into_iter().filter(|hierarchy| !hierarchy.is_symlink()).collect();
    let mut groups = vec![root.join(&name)];
    groups.extend(hierarchies.iter().map(|hierarchy| hierarchy.join(&name)));
    let shared: Vec<Utf8PathBuf> =
        hierarchies.iter().map(|hierarchy| hierarchy.join(FIRST_VERSION)).collect();
    if others == Others::Unknown || is_another_nomad_running() {
        groups.extend(shared.iter().flat_map(|parent| own_groups(parent, allocations)));
    } else if !allocations.is_empty() || run.root().join("nomad").exists() {
        groups.extend(shared);
    }
    groups.retain(|group| group.is_dir());
    groups
}

/// The groups of these allocations below the parent that all Nomads share.
fn own_groups(parent: &Utf8Path, allocations: &[String]) -> Vec<Utf8PathBuf> {
    let is_own = |group: &Utf8PathBuf| {
        let name = group.file_name().unwrap_or_default();
        allocations.iter().any(|id| name.strip_prefix(id.as_str()).is_some_and(|rest| rest.starts_with('.')))
    };
    folders(parent).into_iter().filter(is_own).collect()
}

fn folders(parent: &Utf8Path) -> Vec<Utf8PathBuf> {
    let entries = parent.read_dir_utf8().into_iter().flatten().flatten();
    entries.map(|entry| entry.path().to_owned()).filter(|path| path.is_dir()).collect()
}

/// Whether a Nomad runs. This lab's own has ended.
fn is_another_nomad_running() -> bool {
    let processes = procfs::process::all_processes().into_iter().flatten().flatten();
    processes.filter_map(|process| process.stat().ok()).any(|stat| stat.comm == "nomad" && stat.state != 'Z')
}

/// Removes a control group and those in it. Its files cannot be removed, and need not be.
fn remove_tree(group: &Utf8PathBuf) -> std::io::Result<()> {
    for entry in group.read_dir_utf8()? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path().to_owned())?;
        }
    }
    fs::remove_dir(group)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_are_read_as_the_kernel_writes_them() {
        for (written, meant) in [
            ("/a/b", "/a/b"),
            ("/a\\040b\\011\\012c", "/a b\t\nc"),
            ("/\\134040", "/\\040"),
            ("/a\\", "/a\\"),
            ("/\\9xx\\04", "/\\9xx\\04"),
        ] {
            assert_eq!(unescaped(Path::new(written)), Path::new(meant), "{written}");
        }
    }
}
