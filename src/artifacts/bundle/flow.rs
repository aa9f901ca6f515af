//! Bytes on their way: read and hashed here, written on a thread of their own meanwhile.
//!
//! Invariant: never more than a few chunks are in memory, however large a file is.

use std::io::{self, Read, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use crate::core::model::{Digest, DigestAlgorithm, Hasher};

const CHUNK: usize = 512 * 1024;
const CHUNKS: usize = 4;

/// A thread that writes what it is handed, in order.
pub(super) struct WriteBehind<W> {
    full: SyncSender<Vec<u8>>,
    empty: Receiver<Vec<u8>>,
    thread: JoinHandle<io::Result<W>>,
}

/// The writer cannot go on; [`WriteBehind::finish`] says why.
#[derive(Debug)]
pub(super) struct Stopped;

impl<W: Write + Send + 'static> WriteBehind<W> {
    pub(super) fn start(mut writer: W) -> io::Result<Self> {
        let (full, to_write) = sync_channel::<Vec<u8>>(CHUNKS);
        let (give_back, empty) = sync_channel(CHUNKS);
        for _ in 0..CHUNKS {
            // There is room for all of them.
            let _ = give_back.try_send(Vec::new());
        }
        let thread = std::thread::Builder::new().name("bundle-writer".to_owned()).spawn(move || {
            for chunk in to_write {
                writer.write_all(&chunk)?;
                // Nobody takes it any more once the last bytes are handed over.
                let _ = give_back.try_send(chunk);
            }
            writer.flush()?;
            Ok(writer)
        })?;
        Ok(Self { full, empty, thread })
    }

    /// Hands over bytes that are in memory.
    pub(super) fn write(&self, bytes: &[u8]) -> Result<(), Stopped> {
        for part in bytes.chunks(CHUNK) {
            let mut chunk = self.empty.recv().map_err(|_| Stopped)?;
            chunk.clear();
            chunk.extend_from_slice(part);
            self.full.send(chunk).map_err(|_| Stopped)?;
        }
        Ok(())
    }

    /// Waits until all is written and gives the writer back.
    pub(super) fn finish(self) -> io::Result<W> {
        drop(self.full);
        self.thread.join().unwrap_or_else(|_| Err(io::Error::other("the writing thread broke off")))
    }
}

/// Why bytes could not be moved.
#[derive(Debug)]
pub(super) enum Trouble {
    Read(io::Error),
    /// The source ended after so many bytes.
    Ended(u64),
    Stopped,
}

/// Moves exactly `size` bytes and says what they hash to; without a writer they are only hashed. `tell` is told how
/// many have been moved, chunk by chunk.
pub(super) fn pump<W: Write + Send + 'static>(
    source: &mut impl Read,
    size: u64,
    algorithm: DigestAlgorithm,
    writer: Option<&WriteBehind<W>>,
    mut tell: impl FnMut(u64),
) -> Result<Digest, Trouble> {
    let mut hasher = Hasher::new(algorithm);
    let mut done = 0;
    let mut own = Vec::new();
    while done < size {
        let mut chunk = match writer {
            Some(writer) => writer.empty.recv().map_err(|_| Trouble::Stopped)?,
            None => std::mem::take(&mut own),
        };
        let wanted = usize::try_from(size - done).unwrap_or(CHUNK).min(CHUNK);
        chunk.resize(wanted, 0);
        let length = read_some(source, &mut chunk).map_err(Trouble::Read)?;
        if length == 0 {
            return Err(Trouble::Ended(done));
        }
        chunk.truncate(length);
        hasher.update(&chunk);
        done += length as u64;
        match writer {
            Some(writer) => writer.full.send(chunk).map_err(|_| Trouble::Stopped)?,
            None => own = chunk,
        }
        tell(done);
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
