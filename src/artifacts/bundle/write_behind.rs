//! Reads and hashes bytes while a thread writes them.
//!
//! Invariant: at most [`CHUNKS`] chunks are in memory, whatever the size of a file.

use std::io::{self, Read, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use crate::core::model::{Digest, DigestAlgorithm, Hasher};

const CHUNK: usize = 512 * 1024;
const CHUNKS: usize = 4;

/// A thread that writes bytes in order.
pub(super) struct WriteBehind<W> {
    /// Chunks to write.
    full: SyncSender<Vec<u8>>,
    /// Written chunks, to fill again.
    empty: Receiver<Vec<u8>>,
    thread: JoinHandle<io::Result<W>>,
}

/// The writer failed. [`WriteBehind::finish`] returns its error.
#[derive(Debug)]
pub(super) struct WriterFailed;

impl<W: Write + Send + 'static> WriteBehind<W> {
    pub(super) fn start(mut writer: W) -> io::Result<Self> {
        let (full, to_write) = sync_channel::<Vec<u8>>(CHUNKS);
        let (recycle, empty) = sync_channel(CHUNKS);
        for _ in 0..CHUNKS {
            // The channel has room for all chunks.
            let _ = recycle.try_send(Vec::new());
        }
        let thread = std::thread::Builder::new().name("bundle-writer".to_owned()).spawn(move || {
            for chunk in to_write {
                writer.write_all(&chunk)?;
                // Fails after the last bytes, when no more chunks are needed.
                let _ = recycle.try_send(chunk);
            }
            writer.flush()?;
            Ok(writer)
        })?;
        Ok(Self { full, empty, thread })
    }

    /// Writes bytes.
    pub(super) fn write(&self, bytes: &[u8]) -> Result<(), WriterFailed> {
        for part in bytes.chunks(CHUNK) {
            let mut chunk = self.empty.recv().map_err(|_| WriterFailed)?;
            chunk.clear();
            chunk.extend_from_slice(part);
            self.full.send(chunk).map_err(|_| WriterFailed)?;
        }
        Ok(())
    }

    /// Waits until all bytes are written. Returns the writer.
    pub(super) fn finish(self) -> io::Result<W> {
        drop(self.full);
        self.thread.join().unwrap_or_else(|_| Err(io::Error::other("the writer thread panicked")))
    }
}

/// Why bytes could not be copied.
#[derive(Debug)]
pub(super) enum CopyError {
    Source(io::Error),
    /// The source ended after this many bytes.
    Ended(u64),
    /// The writer failed.
    Writer,
}

/// Copies exactly `size` bytes to the writer, if there is one, and returns their digest. Calls `report` with the number
/// of bytes copied so far after each chunk.
pub(super) fn copy<W: Write + Send + 'static>(
    source: &mut impl Read,
    size: u64,
    algorithm: DigestAlgorithm,
    writer: Option<&WriteBehind<W>>,
    mut report: impl FnMut(u64),
) -> Result<Digest, CopyError> {
    let mut hasher = Hasher::new(algorithm);
    let mut done = 0;
    let mut own = Vec::new();
    while done < size {
        let mut chunk = match writer {
            Some(writer) => writer.empty.recv().map_err(|_| CopyError::Writer)?,
            None => std::mem::take(&mut own),
        };
        let length = usize::try_from(size - done).unwrap_or(CHUNK).min(CHUNK);
        chunk.resize(length, 0);
        let length = read_some(source, &mut chunk).map_err(CopyError::Source)?;
        if length == 0 {
            return Err(CopyError::Ended(done));
        }
        chunk.truncate(length);
        hasher.update(&chunk);
        done += length as u64;
        match writer {
            Some(writer) => writer.full.send(chunk).map_err(|_| CopyError::Writer)?,
            None => own = chunk,
        }
        report(done);
    }
    Ok(hasher.finish())
}

fn read_some(source: &mut impl Read, into: &mut [u8]) -> io::Result<usize> {
    loop {
        match source.read(into) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            ended => return ended,
        }
    }
}
