//! Atomic file writes: a file is written completely or not at all.
//!
//! Invariant: a file under its final name is complete. It is written under another name in the same folder and then
//! renamed.

use std::fs::{File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use crate::core::claim::Claim;
use crate::core::failure::{Failure, Result};

/// The failure for a FILE argument that cannot be written.
pub(crate) fn cannot_write(path: &Utf8Path, error: &std::io::Error) -> Failure {
    let failure = Failure::failed(format!("cannot write {path}")).seen(error);
    match error.kind() {
        std::io::ErrorKind::StorageFull => failure.hint("free some space, or choose a FILE on another disk"),
        std::io::ErrorKind::PermissionDenied => {
            failure.hint("choose a FILE in a folder that this user can write to")
        }
        _ => failure,
    }
}

/// The prefix of temporary files and folders; random characters follow it.
pub(crate) const TEMP_PREFIX: &str = ".meshlab-";

/// Replaces the content of a small file. With concurrent writers the last rename wins.
pub(crate) fn write(path: &Utf8Path, text: &str) -> std::io::Result<()> {
    let mut file = tempfile::Builder::new()
        .prefix(TEMP_PREFIX)
        // The umask applies, as for any other file.
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder_of(path))?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path).map(drop).map_err(|failed| failed.error)
}

fn folder_of(path: &Utf8Path) -> &Utf8Path {
    path.parent().filter(|folder| !folder.as_str().is_empty()).unwrap_or(Utf8Path::new("."))
}

/// A large file that is written as `<path>.partial`, under a lock, and renamed when complete. Dropping it removes the
/// partial file.
pub(crate) struct AtomicFile {
    path: Utf8PathBuf,
    partial: Utf8PathBuf,
    is_done: bool,
    // The last field: released after `drop` removed the partial file.
    _claim: Claim,
}

impl AtomicFile {
    /// Locks `path` for writing. Fails if `path` is no regular file, its folder does not exist, or another process
    /// writes it.
    pub(crate) fn claim(path: &Utf8Path) -> Result<Self> {
        match fs::metadata(path) {
            Ok(found) if found.is_dir() => {
                return Err(Failure::usage(format!("{path} is a folder")).hint("choose a file in it"));
            }
            Ok(found) if !found.is_file() => {
                return Err(Failure::usage(format!("{path} is not a regular file"))
                    .hint("choose a new file, or a regular file to replace"));
            }
            _ => {}
        }
        if path.parent().is_some_and(|folder| !folder.as_str().is_empty() && !folder.is_dir()) {
            return Err(
                Failure::usage(format!("the folder of {path} does not exist")).hint("create it first")
            );
        }
        let partial = Utf8PathBuf::from(format!("{path}.partial"));
        let claim = Claim::try_now(&Utf8PathBuf::from(format!("{path}.lock")))?.map_err(|holder| {
            let failure = Failure::failed(format!("another process is writing {path}"));
            match holder {
                Some(pid) => failure.detail("process", pid.to_string()),
                None => failure,
            }
            .hint("wait for it, or choose another FILE")
        })?;
        Ok(Self { path: path.to_owned(), partial, is_done: false, _claim: claim })
    }

    /// Creates the partial file.
    pub(crate) fn create(&self) -> Result<fs::File> {
        // A killed run may have left one, and it may be a symlink by now: never write through it.
        if fs::symlink_metadata(&self.partial).is_ok() {
            fs::remove_file(&self.partial).map_err(|error| cannot_write(&self.path, &error))?;
        }
        let created = fs::OpenOptions::new().write(true).create_new(true).open(&self.partial);
        created.map_err(|error| cannot_write(&self.path, &error))
    }

    /// Gives the complete file its final name.
    pub(crate) fn rename(mut self) -> Result<()> {
        fs::rename(&self.partial, &self.path).map_err(|error| cannot_write(&self.path, &error))?;
        self.is_done = true;
        // Syncs the new name to disk. Not every file system can sync a folder; the file exists either way.
        let _ = File::open(folder_of(&self.path)).and_then(|folder| folder.sync_all());
        Ok(())
    }
}

impl Drop for AtomicFile {
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
    fn writing_replaces_the_file_atomically_with_the_usual_mode() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Utf8Path::from_path(temporary.path()).unwrap();
        let (path, other, linked) = (folder.join("a"), folder.join("b"), folder.join("c"));
        write(&path, "one").unwrap();
        std::fs::write(&other, "other").unwrap();
        let mode = |path: &Utf8Path| std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&path), mode(&other));
        // A symlink is replaced, not followed.
        std::os::unix::fs::symlink(&other, &linked).unwrap();
        write(&linked, "two").unwrap();
        let read = |path: &Utf8Path| std::fs::read_to_string(path).unwrap();
        assert_eq!([read(&path), read(&other), read(&linked)], ["one", "other", "two"]);
        assert!(write(folder, "three").is_err() && write(&folder.join("no/such"), "three").is_err());
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), 3, "no temporary file is left");
    }
}
