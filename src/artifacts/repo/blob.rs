//! A file that is open for reading, and how to tell that it is still the same one.

use std::fs::{File, Metadata};
use std::os::unix::fs::FileExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use camino::Utf8Path;
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use rustix::fs::OFlags;

use super::content::Content;
use crate::core::model::Digest;

/// What can be sent, and the digest of all of it.
#[derive(Debug)]
pub(super) struct Blob {
    pub(super) content: Content,
    pub(super) digest: Digest,
}

/// What came of looking for a file.
#[derive(Debug)]
pub(super) enum Found {
    Blob(Blob),
    Nothing,
    /// It is there and is not what it should be, in words for whoever runs the server.
    Altered(String),
}

/// Some systems count the time of a change in steps of ten milliseconds.
const STEP: Duration = Duration::from_millis(100);

/// What tells a file from any other, and from itself before it was written to: the time of its last change is set by
/// the system alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) size: u64,
    place: (u64, u64),
    changed: (i64, i64),
}

impl Identity {
    /// Of a regular file only.
    pub(super) fn of(metadata: &Metadata) -> Option<Self> {
        metadata.is_file().then(|| Self {
            size: metadata.len(),
            place: (metadata.dev(), metadata.ino()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }

    /// Whether a change from now on would be seen: one right after another may bear the same time.
    pub(super) fn is_settled(&self) -> bool {
        let (seconds, nanoseconds) = self.changed;
        let (Ok(seconds), Ok(nanoseconds)) = (u64::try_from(seconds), u32::try_from(nanoseconds)) else {
            return false;
        };
        let changed = SystemTime::UNIX_EPOCH.checked_add(Duration::new(seconds, nanoseconds));
        changed.and_then(|changed| changed.elapsed().ok()).is_some_and(|age| age > STEP)
    }
}

/// Opens a regular file; a link in its place is not followed. Opening a local file is as quick as handing it to another
/// thread would be.
pub(super) fn open(path: &Utf8Path) -> Option<(File, Identity)> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = fs::OpenOptions::new().read(true).custom_flags(flags).open(path).ok()?;
    let identity = Identity::of(&file.metadata().ok()?)?;
    let (file, _) = file.into_parts();
    Some((file, identity))
}

/// What is at a path, without opening it.
pub(super) fn identity_of(path: &Utf8Path) -> Option<Identity> {
    Identity::of(&std::fs::symlink_metadata(path).ok()?)
}

/// All bytes of a small file.
pub(super) fn read(file: &File, size: u64) -> Option<Bytes> {
    let mut bytes = vec![0; usize::try_from(size).ok()?];
    file.read_exact_at(&mut bytes, 0).ok()?;
    Some(bytes.into())
}
