//! What a zip around a file needs to know of it. Takes a while, and is done once.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use super::zip::{Frame, frame};
use crate::core::model::{Digest, DigestAlgorithm, Hasher};

/// How much is read at once.
const CHUNK: usize = 64 * 1024;

/// A zip around a file.
#[derive(Debug, Clone)]
pub(super) struct Measured {
    pub(super) frame: Frame,
    /// Of the whole zip.
    pub(super) digest: Digest,
}

/// Reads a file twice: its CRC stands before it in the zip. A file that does not have its digest is none to vouch for.
/// Blocks.
pub(super) fn measure(file: &File, size: u64, member: &str, expected: &Digest) -> Result<Measured, String> {
    let cannot_read = |error: io::Error| format!("cannot be read: {error}");
    let (mut crc, mut content) = (flate2::Crc::new(), Hasher::new(expected.algorithm()));
    each_chunk(file, size, |chunk| {
        crc.update(chunk);
        content.update(chunk);
    })
    .map_err(cannot_read)?;
    let found = content.finish();
    if found != *expected {
        return Err(format!("has the digest {found}"));
    }
    let frame = frame(member, size, crc.sum()).ok_or("is too big for a zip")?;
    let mut whole = Hasher::new(DigestAlgorithm::Sha256);
    whole.update(&frame.before);
    each_chunk(file, size, |chunk| whole.update(chunk)).map_err(cannot_read)?;
    whole.update(&frame.after);
    Ok(Measured { frame, digest: whole.finish() })
}

fn each_chunk(file: &File, size: u64, mut take: impl FnMut(&[u8])) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    let mut place = 0;
    while place < size {
        let length = chunk.len().min(usize::try_from(size - place).unwrap_or(usize::MAX));
        file.read_exact_at(&mut chunk[..length], place)?;
        take(&chunk[..length]);
        place += length as u64;
    }
    Ok(())
}
