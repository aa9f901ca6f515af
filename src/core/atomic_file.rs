//! A file that is written whole or not at all.
//!
//! Invariant: a file with its final name is whole. It grows beside under another name and is renamed at the end.

use std::fs::{File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use crate::core::claim::Claim;
use crate::core::failure::{Failure, Result};

/// Why a file that a person named could not be written, with what to do.
pub(crate) fn cannot_write(path: &Utf8Path, error: &std::io::Error) -> Failure {
    let failure = Failure::failed(format!("cannot write {path}")).seen(error);
    match error.kind() {
        std::io::ErrorKind::StorageFull => {
            failure.hint("free some space, or give FILE a place on another disk")
        }
        std::io::ErrorKind::PermissionDenied => failure.hint("give FILE a place where this user may write"),
        _ => failure,
    }
}

/// What a name begins with that nobody can guess, and that is for a moment only.
pub(crate) const PASSING: &str = ".meshlab-";

/// Writes a small file at once. Who else writes it does so before or after: the last one's is there.
pub(crate) fn write(path: &Utf8Path, text: &str) -> std::io::Result<()> {
    let mut file = tempfile::Builder::new()
        .prefix(PASSING)
        // As of any other file: the user's mask takes what it takes.
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder_of(path))?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path).map(drop).map_err(|failed| failed.error)
}

fn folder_of(path: &Utf8Path) -> &Utf8Path {
    path.parent().filter(|folder| !folder.as_str().is_empty()).unwrap_or(Utf8Path::new("."))
}

/// The file that grows beside the one with the final name. Removed unless it is renamed.
pub(crate) struct Beside {
    path: Utf8PathBuf,
    partial: Utf8PathBuf,
    is_done: bool,
    // Given back after the file is gone, not before.
    _claim: Claim,
}

impl Beside {
    pub(crate) fn claim(path: &Utf8Path) -> Result<Self> {
        match fs::metadata(path) {
            Ok(found) if found.is_dir() => {
                return Err(Failure::usage(format!("{path} is a folder")).hint("name a file in it"));
            }
            Ok(found) if !found.is_file() => {
                return Err(Failure::usage(format!("{path} is not an ordinary file"))
                    .hint("name a file that does not exist yet, or one that is to be replaced"));
            }
            _ => {}
        }
        if path.parent().is_some_and(|folder| !folder.as_str().is_empty() && !folder.is_dir()) {
            return Err(Failure::usage(format!("there is no folder for {path}")).hint("make it first"));
        }
        let partial = Utf8PathBuf::from(format!("{path}.partial"));
        let claim = Claim::try_now(&Utf8PathBuf::from(format!("{path}.lock")))?.map_err(|holder| {
            let failure = Failure::failed(format!("another export writes {path}"));
            match holder {
                Some(pid) => failure.detail("process", pid.to_string()),
                None => failure,
            }
            .hint("wait for it, or choose another FILE")
        })?;
        Ok(Self { path: path.to_owned(), partial, is_done: false, _claim: claim })
    }

    pub(crate) fn create(&self) -> Result<fs::File> {
        // What a killed run left may be anything by now; it must not be written through.
        if fs::symlink_metadata(&self.partial).is_ok() {
            fs::remove_file(&self.partial).map_err(|error| cannot_write(&self.path, &error))?;
        }
        let created = fs::OpenOptions::new().write(true).create_new(true).open(&self.partial);
        created.map_err(|error| cannot_write(&self.path, &error))
    }

    /// Gives the file its final name. On this side of the waiting, so that a run that was stopped never does it.
    pub(crate) fn rename(mut self) -> Result<()> {
        fs::rename(&self.partial, &self.path).map_err(|error| cannot_write(&self.path, &error))?;
        self.is_done = true;
        // The name itself has to reach the disk; where folders can't be synced, the file is there all the same.
        let _ = File::open(folder_of(&self.path)).and_then(|folder| folder.sync_all());
        Ok(())
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        if !self.is_done {
            let _ = fs::remove_file(&self.partial);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_file_is_replaced_at_once_and_is_like_any_other() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Utf8Path::from_path(temporary.path()).unwrap();
        let (path, other, linked) = (folder.join("a"), folder.join("b"), folder.join("c"));
        write(&path, "one").unwrap();
        std::fs::write(&other, "other").unwrap();
        let mode = |path: &Utf8Path| std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&path), mode(&other));
        // A link is replaced, not followed.
        std::os::unix::fs::symlink(&other, &linked).unwrap();
        write(&linked, "two").unwrap();
        let read = |path: &Utf8Path| std::fs::read_to_string(path).unwrap();
        assert_eq!([read(&path), read(&other), read(&linked)], ["one", "other", "two"]);
        assert!(write(folder, "three").is_err() && write(&folder.join("no/such"), "three").is_err());
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), 3, "nothing else is left");
    }
}
