//! Limits how often something is printed.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Lets one event per key and period through.
#[derive(Debug)]
pub(super) struct Pace {
    between: Duration,
    last: HashMap<String, Instant>,
}

impl Pace {
    pub(super) fn new(between: Duration) -> Self {
        Self { between, last: HashMap::new() }
    }

    /// Begins a period: something about `key` was just printed.
    pub(super) fn start(&mut self, key: &str, now: Instant) {
        self.last.insert(key.to_owned(), now);
    }

    /// Whether something about `key` is due; if so, begins a new period.
    pub(super) fn is_due(&mut self, key: &str, now: Instant) -> bool {
        let due = self.last.get(key).is_none_or(|last| now.saturating_duration_since(*last) >= self.between);
        if due {
            self.start(key, now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_per_stretch_and_key() {
        let mut pace = Pace::new(Duration::from_secs(10));
        let start = Instant::now();
        pace.start("a", start);
        assert!(!pace.is_due("a", start + Duration::from_secs(9)));
        assert!(pace.is_due("a", start + Duration::from_secs(10)));
        assert!(!pace.is_due("a", start + Duration::from_secs(19)));
        assert!(pace.is_due("b", start));
    }
}
