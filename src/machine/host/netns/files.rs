//! The files in a lab's own mount namespace: the machine's files, except for the few folders to which Nomad and its plugins
//! write and whose paths cannot be configured.
//!
//! A missing mount point cannot be created without being visible outside. So its parent folder is the lab's own, and each
//! entry of the machine's folder is mounted in it, writable as before. Entries that the machine's folder gets later are found
//! through [`outside`].

use std::fs::File;
use std::io::ErrorKind;
use std::os::fd::AsRawFd as _;
use std::path::Path;

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use fs_err as fs;
use rustix::mount::{MountFlags, mount, mount_bind, mount_bind_recursive};

use super::cannot_mount;
use crate::core::failure::{Failure, Result};
use crate::machine::ALLOCATIONS;

/// The machine's folders, as the lab sees them. This folder exists only in a lab's mount namespace.
const OUTSIDE: &str = "/run/meshlab-outside";

/// The network namespace outside.
pub(super) const NETWORK: &str = "/run/meshlab-outside/net";

/// The lab's own folders, in which the machine's entries are mounted.
const FOLDERS: [&str; 2] = ["/run", "/var/lib"];

/// The lab's own entries in them: folders that Nomad and its plugins expect, and the lock of the packet filter.
const EXPECTED: [&str; 3] = ["/run/netns", "/var/lib/cni", ALLOCATIONS];
const LOCK: &str = "/run/xtables.lock";

/// Whether this process is in a lab's mount namespace.
pub fn is_inside() -> bool {
    Utf8Path::new(OUTSIDE).exists()
}

/// The path here of a file that has this path outside.
pub fn outside(path: &Utf8Path) -> Utf8PathBuf {
    if !is_inside() {
        return path.to_owned();
    }
    let folder = path.parent().and_then(|folder| folder.canonicalize_utf8().ok());
    let path = match (folder, path.file_name()) {
        (Some(folder), Some(name)) => folder.join(name),
        _ => path.to_owned(),
    };
    outside_if_not_mounted(&path, Utf8Path::exists)
}

fn outside_if_not_mounted(path: &Utf8Path, is_here: impl Fn(&Utf8Path) -> bool) -> Utf8PathBuf {
    let is_below = |folder: &Utf8Path| {
        let mut names = path.strip_prefix(folder).ok()?.components();
        let Some(Utf8Component::Normal(first)) = names.next() else { return None };
        let first = folder.join(first);
        // A file directly in the folder may be replaced by a rename, which a mounted file must not be.
        Some(names.next().is_none() || is_own(first.as_std_path()) || !is_here(&first))
    };
    let is_hidden = FOLDERS.iter().find_map(|folder| is_below(Utf8Path::new(folder))).unwrap_or(false);
    if is_hidden { Utf8PathBuf::from(format!("{OUTSIDE}{path}")) } else { path.to_owned() }
}

/// Fails if files in a folder would not be visible outside.
pub(super) fn require_visible(folder: &Utf8Path) -> Result<()> {
    if !FOLDERS.iter().any(|own| folder == *own) {
        return Ok(());
    }
    Err(Failure::usage(format!("{folder} cannot hold the state of a lab with its own network"))
        .seen_text(format!("such a lab has its own {folder}, which ends with the lab"))
        .hint(format!("set MESHLAB_STATE_DIR to a folder below it: {folder}/meshlab")))
}

/// Creates the lab's own folders in this thread's mount namespace.
pub(super) fn hide() -> Result<()> {
    for folder in FOLDERS {
        cover(Utf8Path::new(folder))?;
    }
    for folder in EXPECTED {
        fs::create_dir_all(folder)?;
    }
    Ok(())
}

/// Whether a path in these folders is the lab's own.
fn is_own(path: &Path) -> bool {
    EXPECTED.iter().chain(&[OUTSIDE, LOCK]).any(|own| path == Path::new(own))
}

fn cover(folder: &Utf8Path) -> Result<()> {
    // An open folder stays reachable below a mount that covers it.
    let machines =
        File::open(folder).map_err(|error| Failure::failed(format!("cannot read {folder}")).seen(&error))?;
    let below = Utf8PathBuf::from(format!("/proc/self/fd/{}", machines.as_raw_fd()));
    mount("tmpfs", folder.as_std_path(), "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, c"mode=755")
        .map_err(|error| cannot_mount(folder.as_str(), error))?;
    let kept = Utf8PathBuf::from(format!("{OUTSIDE}{folder}"));
    fs::create_dir_all(&kept)?;
    mount_bind(below.as_std_path(), kept.as_std_path())
        .map_err(|error| cannot_mount(kept.as_str(), error))?;
    for entry in fs::read_dir(&below)? {
        let entry = entry?;
        let (from, to) = (entry.path(), folder.as_std_path().join(entry.file_name()));
        if is_own(&to) {
            continue;
        }
        let kind = entry.file_type()?;
        if kind.is_symlink() {
            let leads_to = match std::fs::read_link(&from) {
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                found => found?,
            };
            std::os::unix::fs::symlink(leads_to, &to)?;
            continue;
        }
        if kind.is_dir() {
            fs::create_dir(&to)?;
        } else {
            fs::File::create(&to)?;
        }
        match mount_bind_recursive(&from, &to) {
            Ok(()) => {}
            // It was removed in the meantime.
            Err(rustix::io::Errno::NOENT) if kind.is_dir() => fs::remove_dir(&to)?,
            Err(rustix::io::Errno::NOENT) => fs::remove_file(&to)?,
            Err(error) => return Err(cannot_mount(&to.display().to_string(), error)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_outside_where_the_labs_own_folder_does_not_have_it() {
        let found = |path: &str| {
            let is_here = |folder: &Utf8Path| ["/run/there", "/run/netns"].contains(&folder.as_str());
            outside_if_not_mounted(Utf8Path::new(path), is_here).into_string()
        };
        for (path, place) in [
            ("/run/there/r.json", "/run/there/r.json"),
            ("/run/there/new/r.json", "/run/there/new/r.json"),
            ("/run/later/r.json", "/run/meshlab-outside/run/later/r.json"),
            ("/run/r.json", "/run/meshlab-outside/run/r.json"),
            ("/run/netns/r.json", "/run/meshlab-outside/run/netns/r.json"),
            ("/run/there", "/run/meshlab-outside/run/there"),
            ("/var/lib/r.json", "/run/meshlab-outside/var/lib/r.json"),
            ("/run", "/run"),
            ("/running/r.json", "/running/r.json"),
            ("/home/r.json", "/home/r.json"),
        ] {
            assert_eq!(found(path), place);
        }
        assert_eq!(outside(Utf8Path::new("/run/r.json")), "/run/r.json", "outside it is where it is");
    }

    #[test]
    fn state_that_would_be_lost_is_refused() {
        assert!(require_visible(Utf8Path::new("/run/meshlab")).is_ok());
        let refused = require_visible(Utf8Path::new("/var/lib")).unwrap_err();
        assert!(refused.hint_text().unwrap().contains("/var/lib/meshlab"), "{refused}");
    }
}
