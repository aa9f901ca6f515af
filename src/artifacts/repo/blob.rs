//! Files to serve, and their identity, which detects changes.

use std::fs::{File, Metadata};
use std::os::unix::fs::FileExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use camino::Utf8Path;
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use rustix::fs::OFlags;

use super::body::Body;
use crate::core::model::Digest;

/// A body to send, and the digest of the whole of it.
#[derive(Debug)]
pub(super) struct Blob {
    pub(super) content: Body,
    pub(super) digest: Digest,
}

/// The result of looking up a file.
#[derive(Debug)]
pub(super) enum Lookup {
    Blob(Blob),
    NotFound,
    /// The file has changed. The text is for the server's log.
    Altered(String),
}

/// Longer than the resolution of change times, which is up to 10 ms on some systems.
const TIME_RESOLUTION: Duration = Duration::from_millis(100);

/// Identifies a file and its content: a write changes the ctime, which programs cannot set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileIdentity {
    pub(super) size: u64,
    inode: (u64, u64),
    changed: (i64, i64),
}

impl FileIdentity {
    /// The identity of a regular file; `None` for anything else.
    pub(super) fn of(metadata: &Metadata) -> Option<Self> {
        metadata.is_file().then(|| Self {
            size: metadata.len(),
            inode: (metadata.dev(), metadata.ino()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }

    /// Whether a later change will have another ctime. Two changes in quick succession may have the same one.
    pub(super) fn is_settled(&self) -> bool {
        let (seconds, nanoseconds) = self.changed;
        let (Ok(seconds), Ok(nanoseconds)) = (u64::try_from(seconds), u32::try_from(nanoseconds)) else {
            return false;
        };
        let changed = SystemTime::UNIX_EPOCH.checked_add(Duration::new(seconds, nanoseconds));
        changed.and_then(|changed| changed.elapsed().ok()).is_some_and(|age| age > TIME_RESOLUTION)
    }
}

/// Opens a regular file, without following a symbolic link. Blocks only briefly: opening a local file is as fast as
/// passing it to another thread.
pub(super) fn open(path: &Utf8Path) -> Option<(File, FileIdentity)> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = fs::OpenOptions::new().read(true).custom_flags(flags).open(path).ok()?;
    let identity = FileIdentity::of(&file.metadata().ok()?)?;
    let (file, _) = file.into_parts();
    Some((file, identity))
}

/// The identity of the file at `path`, without opening it.
pub(super) fn identity_of(path: &Utf8Path) -> Option<FileIdentity> {
    FileIdentity::of(&std::fs::symlink_metadata(path).ok()?)
}

/// Reads a whole small file.
pub(super) fn read(file: &File, size: u64) -> Option<Bytes> {
    let mut bytes = vec![0; usize::try_from(size).ok()?];
    file.read_exact_at(&mut bytes, 0).ok()?;
    Some(bytes.into())
}
