//! The outcomes of a load's calls.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::core::numbers::histogram::Distribution;

/// The label of answers without the header.
pub(super) const NONE: &str = "(none)";

/// The label of all values beyond the maximum number of labels.
const OTHERS: &str = "(others)";

const MAX_LABELS: usize = 64;
const MAX_ERRORS: usize = 16;
const MAX_LABEL_CHARS: usize = 64;
const MAX_ERROR_CHARS: usize = 200;

/// Outcomes of calls: numbers by status, error and label, and latencies.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    statuses: BTreeMap<u16, u32>,
    errors: BTreeMap<String, u32>,
    by: BTreeMap<String, Calls>,
    /// Microseconds, one for each call.
    latencies: Vec<(u64, u64)>,
    /// From the start of the first call to the end of the last one.
    pub took: Duration,
}

/// Calls with the same value of a header.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Calls {
    /// All of them.
    pub calls: u32,
    /// Those with a status of 400 or above.
    pub failed: u32,
}

impl Tally {
    /// A tally of these answers (label, status, number) and errors (text, number), each with a latency of 4 ms.
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

    /// Counts an answer with any status.
    pub(super) fn answered(&mut self, status: u16, label: Option<&str>, took: Duration) {
        *self.statuses.entry(status).or_default() += 1;
        self.add_latency(took);
        if let Some(label) = label {
            let calls = Calls { calls: 1, failed: u32::from(!is_ok(status)) };
            self.add_label(label, calls);
        }
    }

    /// Counts a call without an answer.
    pub(super) fn failed(&mut self, error: &str, took: Duration) {
        self.add_error(error, 1);
        self.add_latency(took);
    }

    /// Adds the numbers of another tally.
    pub(super) fn add(&mut self, other: Self) {
        for (status, calls) in other.statuses {
            *self.statuses.entry(status).or_default() += calls;
        }
        for (error, calls) in other.errors {
            self.add_error(&error, calls);
        }
        for (label, calls) in other.by {
            self.add_label(&label, calls);
        }
        self.latencies.extend(other.latencies);
    }

    fn add_latency(&mut self, took: Duration) {
        self.latencies.push((u64::try_from(took.as_micros()).unwrap_or(u64::MAX), 1));
    }

    fn add_error(&mut self, error: &str, calls: u32) {
        *bounded(&mut self.errors, error, MAX_ERROR_CHARS, MAX_ERRORS) += calls;
    }

    fn add_label(&mut self, label: &str, more: Calls) {
        let sum = bounded(&mut self.by, label, MAX_LABEL_CHARS, MAX_LABELS);
        sum.calls += more.calls;
        sum.failed += more.failed;
    }

    /// The number of calls.
    pub fn calls(&self) -> u32 {
        self.statuses.values().chain(self.errors.values()).sum()
    }

    /// The number of answers with a status below 400.
    pub fn ok(&self) -> u32 {
        self.statuses.iter().filter(|(status, _)| is_ok(**status)).map(|(_, calls)| calls).sum()
    }

    /// The number of other calls.
    pub fn failures(&self) -> u32 {
        self.calls() - self.ok()
    }

    /// The number of answers for each status.
    pub fn statuses(&self) -> &BTreeMap<u16, u32> {
        &self.statuses
    }

    /// The errors of calls without an answer, with their numbers.
    pub fn errors(&self) -> impl Iterator<Item = (&str, u32)> {
        self.errors.iter().map(|(error, calls)| (error.as_str(), *calls))
    }

    /// Answers by the value of the header.
    pub fn by(&self) -> &BTreeMap<String, Calls> {
        &self.by
    }

    /// The latencies of all calls, including failed ones.
    pub fn latencies(&self) -> Distribution {
        Distribution::new(self.latencies.clone())
    }

    /// The failures in a line: `3 x 503, 2 x connection refused`.
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

/// The value of a key, or of [`OTHERS`] once the map has `most` keys.
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
    fn labels_and_errors_are_bounded() {
        let mut tally = Tally::default();
        for number in 0..1000 {
            tally.answered(200, Some(&format!("{}{number}", "x".repeat(60))), Duration::ZERO);
            tally.failed(&number.to_string(), Duration::ZERO);
        }
        assert_eq!((tally.calls(), tally.ok(), tally.failures()), (2000, 1000, 1000));
        assert_eq!((tally.by.len(), tally.errors.len()), (MAX_LABELS + 1, MAX_ERRORS + 1));
        assert_eq!(tally.by[OTHERS].calls, 1000 - 64);
        assert!(tally.by.keys().all(|label| label.len() <= MAX_LABEL_CHARS));
    }

    #[test]
    fn failures_are_listed_in_words() {
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
