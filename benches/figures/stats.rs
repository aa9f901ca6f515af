//! Samples, and what is said of them.

use serde_json::{Value, json};

/// Measured values of one thing, in seconds or bytes. Never empty.
#[derive(Debug, Clone)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    /// `None` without any value.
    pub(crate) fn new(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        (!values.is_empty()).then_some(Self(values))
    }

    /// The one in the middle, or between the two in the middle.
    pub(crate) fn median(&self) -> f64 {
        let middle = self.0.len() / 2;
        if self.0.len() % 2 == 1 { self.0[middle] } else { f64::midpoint(self.0[middle - 1], self.0[middle]) }
    }

    pub(crate) fn least(&self) -> f64 {
        self.0[0]
    }

    pub(crate) fn most(&self) -> f64 {
        self.0[self.0.len() - 1]
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "median": self.median(), "min": self.least(), "max": self.most(), "n": self.count(), "samples": self.0,
        })
    }
}

/// Collects what meshlab and its alternative need, in turns.
#[derive(Debug, Default)]
pub(crate) struct Collector {
    values: Vec<f64>,
}

impl Collector {
    pub(crate) fn add(&mut self, value: f64) {
        self.values.push(value);
    }

    pub(crate) fn samples(self) -> crate::Result<Samples> {
        Samples::new(self.values).ok_or_else(|| "nothing was measured".into())
    }
}
