//! A bounded queue of log lines for a reader that may be slow or gone.
//!
//! Invariant: writing a line never waits for the reader. Lines that do not fit are dropped and counted.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use serde::Serialize;
use tokio::sync::Notify;

use super::exchange::utc;
use crate::core::failure::{Failure, Result};

/// Prints a batch of whole lines, and returns whether there is still a reader. May block.
pub type Printer = Box<dyn FnMut(&[u8]) -> Result<bool> + Send>;

/// The maximum length of the queue: half a second at 20,000 requests a second.
const MAX_QUEUE_BYTES: usize = 4 * 1024 * 1024;
/// The capacity that a buffer keeps after a burst.
const KEPT_BYTES: usize = 256 * 1024;
/// The time in which lines are collected for one write: waking the writer for each line would cost more than the line.
const BATCH_INTERVAL: Duration = Duration::from_millis(5);
/// The deadline for the remaining lines at the end.
const CLOSE_DEADLINE: Duration = Duration::from_millis(500);

/// A bounded queue of lines, and the thread that empties it.
pub(super) struct Log {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    more: Condvar,
    ended: Notify,
    /// The number of all dropped lines.
    dropped: AtomicU64,
    is_gone: AtomicBool,
}

#[derive(Default)]
struct Queue {
    bytes: Vec<u8>,
    lines: u64,
    /// Lines in the batch that is being printed.
    in_flight: u64,
    /// Dropped lines that are not logged yet.
    unlogged: u64,
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
    /// Starts the writer's thread. It ends when the log is closed or the reader is gone.
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
        if queue.bytes.len() + line.len() > MAX_QUEUE_BYTES {
            queue.unlogged += 1;
            self.shared.dropped.fetch_add(1, Relaxed);
            return;
        }
        queue.bytes.extend_from_slice(line);
        queue.lines += 1;
        if queue.lines == 1 {
            self.shared.more.notify_one();
        }
    }

    /// Counts a line that was not created.
    pub(super) fn drop_line(&self) {
        self.shared.dropped.fetch_add(1, Relaxed);
    }

    /// Whether the reader is gone.
    pub(super) fn is_gone(&self) -> bool {
        self.shared.is_gone.load(Relaxed)
    }

    /// The number of dropped lines.
    pub(super) fn dropped(&self) -> u64 {
        self.shared.dropped.load(Relaxed)
    }

    /// Waits for the remaining lines up to the deadline, and returns the number of all dropped lines.
    pub(super) async fn close(&self) -> u64 {
        let ended = self.shared.ended.notified();
        self.shared.queue().is_closed = true;
        self.shared.more.notify_one();
        if tokio::time::timeout(CLOSE_DEADLINE, ended).await.is_err() {
            let mut queue = self.shared.queue();
            let left = std::mem::take(&mut queue.lines) + queue.in_flight;
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
                    // Including the lines that arrived meanwhile.
                    let left = std::mem::take(&mut *self.queue()).lines;
                    self.count_dropped(lines + left);
                    break;
                }
                // A full disk, for instance, may have room again later.
                Err(_) => self.count_dropped(lines),
            }
            batch.clear();
            batch.shrink_to(KEPT_BYTES);
            let queue = self.queue();
            drop(self.more.wait_timeout_while(queue, BATCH_INTERVAL, |queue| !queue.is_closed));
        }
        // `notify_one` is stored for a later `close`.
        self.ended.notify_one();
    }

    fn count_dropped(&self, lines: u64) {
        self.queue().unlogged += lines;
        self.dropped.fetch_add(lines, Relaxed);
    }

    /// Waits for lines and moves them into `batch`. Returns their number, or `None` after the log is closed and empty.
    fn next(&self, batch: &mut Vec<u8>) -> Option<u64> {
        let waits = |queue: &mut Queue| queue.lines == 0 && !queue.is_closed;
        let waited = self.more.wait_while(self.queue(), waits);
        let mut queue = waited.unwrap_or_else(PoisonError::into_inner);
        queue.in_flight = queue.lines;
        if queue.lines == 0 {
            return None;
        }
        let unlogged = std::mem::take(&mut queue.unlogged);
        std::mem::swap(batch, &mut queue.bytes);
        let lines = std::mem::take(&mut queue.lines);
        drop(queue);
        if unlogged > 0 {
            let dropped = Dropped { time: SystemTime::now(), event: "dropped", lines: unlogged };
            if serde_json::to_writer(&mut *batch, &dropped).is_ok() {
                batch.push(b'\n');
            }
        }
        Some(lines)
    }
}
