//! Limits the number of connections. If all slots are taken, a new connection closes the one that has been idle for
//! longest.
//!
//! A connection marks itself as idle or busy. Both a connection that becomes idle and a new one that waits for a slot
//! write their own flag first and then read the other's, so at least one of them sees the other.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// The value of `ConnectionState::idle_since` while a request is handled.
const BUSY: u64 = 0;

/// All connection slots.
#[derive(Debug)]
pub(super) struct Slots {
    free: Arc<Semaphore>,
    connections: Mutex<Connections>,
    /// Whether a new connection waits for a slot.
    is_waiting: AtomicBool,
    started: Instant,
}

#[derive(Debug, Default)]
struct Connections {
    next: u64,
    states: BTreeMap<u64, Arc<ConnectionState>>,
}

/// The state of a connection.
#[derive(Debug)]
struct ConnectionState {
    /// Nanoseconds since the start of the server, at least 1; or [`BUSY`].
    idle_since: AtomicU64,
    /// Whether the connection must close.
    is_closing: AtomicBool,
    close_requested: Notify,
}

/// The slot of a connection. Dropping it frees the slot.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Arc<Slots>,
    number: u64,
    state: Arc<ConnectionState>,
    _permit: OwnedSemaphorePermit,
}

impl Slots {
    pub(super) fn new(count: usize) -> Arc<Self> {
        Arc::new(Self {
            free: Arc::new(Semaphore::new(count)),
            connections: Mutex::default(),
            is_waiting: AtomicBool::new(false),
            started: Instant::now(),
        })
    }

    /// Waits for a free slot. Only one caller may wait at a time.
    pub(super) async fn acquire(self: &Arc<Self>) -> Option<Slot> {
        let permit = if let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() {
            permit
        } else {
            self.is_waiting.store(true, Ordering::SeqCst);
            self.close_longest_idle();
            let permit = Arc::clone(&self.free).acquire_owned().await;
            self.is_waiting.store(false, Ordering::SeqCst);
            // The semaphore is never closed.
            permit.ok()?
        };
        let state = Arc::new(ConnectionState {
            idle_since: AtomicU64::new(BUSY),
            is_closing: AtomicBool::new(false),
            close_requested: Notify::new(),
        });
        let mut connections = self.connections();
        let number = connections.next;
        connections.next += 1;
        connections.states.insert(number, Arc::clone(&state));
        drop(connections);
        Some(Slot { slots: Arc::clone(self), number, state, _permit: permit })
    }

    /// Closes every connection after its current request.
    pub(super) fn close(&self) {
        for state in self.connections().states.values() {
            state.close();
        }
    }

    /// Closes the connection that has been idle for longest, if any is idle.
    fn close_longest_idle(&self) {
        let connections = self.connections();
        let idle = connections.states.values().filter_map(|state| {
            let since = state.idle_since.load(Ordering::SeqCst);
            (since != BUSY && !state.is_closing.load(Ordering::SeqCst)).then_some((since, state))
        });
        if let Some((_, state)) = idle.min_by_key(|(since, _)| *since) {
            state.close();
        }
    }

    fn connections(&self) -> MutexGuard<'_, Connections> {
        // No code under this lock can panic.
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ConnectionState {
    fn close(&self) {
        self.is_closing.store(true, Ordering::SeqCst);
        self.close_requested.notify_one();
    }
}

impl Slot {
    /// Marks this connection as waiting for a request.
    pub(super) fn set_idle(&self) {
        let now = u64::try_from(self.slots.started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.state.idle_since.store(now.max(BUSY + 1), Ordering::SeqCst);
        if self.slots.is_waiting.load(Ordering::SeqCst) {
            self.slots.close_longest_idle();
        }
    }

    /// Marks this connection as handling a request.
    pub(super) fn set_busy(&self) {
        self.state.idle_since.store(BUSY, Ordering::SeqCst);
    }

    /// Whether this connection must close after its response.
    pub(super) fn is_closing(&self) -> bool {
        self.state.is_closing.load(Ordering::SeqCst)
    }

    /// Waits until this connection must close.
    pub(super) async fn closing(&self) {
        self.state.close_requested.notified().await;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.connections().states.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn a_new_connection_closes_the_longest_idle_one_and_no_busy_one() {
        let slots = Slots::new(3);
        let [first, second, third] =
            [slots.acquire().await.unwrap(), slots.acquire().await.unwrap(), slots.acquire().await.unwrap()];
        second.set_idle();
        first.set_idle();
        let waiting = tokio::spawn({
            let slots = Arc::clone(&slots);
            async move { slots.acquire().await.unwrap() }
        });
        second.closing().await;
        assert!(second.is_closing() && !first.is_closing() && !third.is_closing());
        drop(second);
        let fourth = waiting.await.unwrap();
        assert!(!first.is_closing() && !fourth.is_closing());
    }

    #[tokio::test]
    async fn a_connection_that_becomes_idle_closes_for_a_waiting_one() {
        let slots = Slots::new(1);
        let only = slots.acquire().await.unwrap();
        let mut waiting = Box::pin(slots.acquire());
        assert!(timeout(Duration::from_millis(1), waiting.as_mut()).await.is_err());
        assert!(!only.is_closing());
        only.set_idle();
        only.closing().await;
        drop(only);
        let next = waiting.await.unwrap();
        next.set_idle();
        // No connection waits any more.
        assert!(!next.is_closing());
    }

    #[tokio::test]
    async fn closing_reaches_idle_and_busy_connections() {
        let slots = Slots::new(2);
        let (idle, busy) = (slots.acquire().await.unwrap(), slots.acquire().await.unwrap());
        idle.set_idle();
        slots.close();
        idle.closing().await;
        busy.set_idle();
        busy.closing().await;
    }
}
