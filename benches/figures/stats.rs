//! Samples, and what is said of them.

use serde_json::{Value, json};

/// Measured values of one thing, in seconds or bytes. Never empty.
#[derive(Debug, Clone)]
pub(crate) struct Samples {
    sorted: Vec<f64>,
    in_order: Vec<f64>,
}

impl Samples {
    /// `None` without any value.
    pub(crate) fn new(in_order: Vec<f64>) -> Option<Self> {
        let mut sorted = in_order.clone();
        sorted.sort_by(f64::total_cmp);
        (!sorted.is_empty()).then_some(Self { sorted, in_order })
    }

    /// The one in the middle, or between the two in the middle.
    pub(crate) fn median(&self) -> f64 {
        let middle = self.count() / 2;
        if self.count() % 2 == 1 {
            self.sorted[middle]
        } else {
            f64::midpoint(self.sorted[middle - 1], self.sorted[middle])
        }
    }

    pub(crate) fn least(&self) -> f64 {
        self.sorted[0]
    }

    pub(crate) fn most(&self) -> f64 {
        self.sorted[self.count() - 1]
    }

    pub(crate) fn count(&self) -> usize {
        self.sorted.len()
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "median": self.median(), "min": self.least(), "max": self.most(), "n": self.count(), "samples": self.in_order,
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
