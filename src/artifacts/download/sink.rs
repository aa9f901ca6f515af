//! Where bytes go: a thread that hashes and writes them while the next ones arrive.
//!
//! Invariant: the partial file is always a beginning of the body, in order and without gaps, so a kill at any moment
//! leaves something to go on from. What it holds is believed only after it was hashed again.

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

/// Bytes that may wait for the disk, per download: with four downloads a small part of the 60 MB that are allowed.
const IN_FLIGHT: u32 = 2 << 20;
const REHASH_CHUNK: usize = 256 * 1024;

/// What has become of the file.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) digest: Digest,
    pub(super) length: u64,
}

enum Order {
    /// The next bytes; the permit keeps their memory accounted for until they are written.
    Bytes(Bytes, OwnedSemaphorePermit),
    /// Begin again from nothing.
    Restart,
}

/// The partial file. Nothing is read or written before the first bytes come, so that a dead host costs nothing.
pub(super) struct Sink {
    orders: mpsc::UnboundedSender<Order>,
    room: Arc<Semaphore>,
    stage: Stage,
    length: u64,
    resumed: u64,
}

enum Stage {
    Waiting(Box<Worker>),
    Running(JoinHandle<Result<Written>>),
    /// Only while one turns into the other.
    Between,
}

impl Sink {
    /// Opens the partial file, keeping what an earlier run left if it is no longer than `limit`. The claim is held
    /// until the last byte is written, even if the download is dropped before.
    pub(super) fn open(
        path: &Utf8Path,
        algorithm: DigestAlgorithm,
        limit: u64,
        claim: Arc<Claim>,
    ) -> Result<Self> {
        let file = fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let mut left = file.metadata()?.len();
        if left > limit {
            file.set_len(0)?;
            left = 0;
        }
        let (orders, inbox) = mpsc::unbounded_channel();
        let worker = Worker {
            path: path.to_owned(),
            file,
            hasher: Hasher::new(algorithm),
            algorithm,
            left,
            length: 0,
            inbox,
            _claim: claim,
        };
        let room = Arc::new(Semaphore::new(IN_FLIGHT as usize));
        Ok(Self { orders, room, stage: Stage::Waiting(Box::new(worker)), length: left, resumed: left })
    }

    /// How long the file is once all that was handed over is written.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// How much of that an earlier run left.
    pub(super) fn resumed(&self) -> u64 {
        self.resumed
    }

    /// Hands over the next bytes; waits while too many are on their way. False if the disk refused: ask
    /// [`Sink::finish`] why.
    pub(super) async fn write(&mut self, mut bytes: Bytes) -> bool {
        self.start();
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(IN_FLIGHT as usize));
            let weight = u32::try_from(piece.len()).unwrap_or(IN_FLIGHT);
            let length = piece.len() as u64;
            let Ok(permit) = Arc::clone(&self.room).acquire_many_owned(weight).await else { return false };
            if self.orders.send(Order::Bytes(piece, permit)).is_err() {
                return false;
            }
            self.length += length;
        }
        true
    }

    /// Forgets everything that was written.
    pub(super) fn restart(&mut self) {
        // A worker that is gone has an error to tell, and `finish` tells it.
        let _ = self.orders.send(Order::Restart);
        self.length = 0;
        self.resumed = 0;
    }

    /// Waits until everything is hashed and written.
    pub(super) async fn finish(mut self) -> Result<Written> {
        self.start();
        drop(self.orders);
        match self.stage {
            Stage::Running(worker) => worker
                .await
                .map_err(|error| Failure::failed("writing a download was cut short").seen(&error))?,
            Stage::Waiting(_) | Stage::Between => Err(Failure::failed("a download was never started")),
        }
    }

    /// Ends without a verdict on the bytes; says only what the disk had against them.
    pub(super) async fn give_up(self) -> Result<()> {
        match self.stage {
            Stage::Running(_) => self.finish().await.map(drop),
            Stage::Waiting(_) | Stage::Between => Ok(()),
        }
    }

    fn start(&mut self) {
        self.stage = match std::mem::replace(&mut self.stage, Stage::Between) {
            Stage::Waiting(worker) => Stage::Running(tokio::task::spawn_blocking(move || worker.run())),
            started => started,
        };
    }
}

struct Worker {
    path: Utf8PathBuf,
    file: fs::File,
    hasher: Hasher,
    algorithm: DigestAlgorithm,
    /// What an earlier run left.
    left: u64,
    length: u64,
    inbox: mpsc::UnboundedReceiver<Order>,
    _claim: Arc<Claim>,
}

impl Worker {
    fn run(mut self) -> Result<Written> {
        self.rehash()?;
        while let Some(order) = self.inbox.blocking_recv() {
            match order {
                Order::Bytes(bytes, _permit) => {
                    self.hasher.update(&bytes);
                    self.file.write_all(&bytes)?;
                    self.length += bytes.len() as u64;
                }
                Order::Restart => self.clear()?,
            }
        }
        Ok(Written { digest: self.hasher.finish(), length: self.length })
    }

    /// Reads what an earlier run left. The network delivers the rest meanwhile.
    fn rehash(&mut self) -> Result<()> {
        let mut chunk = vec![0; REHASH_CHUNK];
        while self.length < self.left {
            let most = usize::try_from(self.left - self.length).unwrap_or(REHASH_CHUNK).min(REHASH_CHUNK);
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
    async fn goes_on_where_it_was_left() {
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
    async fn begins_again_when_told_or_when_too_long() {
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
