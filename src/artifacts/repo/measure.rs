//! Computes the frame and the digest of a zip archive around a file. Slow, so the result is cached.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use super::zip::{Frame, frame};
use crate::core::model::{Digest, DigestAlgorithm, Hasher};

/// The size of reads, in bytes.
const CHUNK: usize = 64 * 1024;

/// The zip archive around a file: the bytes before and after the file, and the digest of all.
#[derive(Debug, Clone)]
pub(super) struct MeasuredZip {
    pub(super) frame: Frame,
    /// The SHA-256 of the whole archive.
    pub(super) digest: Digest,
}

/// Why a zip archive around a file cannot be served.
#[derive(Debug, thiserror::Error)]
pub(super) enum MeasureError {
    #[error("cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    #[error("has the digest {0}")]
    OtherDigest(Digest),
    #[error("is too large for a zip archive")]
    TooLarge,
    #[error("was not read completely: the task panicked or was cancelled")]
    Interrupted,
}

/// Computes the zip archive of a file with the digest `expected`. Reads the file twice, because its CRC comes before it
/// in the archive. Blocks.
pub(super) fn measure(
    file: &File,
    size: u64,
    member: &str,
    expected: &Digest,
) -> Result<MeasuredZip, MeasureError> {
    let (mut crc, mut content) = (flate2::Crc::new(), Hasher::new(expected.algorithm()));
    each_chunk(file, size, |chunk| {
        crc.update(chunk);
        content.update(chunk);
    })?;
    let found = content.finish();
    if found != *expected {
        return Err(MeasureError::OtherDigest(found));
    }
    let frame = frame(member, size, crc.sum()).ok_or(MeasureError::TooLarge)?;
    let mut whole = Hasher::new(DigestAlgorithm::Sha256);
    whole.update(&frame.before);
    each_chunk(file, size, |chunk| whole.update(chunk))?;
    whole.update(&frame.after);
    Ok(MeasuredZip { frame, digest: whole.finish() })
}

fn each_chunk(file: &File, size: u64, mut take: impl FnMut(&[u8])) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    let mut offset = 0;
    while offset < size {
        let length = chunk.len().min(usize::try_from(size - offset).unwrap_or(usize::MAX));
        file.read_exact_at(&mut chunk[..length], offset)?;
        take(&chunk[..length]);
        offset += length as u64;
    }
    Ok(())
}
