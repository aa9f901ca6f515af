//! A load test at work.

use std::time::Duration;

use serde::Serialize;

use super::millis;

/// A load test at work.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "bench", rename_all = "kebab-case")]
pub enum BenchEvent {
    /// A target gets its load.
    Pressing {
        /// Its name.
        target: String,
        /// Where it is.
        url: String,
        /// Which round of all, from 1.
        number: usize,
        /// Of how many rounds.
        of: usize,
        /// For how long, in milliseconds.
        #[serde(rename = "millis", serialize_with = "millis")]
        lasts: Duration,
    },
    /// The round is over.
    Pressed {
        /// The target's name.
        target: String,
        /// Which round of all, from 1.
        number: usize,
        /// Of how many rounds.
        of: usize,
        /// Right answers per second.
        rate: f64,
        /// Everything that went wrong.
        errors: u64,
    },
}
