//! Not saying the same thing too often.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Lets one of a kind through per stretch of time.
#[derive(Debug)]
pub(super) struct Pace {
    between: Duration,
    last: HashMap<String, Instant>,
}

impl Pace {
    pub(super) fn new(between: Duration) -> Self {
        Self { between, last: HashMap::new() }
    }

    /// Begins a stretch: something about `key` has just been said.
    pub(super) fn start(&mut self, key: &str, now: Instant) {
        self.last.insert(key.to_owned(), now);
    }

    /// Whether it is time to say something about `key` again; if so, a new stretch begins.
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
