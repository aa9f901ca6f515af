//! Hashes and writes a download on a thread, while the next bytes arrive.
//!
//! Invariant: the partial file is always a prefix of the body, so that a killed download can be resumed. The bytes of
//! an earlier run are hashed again before they count.

use std::io::{Read as _, Seek as _, Write as _};
use std::sync::Arc;

use bytes::Bytes;
use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinHandle;

use crate::core::claim::Claim;
use crate::core::failure::{Failure, Result};
use crate::core::model::{Digest, DigestAlgorithm, Hasher};

/// The most bytes that wait for the disk, per download.
const MAX_IN_FLIGHT: u32 = 2 << 20;
const REHASH_CHUNK: usize = 256 * 1024;

/// The digest and length in bytes of the complete file.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) digest: Digest,
    pub(super) length: u64,
}

enum WriterCommand {
    /// Bytes to append. Dropping the permit after the write frees their share of `MAX_IN_FLIGHT`.
    Bytes(Bytes, OwnedSemaphorePermit),
    /// Truncate the file and start over.
    Restart,
}

/// The partial file of a download. Does no I/O before the first bytes, so that a dead host costs nothing.
pub(super) struct Sink {
    commands: mpsc::UnboundedSender<WriterCommand>,
    room: Arc<Semaphore>,
    state: WriterState,
    length: u64,
    resumed: u64,
}

enum WriterState {
    Idle(Box<Worker>),
    Running(JoinHandle<Result<Written>>),
    /// Only during the change from `Idle` to `Running`.
    Starting,
}

impl Sink {
    /// Opens the partial file and keeps the bytes of an earlier run, unless there are more than `limit`. The claim is
    /// held until the last byte is written, even if the download is dropped earlier.
    pub(super) fn open(
        path: &Utf8Path,
        algorithm: DigestAlgorithm,
        limit: u64,
        claim: Arc<Claim>,
    ) -> Result<Self> {
        let file = fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let mut resumed = file.metadata()?.len();
        if resumed > limit {
            file.set_len(0)?;
            resumed = 0;
        }
        let (commands, inbox) = mpsc::unbounded_channel();
        let worker = Worker {
            path: path.to_owned(),
            file,
            hasher: Hasher::new(algorithm),
            algorithm,
            resumed,
            length: 0,
            inbox,
            _claim: claim,
        };
        let room = Arc::new(Semaphore::new(MAX_IN_FLIGHT as usize));
        Ok(Self { commands, room, state: WriterState::Idle(Box::new(worker)), length: resumed, resumed })
    }

    /// The length of the file in bytes, with those that are not written yet.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// How many of these bytes are from an earlier run.
    pub(super) fn resumed(&self) -> u64 {
        self.resumed
    }

    /// Appends bytes. Waits while too many bytes wait for the disk. Returns false if writing failed; [`Sink::finish`]
    /// then returns the error.
    pub(super) async fn write(&mut self, mut bytes: Bytes) -> bool {
        self.start();
        while !bytes.is_empty() {
            let chunk = bytes.split_to(bytes.len().min(MAX_IN_FLIGHT as usize));
            let weight = u32::try_from(chunk.len()).unwrap_or(MAX_IN_FLIGHT);
            let length = chunk.len() as u64;
            let Ok(permit) = Arc::clone(&self.room).acquire_many_owned(weight).await else { return false };
            if self.commands.send(WriterCommand::Bytes(chunk, permit)).is_err() {
                return false;
            }
            self.length += length;
        }
        true
    }

    /// Discards all bytes, also those of an earlier run.
    pub(super) fn restart(&mut self) {
        // Fails only if the worker has failed; `finish` returns its error.
        let _ = self.commands.send(WriterCommand::Restart);
        self.length = 0;
        self.resumed = 0;
    }

    /// Waits until all bytes are hashed and written.
    pub(super) async fn finish(mut self) -> Result<Written> {
        self.start();
        drop(self.commands);
        match self.state {
            WriterState::Running(worker) => worker.await.map_err(|error| {
                Failure::failed("the task that writes a download panicked or was cancelled").seen(&error)
            })?,
            WriterState::Idle(_) | WriterState::Starting => {
                Err(Failure::failed("a download was never started"))
            }
        }
    }

    /// Ends an incomplete download. Returns only an error of writing.
    pub(super) async fn abandon(self) -> Result<()> {
        match self.state {
            WriterState::Running(_) => self.finish().await.map(drop),
            WriterState::Idle(_) | WriterState::Starting => Ok(()),
        }
    }

    fn start(&mut self) {
        self.state = match std::mem::replace(&mut self.state, WriterState::Starting) {
            WriterState::Idle(worker) => {
                WriterState::Running(tokio::task::spawn_blocking(move || worker.run()))
            }
            started => started,
        };
    }
}

struct Worker {
    path: Utf8PathBuf,
    file: fs::File,
    hasher: Hasher,
    algorithm: DigestAlgorithm,
    /// The number of bytes from an earlier run.
    resumed: u64,
    length: u64,
    inbox: mpsc::UnboundedReceiver<WriterCommand>,
    _claim: Arc<Claim>,
}

impl Worker {
    fn run(mut self) -> Result<Written> {
        self.rehash()?;
        while let Some(command) = self.inbox.blocking_recv() {
            match command {
                WriterCommand::Bytes(bytes, _permit) => {
                    self.hasher.update(&bytes);
                    self.file.write_all(&bytes)?;
                    self.length += bytes.len() as u64;
                }
                WriterCommand::Restart => self.clear()?,
            }
        }
        Ok(Written { digest: self.hasher.finish(), length: self.length })
    }

    /// Hashes the bytes of an earlier run, while the network delivers the rest.
    fn rehash(&mut self) -> Result<()> {
        let mut chunk = vec![0; REHASH_CHUNK];
        while self.length < self.resumed {
            let most = usize::try_from(self.resumed - self.length).unwrap_or(REHASH_CHUNK).min(REHASH_CHUNK);
            match self.file.read(&mut chunk[..most])? {
                0 => return Err(Failure::failed(format!("{} shrank while it was read", self.path))),
                read => {
                    self.hasher.update(&chunk[..read]);
                    self.length += read as u64;
                }
            }
        }
        Ok(())
    }

    fn clear(&mut self) -> Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.hasher = Hasher::new(self.algorithm);
        self.length = 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(folder: &tempfile::TempDir) -> (Utf8PathBuf, Sink) {
        let path = Utf8PathBuf::from_path_buf(folder.path().join("x.partial")).unwrap();
        let claim = Claim::try_now(&path.with_extension("lock")).unwrap().unwrap();
        let sink = Sink::open(&path, DigestAlgorithm::Sha256, 100, Arc::new(claim)).unwrap();
        (path, sink)
    }

    #[tokio::test]
    async fn a_partial_file_is_continued() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("x.partial"), b"hello ").unwrap();
        let (path, mut sink) = open(&folder);
        assert_eq!((sink.length(), sink.resumed()), (6, 6));
        assert!(sink.write(Bytes::from_static(b"world")).await);
        let written = sink.finish().await.unwrap();
        assert_eq!(written.digest, Digest::sha256_of(b"hello world"));
        assert_eq!(written.length, 11);
        assert_eq!(fs::read(&path).unwrap(), b"hello world");
    }

    #[tokio::test]
    async fn a_restart_or_a_file_over_the_limit_discards_all_bytes() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("x.partial"), vec![1; 1000]).unwrap();
        let (path, mut sink) = open(&folder);
        assert_eq!(sink.length(), 0);
        assert!(sink.write(Bytes::from_static(b"wrong")).await);
        sink.restart();
        assert!(sink.write(Bytes::from(vec![7; 5_000_000])).await);
        let written = sink.finish().await.unwrap();
        assert_eq!(written.digest, Digest::sha256_of(&vec![7; 5_000_000]));
        assert_eq!(fs::metadata(&path).unwrap().len(), 5_000_000);
    }
}
