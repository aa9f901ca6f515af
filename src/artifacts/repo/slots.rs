//! Who may be connected: so many at once. When all are, and one more comes, the one that has been doing nothing for
//! longest makes room.
//!
//! Each connection says when it begins to wait for a request and when one comes. The one that marks itself and the one
//! that looks for somebody to send away each write first and read then, so that one of them sees the other.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// In `Seat::idle_since`: at work.
const AT_WORK: u64 = 0;

/// All places.
#[derive(Debug)]
pub(super) struct Slots {
    free: Arc<Semaphore>,
    taken: Mutex<Taken>,
    /// Somebody waits for a place.
    wanted: AtomicBool,
    begin: Instant,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    seats: BTreeMap<u64, Arc<Seat>>,
}

/// One connection's state, as the others see it.
#[derive(Debug)]
struct Seat {
    /// Nanoseconds since the server began, at least 1; or [`AT_WORK`].
    idle_since: AtomicU64,
    /// Told to leave.
    leaving: AtomicBool,
    told: Notify,
}

/// A place that is taken until this is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Arc<Slots>,
    number: u64,
    seat: Arc<Seat>,
    _permit: OwnedSemaphorePermit,
}

impl Slots {
    pub(super) fn new(count: usize) -> Arc<Self> {
        Arc::new(Self {
            free: Arc::new(Semaphore::new(count)),
            taken: Mutex::default(),
            wanted: AtomicBool::new(false),
            begin: Instant::now(),
        })
    }

    /// A place; once there is one. To be waited for by one caller at a time.
    pub(super) async fn take(self: &Arc<Self>) -> Option<Slot> {
        let permit = if let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() {
            permit
        } else {
            self.wanted.store(true, Ordering::SeqCst);
            self.make_room();
            let permit = Arc::clone(&self.free).acquire_owned().await;
            self.wanted.store(false, Ordering::SeqCst);
            // The semaphore is never closed.
            permit.ok()?
        };
        let seat = Arc::new(Seat {
            idle_since: AtomicU64::new(AT_WORK),
            leaving: AtomicBool::new(false),
            told: Notify::new(),
        });
        let mut taken = self.taken();
        let number = taken.next;
        taken.next += 1;
        taken.seats.insert(number, Arc::clone(&seat));
        drop(taken);
        Some(Slot { slots: Arc::clone(self), number, seat, _permit: permit })
    }

    /// Tells everybody to leave, as soon as what they are doing is done.
    pub(super) fn close(&self) {
        for seat in self.taken().seats.values() {
            seat.leave();
        }
    }

    /// Tells the one that has been idle for longest to leave, if one is.
    fn make_room(&self) {
        let taken = self.taken();
        let idle = taken.seats.values().filter_map(|seat| {
            let since = seat.idle_since.load(Ordering::SeqCst);
            (since != AT_WORK && !seat.leaving.load(Ordering::SeqCst)).then_some((since, seat))
        });
        if let Some((_, seat)) = idle.min_by_key(|(since, _)| *since) {
            seat.leave();
        }
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        // Nothing that can panic happens under the lock.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    fn leave(&self) {
        self.leaving.store(true, Ordering::SeqCst);
        self.told.notify_one();
    }
}

impl Slot {
    /// From now on this connection waits for a request.
    pub(super) fn rest(&self) {
        let now = u64::try_from(self.slots.begin.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.seat.idle_since.store(now.max(AT_WORK + 1), Ordering::SeqCst);
        if self.slots.wanted.load(Ordering::SeqCst) {
            self.slots.make_room();
        }
    }

    /// It has one.
    pub(super) fn work(&self) {
        self.seat.idle_since.store(AT_WORK, Ordering::SeqCst);
    }

    /// Whether this connection is to end after its answer.
    pub(super) fn is_leaving(&self) -> bool {
        self.seat.leaving.load(Ordering::SeqCst)
    }

    /// Comes back when this connection is to end.
    pub(super) async fn told_to_leave(&self) {
        self.seat.told.notified().await;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.taken().seats.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn the_longest_idle_makes_room_and_nobody_at_work_does() {
        let slots = Slots::new(3);
        let [first, second, third] =
            [slots.take().await.unwrap(), slots.take().await.unwrap(), slots.take().await.unwrap()];
        second.rest();
        first.rest();
        let waiting = tokio::spawn({
            let slots = Arc::clone(&slots);
            async move { slots.take().await.unwrap() }
        });
        second.told_to_leave().await;
        assert!(second.is_leaving() && !first.is_leaving() && !third.is_leaving());
        drop(second);
        let fourth = waiting.await.unwrap();
        assert!(!first.is_leaving() && !fourth.is_leaving());
    }

    #[tokio::test]
    async fn who_becomes_idle_while_one_waits_makes_room() {
        let slots = Slots::new(1);
        let only = slots.take().await.unwrap();
        let mut waiting = Box::pin(slots.take());
        assert!(timeout(Duration::from_millis(1), waiting.as_mut()).await.is_err());
        assert!(!only.is_leaving());
        only.rest();
        only.told_to_leave().await;
        drop(only);
        let next = waiting.await.unwrap();
        next.rest();
        // Nobody waits any more.
        assert!(!next.is_leaving());
    }

    #[tokio::test]
    async fn closing_reaches_everybody() {
        let slots = Slots::new(2);
        let (idle, busy) = (slots.take().await.unwrap(), slots.take().await.unwrap());
        idle.rest();
        slots.close();
        idle.told_to_leave().await;
        busy.rest();
        busy.told_to_leave().await;
    }
}
