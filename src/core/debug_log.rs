//! The debug log in a lab's folder: always on, bounded, for its owner alone.
//!
//! Several meshlab processes append to one file. It goes with the lab's folder; when the command that removed it fails,
//! its lines are still to be had: see [`DebugLog::lines`].
//!
//! Invariant: a line is masked before it is kept, and the files never hold more than [`LONGEST`] twice.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use camino::{Utf8Path, Utf8PathBuf};

use crate::core::mask::mask;

/// The name of the log.
pub const NAME: &str = "debug.log";

/// The name of the file with the lines before those in [`NAME`].
pub const NAME_BEFORE: &str = "debug.log.1";

/// The length at which a new file begins, in bytes.
pub const LONGEST: u64 = 2 << 20;

/// The most that is kept while there is no folder to write to, in bytes.
const MOST_PENDING: usize = 256 << 10;

static OF_PROCESS: OnceLock<DebugLog> = OnceLock::new();

/// The log of this process.
#[derive(Clone, Default)]
pub struct DebugLog {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    folder: Option<Utf8PathBuf>,
    file: Option<File>,
    /// Lines that came before there was a file.
    pending: Vec<u8>,
}

impl DebugLog {
    /// The log of this process, from now on.
    pub fn install() -> Self {
        OF_PROCESS.get_or_init(Self::default).clone()
    }

    /// Appends a line.
    pub fn write(&self, line: &str) {
        self.inner().write(mask(line).as_bytes());
    }

    /// What the log holds, also once its file is removed: at most the last [`LONGEST`] bytes.
    pub fn lines(&self) -> Vec<u8> {
        self.inner().lines()
    }

    /// Whether the file is in its place in a lab's folder.
    pub fn is_in_place(&self) -> bool {
        self.inner()
            .file
            .as_ref()
            .and_then(|file| file.metadata().ok())
            .is_some_and(|found| found.nlink() > 0)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes the process's log to a lab's folder from now on, once that folder exists. Does nothing in a process without a
/// log.
pub fn attach(folder: &Utf8Path) {
    if let Some(log) = OF_PROCESS.get() {
        log.inner().attach(folder);
    }
}

/// Begins no new file any more: the folder is about to be removed.
pub fn detach() {
    if let Some(log) = OF_PROCESS.get() {
        log.inner().folder = None;
    }
}

impl Inner {
    fn attach(&mut self, folder: &Utf8Path) {
        if self.file.as_ref().is_none_or(|file| !is_at(file, &folder.join(NAME))) {
            self.folder = Some(folder.to_owned());
            self.file = None;
        }
    }

    fn write(&mut self, line: &[u8]) {
        self.prepare();
        if let Some(file) = &mut self.file {
            // One write for each line: lines of several processes do not mix. If the disk is full, the log is cut.
            drop(file.write_all(line));
            return;
        }
        self.pending.extend_from_slice(line);
        if self.pending.len() > MOST_PENDING {
            let half = self.pending.len() / 2;
            let cut = self.pending[half..].iter().position(|byte| *byte == b'\n');
            self.pending.drain(..cut.map_or(half, |length| half + length + 1));
        }
    }

    /// Opens the file if its folder exists by now, and begins a new one where it has become too long.
    fn prepare(&mut self) {
        let Some(folder) = &self.folder else { return };
        let path = folder.join(NAME);
        if let Some(file) = &self.file
            && let Ok(found) = file.metadata()
            && found.len() >= LONGEST
        {
            // Another process may have begun a new one already. A folder that is gone has none. One of another user
            // (inside a container) leaves it to the owner.
            if found.uid() == rustix::process::geteuid().as_raw() {
                if is_at(file, &path) {
                    drop(std::fs::rename(&path, folder.join(NAME_BEFORE)));
                }
                self.file = open(&path);
            }
            if self.file.as_ref().is_none_or(|file| file.metadata().is_ok_and(|found| found.len() >= LONGEST))
            {
                self.file = None;
                self.folder = None;
                return;
            }
        }
        if self.file.is_none() {
            self.file = open(&path);
            if let Some(file) = &mut self.file {
                drop(file.write_all(&std::mem::take(&mut self.pending)));
            }
        }
    }

    fn lines(&mut self) -> Vec<u8> {
        let Some(file) = &mut self.file else { return self.pending.clone() };
        let mut lines = Vec::new();
        let length = file.metadata().map_or(0, |found| found.len());
        if file.seek(SeekFrom::Start(length.saturating_sub(LONGEST))).is_ok() {
            drop(file.take(LONGEST).read_to_end(&mut lines));
        }
        lines
    }
}

fn open(path: &Utf8Path) -> Option<File> {
    OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path).ok()
}

fn is_at(file: &File, path: &Utf8Path) -> bool {
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(open), Ok(named)) => (open.dev(), open.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn folder(temporary: &tempfile::TempDir) -> Utf8PathBuf {
        Utf8PathBuf::from_path_buf(temporary.path().join("lab")).unwrap()
    }

    #[test]
    fn lines_wait_for_the_folder_and_outlive_it() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = folder(&temporary);
        let log = DebugLog::default();
        log.write("one\n");
        log.inner().attach(&folder);
        log.write("token=abc\n");
        assert!(!folder.exists() && !log.is_in_place());
        std::fs::create_dir(&folder).unwrap();
        log.write("three\n");
        let path = folder.join(NAME);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntoken=[masked]\nthree\n");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(log.is_in_place());
        std::fs::remove_dir_all(&folder).unwrap();
        log.write("four\n");
        assert!(!folder.exists() && !log.is_in_place());
        assert_eq!(log.lines(), b"one\ntoken=[masked]\nthree\nfour\n");
    }

    #[test]
    fn two_processes_write_to_two_bounded_files() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = folder(&temporary);
        std::fs::create_dir(&folder).unwrap();
        let (one, other) = (DebugLog::default(), DebugLog::default());
        one.inner().attach(&folder);
        other.inner().attach(&folder);
        let line = format!("{}\n", "x".repeat(99_999));
        for _ in 0..40 {
            one.write(&line);
            other.write(&line);
        }
        let length = |name: &str| std::fs::metadata(folder.join(name)).unwrap().len();
        for name in [NAME, NAME_BEFORE] {
            assert!((1..LONGEST + 200_000).contains(&length(name)), "{name}: {}", length(name));
        }
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 2);
        other.write("last\n");
        assert!(std::fs::read_to_string(folder.join(NAME)).unwrap().ends_with("last\n"));
    }

    #[test]
    fn without_a_folder_the_last_lines_are_kept() {
        let log = DebugLog::default();
        for number in 0..20_000 {
            log.write(&format!("this is line number {number}\n"));
        }
        let lines = String::from_utf8(log.lines()).unwrap();
        assert!(lines.len() <= MOST_PENDING && lines.ends_with("number 19999\n"), "{}", lines.len());
        assert!(lines.starts_with("this is line"), "{:?}", &lines[..40]);
    }
}
