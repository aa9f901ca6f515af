//! Waiting: the only loops of this crate that sleep.
//!
//! [`until`] polls until a probe is ready or a deadline passes, [`until_blocking`] does the same on a thread, and
//! [`retry`] repeats an attempt after the pauses that it asks for.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};
#[cfg(test)]
use std::{convert::Infallible, future::ready};

use tokio::time::timeout;

use crate::core::numbers::words;

/// The deadline of a wait that needs no other.
pub(crate) const DEFAULT_DEADLINE: Duration = Duration::from_mins(1);

/// The pause between two probes of what this machine answers at once: processes, files, Docker.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// The least time that a probe gets, also at the deadline. A wait exceeds its deadline by this much at most.
pub(crate) const MIN_PROBE_TIME: Duration = Duration::from_secs(1);

/// A shorter interval would be a busy loop.
const MIN_INTERVAL: Duration = Duration::from_millis(1);

/// What one probe observed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observed<T, O> {
    /// What the caller waits for.
    Ready(T),
    /// What there is instead.
    Pending(O),
}

/// Not ready by the deadline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimedOut<O> {
    /// What the last probe that ended observed. `None`: the first probe did not end.
    pub last: Option<O>,
    /// The time from the first probe to the last.
    pub waited: Duration,
}

/// The pauses between probes.
#[derive(Debug, Clone, Copy)]
pub struct Interval {
    next: Duration,
    longest: Duration,
}

/// A deadline that several waits share.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    started: Instant,
    limit: Duration,
}

impl<T, O> From<Result<T, O>> for Observed<T, O> {
    fn from(result: Result<T, O>) -> Self {
        match result {
            Ok(ready) => Self::Ready(ready),
            Err(pending) => Self::Pending(pending),
        }
    }
}

impl From<bool> for Observed<(), ()> {
    fn from(is_ready: bool) -> Self {
        if is_ready { Self::Ready(()) } else { Self::Pending(()) }
    }
}

impl TimedOut<String> {
    /// The last observation, in words.
    pub(crate) fn last_seen(self) -> String {
        self.last.unwrap_or_else(|| format!("no result within {}", words::duration(self.waited)))
    }
}

impl From<Duration> for Interval {
    fn from(interval: Duration) -> Self {
        Self::doubling(interval, interval)
    }
}

impl Interval {
    /// Pauses that double from `first` to `longest`.
    pub(crate) fn doubling(first: Duration, longest: Duration) -> Self {
        let next = first.max(MIN_INTERVAL);
        Self { next, longest: longest.max(next) }
    }

    /// The next pause within the time that is left; `None` if none is.
    fn pause(&mut self, left: Duration) -> Option<Duration> {
        let pause = self.next;
        self.next = pause.saturating_mul(2).min(self.longest);
        (!left.is_zero()).then(|| pause.min(left))
    }
}

impl Deadline {
    /// A deadline that begins now.
    pub(crate) fn after(limit: Duration) -> Self {
        Self { started: Instant::now(), limit }
    }

    /// The time that is left; zero once it has passed.
    pub(crate) fn left(self) -> Duration {
        self.limit.saturating_sub(self.started.elapsed())
    }
}

/// Probes at once and then after each pause of `interval`, the last time at the deadline, until a probe is ready or
/// fails.
///
/// The outer error is the probe's own and ends the wait. A probe that takes longer than the time that is left, and than
/// [`MIN_PROBE_TIME`], is dropped: it must not leave anything half done.
pub(crate) async fn until<T, O, E, P>(
    deadline: Duration,
    interval: impl Into<Interval>,
    mut probe: impl FnMut() -> P,
) -> Result<Result<T, TimedOut<O>>, E>
where
    P: Future<Output = Result<Observed<T, O>, E>>,
{
    let started = tokio::time::Instant::now();
    let mut interval = interval.into();
    let mut last = None;
    loop {
        let left = deadline.saturating_sub(started.elapsed());
        match timeout(left.max(MIN_PROBE_TIME), probe()).await {
            Ok(Ok(Observed::Ready(value))) => return Ok(Ok(value)),
            Ok(Ok(Observed::Pending(observation))) => last = Some(observation),
            Ok(Err(failed)) => return Err(failed),
            Err(_) => {}
        }
        let waited = started.elapsed();
        let Some(pause) = interval.pause(deadline.saturating_sub(waited)) else {
            return Ok(Err(TimedOut { last, waited }));
        };
        tokio::time::sleep(pause).await;
    }
}

/// The same on this thread. A probe is never dropped.
pub fn until_blocking<T, O, E>(
    deadline: Duration,
    interval: impl Into<Interval>,
    mut probe: impl FnMut() -> Result<Observed<T, O>, E>,
) -> Result<Result<T, TimedOut<O>>, E> {
    let started = Instant::now();
    let mut interval = interval.into();
    loop {
        let last = match probe()? {
            Observed::Ready(value) => return Ok(Ok(value)),
            Observed::Pending(observation) => Some(observation),
        };
        let waited = started.elapsed();
        let Some(pause) = interval.pause(deadline.saturating_sub(waited)) else {
            return Ok(Err(TimedOut { last, waited }));
        };
        std::thread::sleep(pause);
    }
}

/// Repeats an attempt until it breaks with a value; each one that continues says how long to pause. The number of
/// attempts is the caller's to bound.
pub(crate) async fn retry<T, A>(mut attempt: impl FnMut() -> A) -> T
where
    A: Future<Output = ControlFlow<T, Duration>>,
{
    loop {
        match attempt().await {
            ControlFlow::Break(value) => return value,
            ControlFlow::Continue(pause) => tokio::time::sleep(pause).await,
        }
    }
}

/// Waits in a test until something holds that soon does.
#[cfg(test)]
pub(crate) async fn assert_soon(mut holds: impl FnMut() -> bool) {
    let Ok(outcome) =
        until(DEFAULT_DEADLINE, MIN_INTERVAL, || ready(Ok::<_, Infallible>(Observed::from(holds())))).await;
    assert!(outcome.is_ok(), "it does not hold after {DEFAULT_DEADLINE:?}");
}

/// The same on this thread.
#[cfg(test)]
#[track_caller]
pub(crate) fn assert_soon_blocking(mut holds: impl FnMut() -> bool) {
    let Ok(outcome) =
        until_blocking(DEFAULT_DEADLINE, MIN_INTERVAL, || Ok::<_, Infallible>(Observed::from(holds())));
    assert!(outcome.is_ok(), "it does not hold after {DEFAULT_DEADLINE:?}");
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::sync::Mutex;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// When each probe began, and how the wait ended.
    async fn probes(
        deadline: Duration,
        interval: impl Into<Interval>,
        probe: impl AsyncFn(usize) -> Observed<(), usize>,
    ) -> (Vec<Duration>, Result<(), TimedOut<usize>>) {
        let started = tokio::time::Instant::now();
        let begun = Mutex::new(Vec::new());
        let Ok(outcome) = until(deadline, interval, async || -> Result<_, Infallible> {
            let number = {
                let mut begun = begun.lock().unwrap();
                begun.push(started.elapsed());
                begun.len()
            };
            Ok(probe(number).await)
        })
        .await;
        (begun.into_inner().unwrap(), outcome)
    }

    fn millis(begun: &[Duration]) -> Vec<u128> {
        begun.iter().map(Duration::as_millis).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_probe_is_at_once_and_the_last_at_the_deadline() {
        let (begun, outcome) = probes(SECOND, SECOND * 3 / 10, async |n| Observed::Pending(n)).await;
        assert_eq!(millis(&begun), [0, 300, 600, 900, 1000]);
        assert_eq!(outcome, Err(TimedOut { last: Some(5), waited: SECOND }));
        let (begun, _) = probes(Duration::ZERO, SECOND, async |n| Observed::Pending(n)).await;
        assert_eq!(millis(&begun), [0]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_ready_probe_ends_the_wait() {
        let probe = async |n| if n == 3 { Observed::Ready(()) } else { Observed::Pending(n) };
        let (begun, outcome) = probes(SECOND, SECOND / 10, probe).await;
        assert_eq!(millis(&begun), [0, 100, 200]);
        assert_eq!(outcome, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_fails_ends_the_wait() {
        let outcome: Result<Result<(), TimedOut<()>>, &str> =
            until(SECOND, SECOND, async || Err("for good")).await;
        assert_eq!(outcome, Err("for good"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_hangs_is_dropped_and_the_observation_before_it_is_kept() {
        let hangs = async |n| if n == 1 { Observed::Pending(n) } else { pending().await };
        let (begun, outcome) = probes(SECOND * 10, SECOND, hangs).await;
        assert_eq!(millis(&begun), [0, 1000]);
        assert_eq!(outcome, Err(TimedOut { last: Some(1), waited: SECOND * 10 }));
        let (_, outcome) = probes(SECOND / 2, SECOND, async |_| pending().await).await;
        assert_eq!(outcome, Err(TimedOut { last: None, waited: MIN_PROBE_TIME }));
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_at_the_deadline_has_time_to_end() {
        let slow = async |n| {
            tokio::time::sleep(SECOND * 6 / 10).await;
            if n == 2 { Observed::Ready(()) } else { Observed::Pending(n) }
        };
        let (begun, outcome) = probes(SECOND, SECOND, slow).await;
        assert_eq!(millis(&begun), [0, 1000]);
        assert_eq!(outcome, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_double_up_to_the_longest_and_are_never_zero() {
        let interval = Interval::doubling(SECOND / 10, SECOND * 3 / 10);
        let (begun, _) = probes(SECOND, interval, async |n| Observed::Pending(n)).await;
        assert_eq!(millis(&begun), [0, 100, 300, 600, 900, 1000]);
        let (begun, _) = probes(SECOND / 100, Duration::ZERO, async |n| Observed::Pending(n)).await;
        assert_eq!(millis(&begun), (0..=10).collect::<Vec<_>>());
    }

    #[test]
    fn the_blocking_wait_keeps_the_same_promises() {
        let mut count = 0;
        let outcome = until_blocking(SECOND / 20, SECOND / 50, || {
            count += 1;
            Ok::<Observed<(), _>, Infallible>(Observed::Pending(count))
        });
        let Ok(Err(late)) = outcome else { panic!("{outcome:?}") };
        assert_eq!(late.last, Some(count));
        assert!(count >= 2 && late.waited >= SECOND / 20, "{late:?}");
        let ready = until_blocking(SECOND, SECOND, || Ok::<_, Infallible>(Observed::<_, ()>::Ready(1)));
        assert_eq!(ready, Ok(Ok(1)));
        let failed = until_blocking(SECOND, SECOND, || Err::<Observed<(), ()>, _>("for good"));
        assert_eq!(failed, Err("for good"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_retry_pauses_as_long_as_each_attempt_asks() {
        let started = tokio::time::Instant::now();
        let mut number = 0;
        let attempt = || {
            number += 1;
            ready(if number == 3 {
                ControlFlow::Break("done")
            } else {
                ControlFlow::Continue(SECOND * number)
            })
        };
        let value = retry(attempt).await;
        assert_eq!((value, started.elapsed()), ("done", SECOND * 3));
    }

    #[test]
    fn a_shared_deadline_ends_at_zero() {
        assert!(Deadline::after(SECOND).left() > Duration::ZERO);
        assert_eq!(Deadline::after(Duration::ZERO).left(), Duration::ZERO);
    }
}
