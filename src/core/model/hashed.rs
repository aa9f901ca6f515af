//! A writer that hashes and counts the bytes written.

use std::io::{self, Write};

use super::{Digest, DigestAlgorithm, Hasher};

/// A writer that passes all bytes on, and computes their SHA-256 and number.
pub struct Hashed<W> {
    inner: W,
    hasher: Hasher,
    length: u64,
}

impl<W> Hashed<W> {
    /// Wraps a writer.
    pub fn new(inner: W) -> Self {
        Self { inner, hasher: Hasher::new(DigestAlgorithm::Sha256), length: 0 }
    }

    /// The digest and the number of the bytes written, and the inner writer.
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
