//! A writer that hashes and counts what goes through it.

use std::io::{self, Write};

use super::{Digest, DigestAlgorithm, Hasher};

/// Passes everything on, and keeps its SHA-256 and its length.
pub struct Hashed<W> {
    inner: W,
    hasher: Hasher,
    length: u64,
}

impl<W> Hashed<W> {
    /// Nothing has gone through yet.
    pub fn new(inner: W) -> Self {
        Self { inner, hasher: Hasher::new(DigestAlgorithm::Sha256), length: 0 }
    }

    /// The digest and the length in bytes of what went through, and where it went.
    pub fn finish(self) -> (Digest, u64, W) {
        (self.hasher.finish(), self.length, self.inner)
    }
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..length]);
        self.length += length as u64;
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
