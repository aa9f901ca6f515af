//! A load test.

use std::time::Duration;

use serde::Serialize;

use super::millis;

/// A load test.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "bench", rename_all = "kebab-case")]
pub enum BenchEvent {
    /// A round of load begins.
    Pressing {
        /// The target's name.
        target: String,
        /// The target's URL.
        url: String,
        /// The round, from 1.
        number: usize,
        /// The number of rounds.
        of: usize,
        /// The round's duration, in milliseconds.
        #[serde(rename = "millis", serialize_with = "millis")]
        lasts: Duration,
    },
    /// A round of load has ended.
    Pressed {
        /// The target's name.
        target: String,
        /// The round, from 1.
        number: usize,
        /// The number of rounds.
        of: usize,
        /// Correct answers per second.
        #[serde(rename = "right_per_second")]
        rate: f64,
        /// The number of errors of all kinds.
        errors: u64,
    },
}
