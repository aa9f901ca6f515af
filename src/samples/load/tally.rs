//! How the calls of a load went.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::core::numbers::histogram::Distribution;

/// What an answer is counted under that lacks the header.
pub(super) const NONE: &str = "(none)";

/// What is counted under once there are too many different ones.
const OTHERS: &str = "(others)";

const MOST_LABELS: usize = 64;
const MOST_ERRORS: usize = 16;
const LONGEST_LABEL: usize = 64;
const LONGEST_ERROR: usize = 200;

/// What came of some calls.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    statuses: BTreeMap<u16, u32>,
    errors: BTreeMap<String, u32>,
    by: BTreeMap<String, Calls>,
    /// Microseconds, one for each call.
    latencies: Vec<(u64, u64)>,
    /// From the first call's begin to the last one's end.
    pub took: Duration,
}

/// Calls with the same value of a header.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Calls {
    /// All of them.
    pub calls: u32,
    /// Those with a status from 400 on.
    pub failed: u32,
}

impl Tally {
    /// Answers by label, status and number, and errors, all of which took 4 ms.
    #[cfg(test)]
    pub(crate) fn of<const A: usize, const E: usize>(
        answers: [(&str, u16, u32); A],
        errors: [(&str, u32); E],
        took: Duration,
    ) -> Self {
        let mut tally = Self { took, ..Self::default() };
        for (label, status, number) in answers {
            (0..number).for_each(|_| tally.answered(status, Some(label), Duration::from_millis(4)));
        }
        for (error, number) in errors {
            (0..number).for_each(|_| tally.failed(error, Duration::from_millis(4)));
        }
        tally
    }

    /// An answer came, whatever it says.
    pub(super) fn answered(&mut self, status: u16, label: Option<&str>, took: Duration) {
        *self.statuses.entry(status).or_default() += 1;
        self.timed(took);
        if let Some(label) = label {
            let calls = Calls { calls: 1, failed: u32::from(!is_ok(status)) };
            self.labelled(label, calls);
        }
    }

    /// No answer came.
    pub(super) fn failed(&mut self, error: &str, took: Duration) {
        self.erred(error, 1);
        self.timed(took);
    }

    /// Takes in what another one counted.
    pub(super) fn add(&mut self, other: Self) {
        for (status, calls) in other.statuses {
            *self.statuses.entry(status).or_default() += calls;
        }
        for (error, calls) in other.errors {
            self.erred(&error, calls);
        }
        for (label, calls) in other.by {
            self.labelled(&label, calls);
        }
        self.latencies.extend(other.latencies);
    }

    fn timed(&mut self, took: Duration) {
        self.latencies.push((u64::try_from(took.as_micros()).unwrap_or(u64::MAX), 1));
    }

    fn erred(&mut self, error: &str, calls: u32) {
        *bounded(&mut self.errors, error, LONGEST_ERROR, MOST_ERRORS) += calls;
    }

    fn labelled(&mut self, label: &str, more: Calls) {
        let sum = bounded(&mut self.by, label, LONGEST_LABEL, MOST_LABELS);
        sum.calls += more.calls;
        sum.failed += more.failed;
    }

    /// How many calls there were.
    pub fn calls(&self) -> u32 {
        self.statuses.values().chain(self.errors.values()).sum()
    }

    /// How many were answered with a status below 400.
    pub fn ok(&self) -> u32 {
        self.statuses.iter().filter(|(status, _)| is_ok(**status)).map(|(_, calls)| calls).sum()
    }

    /// How many were not.
    pub fn failures(&self) -> u32 {
        self.calls() - self.ok()
    }

    /// How often each status came.
    pub fn statuses(&self) -> &BTreeMap<u16, u32> {
        &self.statuses
    }

    /// Why there was no answer, and how often.
    pub fn errors(&self) -> impl Iterator<Item = (&str, u32)> {
        self.errors.iter().map(|(error, calls)| (error.as_str(), *calls))
    }

    /// Answers by the value of the header.
    pub fn by(&self) -> &BTreeMap<String, Calls> {
        &self.by
    }

    /// How long the calls took, failed ones included.
    pub fn latencies(&self) -> Distribution {
        Distribution::new(self.latencies.clone())
    }

    /// What failed, in a line: `3 x 503, 2 x connection refused`.
    pub fn failures_in_words(&self) -> String {
        let statuses = self.statuses.iter().filter(|(status, _)| !is_ok(**status));
        let statuses = statuses.map(|(status, calls)| format!("{calls} x {status}"));
        let errors = self.errors().map(|(error, calls)| format!("{calls} x {error}"));
        statuses.chain(errors).collect::<Vec<_>>().join(", ")
    }
}

fn is_ok(status: u16) -> bool {
    status < 400
}

/// The value under a key, or under that of all others once there are too many.
fn bounded<'a, V: Default>(
    map: &'a mut BTreeMap<String, V>,
    key: &str,
    longest: usize,
    most: usize,
) -> &'a mut V {
    let key: String = key.chars().take(longest).collect();
    let key = if map.len() < most || map.contains_key(&key) { key } else { OTHERS.to_owned() };
    map.entry(key).or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_server_makes_it_grow_without_bound() {
        let mut tally = Tally::default();
        for number in 0..1000 {
            tally.answered(200, Some(&format!("{}{number}", "x".repeat(60))), Duration::ZERO);
            tally.failed(&number.to_string(), Duration::ZERO);
        }
        assert_eq!((tally.calls(), tally.ok(), tally.failures()), (2000, 1000, 1000));
        assert_eq!((tally.by.len(), tally.errors.len()), (MOST_LABELS + 1, MOST_ERRORS + 1));
        assert_eq!(tally.by[OTHERS].calls, 1000 - 64);
        assert!(tally.by.keys().all(|label| label.len() <= LONGEST_LABEL));
    }

    #[test]
    fn failures_are_told_in_words() {
        let mut tally = Tally::default();
        for status in [200, 302, 404, 503, 503] {
            tally.answered(status, Some("a"), Duration::from_millis(3));
        }
        tally.failed("connection refused", Duration::ZERO);
        assert_eq!(tally.failures_in_words(), "1 x 404, 2 x 503, 1 x connection refused");
        assert_eq!(tally.by["a"], Calls { calls: 5, failed: 3 });
        assert_eq!(tally.latencies().max(), Some(3000));
        let mut twice = tally.clone();
        twice.add(tally);
        assert_eq!((twice.calls(), twice.by["a"].failed, twice.latencies().count()), (12, 6, 12));
    }
}
