//! Lines on their way to a reader who may be slow, or gone.
//!
//! Invariant: writing a line never waits for the reader. What it does not take in time is dropped and counted.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use serde::Serialize;
use tokio::sync::Notify;

use super::exchange::utc;
use crate::core::failure::{Failure, Result};

/// Takes whole lines, some at a time, and says whether there is still a reader. May block.
pub type Printer = Box<dyn FnMut(&[u8]) -> Result<bool> + Send>;

/// How many bytes may wait: half a second's worth at 20,000 requests a second.
const MOST_BYTES: usize = 4 * 1024 * 1024;
/// What a buffer keeps of its size after a rush.
const USUAL_BYTES: usize = 256 * 1024;
/// Lines are written together with those that come within this time: waking the writer for each would cost more than the
/// line.
const GATHER: Duration = Duration::from_millis(5);
/// For what is left at the end.
const CLOSE: Duration = Duration::from_millis(500);

/// A bounded queue of lines, and the thread that empties it.
pub(super) struct Log {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    more: Condvar,
    ended: Notify,
    /// All that were ever dropped.
    dropped: AtomicU64,
    is_gone: AtomicBool,
}

#[derive(Default)]
struct Queue {
    bytes: Vec<u8>,
    lines: u64,
    /// Taken out, and perhaps not yet taken by the reader.
    in_hand: u64,
    /// Dropped, and not yet told.
    untold: u64,
    is_closed: bool,
}

#[derive(Serialize)]
struct Dropped {
    #[serde(serialize_with = "utc")]
    time: SystemTime,
    event: &'static str,
    lines: u64,
}

impl Log {
    /// Starts the thread. It ends when the log is closed, or the reader gone.
    pub(super) fn start(print: Printer) -> Result<Self> {
        let shared = Arc::<Shared>::default();
        let writer = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || writer.write_out(print))
            .map_err(|error| Failure::failed("cannot start a thread for the log").seen(&error))?;
        Ok(Self { shared })
    }

    /// Queues a whole line, or drops it.
    pub(super) fn write(&self, line: &[u8]) {
        let mut queue = self.shared.queue();
        if queue.bytes.len() + line.len() > MOST_BYTES {
            queue.untold += 1;
            self.shared.dropped.fetch_add(1, Relaxed);
            return;
        }
        queue.bytes.extend_from_slice(line);
        queue.lines += 1;
        if queue.lines == 1 {
            self.shared.more.notify_one();
        }
    }

    /// Counts a line that was not even made.
    pub(super) fn drop_line(&self) {
        self.shared.dropped.fetch_add(1, Relaxed);
    }

    /// Whether the reader has gone away.
    pub(super) fn is_gone(&self) -> bool {
        self.shared.is_gone.load(Relaxed)
    }

    /// How many lines were dropped.
    pub(super) fn dropped(&self) -> u64 {
        self.shared.dropped.load(Relaxed)
    }

    /// Waits a moment for what is left to be written, and says how many lines were dropped in all.
    pub(super) async fn close(&self) -> u64 {
        let ended = self.shared.ended.notified();
        self.shared.queue().is_closed = true;
        self.shared.more.notify_one();
        if tokio::time::timeout(CLOSE, ended).await.is_err() {
            let mut queue = self.shared.queue();
            let left = std::mem::take(&mut queue.lines) + queue.in_hand;
            self.shared.dropped.fetch_add(left, Relaxed);
        }
        self.dropped()
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_out(&self, mut print: Printer) {
        let mut batch = Vec::new();
        while let Some(lines) = self.next(&mut batch) {
            match print(&batch) {
                Ok(true) => {}
                Ok(false) => {
                    self.is_gone.store(true, Relaxed);
                    // And what has come in the meantime.
                    let left = std::mem::take(&mut *self.queue()).lines;
                    self.lost(lines + left);
                    break;
                }
                // A full disk, say: it may have room again later.
                Err(_) => self.lost(lines),
            }
            batch.clear();
            batch.shrink_to(USUAL_BYTES);
            let queue = self.queue();
            drop(self.more.wait_timeout_while(queue, GATHER, |queue| !queue.is_closed));
        }
        // Kept for whoever asks after this.
        self.ended.notify_one();
    }

    fn lost(&self, lines: u64) {
        self.queue().untold += lines;
        self.dropped.fetch_add(lines, Relaxed);
    }

    /// Waits for lines and puts them into `batch`; says how many, or `None` once there will be no more.
    fn next(&self, batch: &mut Vec<u8>) -> Option<u64> {
        let waits = |queue: &mut Queue| queue.lines == 0 && !queue.is_closed;
        let waited = self.more.wait_while(self.queue(), waits);
        let mut queue = waited.unwrap_or_else(PoisonError::into_inner);
        queue.in_hand = queue.lines;
        if queue.lines == 0 {
            return None;
        }
        let untold = std::mem::take(&mut queue.untold);
        std::mem::swap(batch, &mut queue.bytes);
        let lines = std::mem::take(&mut queue.lines);
        drop(queue);
        if untold > 0 {
            let told = Dropped { time: SystemTime::now(), event: "dropped", lines: untold };
            if serde_json::to_writer(&mut *batch, &told).is_ok() {
                batch.push(b'\n');
            }
        }
        Some(lines)
    }
}
