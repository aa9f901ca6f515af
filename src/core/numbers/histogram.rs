//! Latency distributions: exact values with their counts, percentiles, mean, buckets.

use serde::Serialize;

/// The percentiles in every summary.
pub const PERCENTILES: [f64; 5] = [50.0, 75.0, 90.0, 99.0, 99.9];

/// The number of times each latency was measured. Values are microseconds, ascending and unique; counts are above zero.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Distribution {
    rows: Vec<(u64, u64)>,
}

/// The number of latencies in the range `from..to`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bucket {
    /// In microseconds, inclusive.
    pub from: f64,
    /// In microseconds, exclusive.
    pub to: f64,
    /// The number of latencies in the range.
    pub count: u64,
}

impl Distribution {
    /// Creates a distribution from pairs of value and count, in any order. Equal values are merged.
    pub fn new(mut rows: Vec<(u64, u64)>) -> Self {
        rows.retain(|(_, count)| *count > 0);
        rows.sort_unstable();
        rows.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 = kept.1.saturating_add(next.1);
            }
            same
        });
        Self { rows }
    }

    /// Pairs of value and count, ascending.
    pub fn rows(&self) -> &[(u64, u64)] {
        &self.rows
    }

    /// The latencies of both distributions.
    #[must_use]
    pub fn merged(&self, other: &Self) -> Self {
        Self::new(self.rows.iter().chain(&other.rows).copied().collect())
    }

    /// The number of latencies.
    pub fn count(&self) -> u64 {
        self.rows.iter().fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    /// The shortest latency.
    pub fn min(&self) -> Option<u64> {
        self.rows.first().map(|(value, _)| *value)
    }

    /// The longest latency.
    pub fn max(&self) -> Option<u64> {
        self.rows.last().map(|(value, _)| *value)
    }

    /// The percentile by nearest rank: the smallest latency that `percent` of all latencies do not exceed.
    pub fn percentile(&self, percent: f64) -> Option<u64> {
        let rank = rank(percent, self.count());
        let mut seen = 0_u64;
        let found = self.rows.iter().find(|(_, count)| {
            seen = seen.saturating_add(*count);
            seen >= rank
        });
        found.or(self.rows.last()).map(|(value, _)| *value)
    }

    /// The mean and the standard deviation.
    pub fn mean_and_deviation(&self) -> Option<(f64, f64)> {
        let count = as_float(self.count());
        if self.rows.is_empty() {
            return None;
        }
        let over = |f: &dyn Fn(f64) -> f64| {
            self.rows.iter().map(|(value, times)| f(as_float(*value)) * as_float(*times)).sum::<f64>() / count
        };
        let mean = over(&|value| value);
        Some((mean, over(&|value| (value - mean).powi(2)).sqrt()))
    }

    /// `number` buckets (at least one) of equal width on a logarithmic axis from `from` to `to` microseconds. Latencies
    /// outside count in the first or last bucket.
    pub fn buckets(&self, from: f64, to: f64, number: usize) -> Vec<Bucket> {
        let (from, to) = (from.max(1.0), to.max(from.max(1.0) * 1.01));
        let number = number.max(1);
        let step = (to / from).powf(1.0 / as_float(number as u64));
        let edge = |index: usize| from * step.powf(as_float(index as u64));
        let mut buckets: Vec<Bucket> =
            (0..number).map(|index| Bucket { from: edge(index), to: edge(index + 1), count: 0 }).collect();
        for (value, count) in &self.rows {
            let value = as_float(*value);
            let index = buckets.partition_point(|bucket| bucket.to <= value).min(number - 1);
            if let Some(bucket) = buckets.get_mut(index) {
                bucket.count = bucket.count.saturating_add(*count);
            }
        }
        buckets
    }

    /// At most `max_points` points (at least two) of the percentile curve: percent and microseconds. Points are denser
    /// at high percentiles.
    pub fn curve(&self, max_points: usize) -> Vec<(f64, u64)> {
        let count = self.count();
        // The highest percentile that a single latency decides: 99.9 % of 1000.
        let nines = as_float(count).log10().max(1.0);
        let pieces = max_points.max(2) - 1;
        let mut points: Vec<(f64, u64)> = Vec::new();
        for piece in 0..=pieces {
            let share = as_float(piece as u64) / as_float(pieces as u64);
            let percent = 100.0 * (1.0 - 10_f64.powf(-nines * share));
            if let Some(value) = self.percentile(percent) {
                points.push((percent, value));
            }
        }
        points
    }
}

/// The nearest rank, from 1, of a percentile among `count` sorted values.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 1..=count")]
fn rank(percent: f64, count: u64) -> u64 {
    // Rank 999 for 99.9 % of 1000, although 0.999 has no exact binary form.
    let exact = percent.clamp(0.0, 100.0) * as_float(count) / 100.0;
    let rounded = (exact - 1e-9 * exact.max(1.0)).ceil();
    (rounded as u64).clamp(1, count.max(1))
}

/// Converts counts and microseconds, which are far below 2^53.
#[allow(clippy::cast_precision_loss, reason = "shown to a few digits")]
pub(crate) fn as_float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of_values(values: &[u64]) -> Distribution {
        Distribution::new(values.iter().map(|value| (*value, 1)).collect())
    }

    #[test]
    fn percentiles_match_known_values() {
        let hundred: Vec<u64> = (1..=100).collect();
        let all = of_values(&hundred);
        assert_eq!(
            [50.0, 75.0, 99.0, 99.9, 100.0, 0.0].map(|percent| all.percentile(percent).unwrap()),
            [50, 75, 99, 100, 100, 1]
        );
        let thousand: Vec<u64> = (1..=1000).collect();
        assert_eq!(of_values(&thousand).percentile(99.9), Some(999));
        assert_eq!(of_values(&[7]).percentile(50.0), Some(7));
        assert_eq!(Distribution::default().percentile(50.0), None);
        assert_eq!(Distribution::default().curve(10), []);
    }

    #[test]
    fn mean_and_deviation_match_known_values() {
        let (mean, deviation) = of_values(&[2, 4, 4, 4, 5, 5, 7, 9]).mean_and_deviation().unwrap();
        assert!((mean - 5.0).abs() < 1e-9 && (deviation - 2.0).abs() < 1e-9, "{mean} {deviation}");
        assert_eq!(Distribution::default().mean_and_deviation(), None);
    }

    #[test]
    fn rows_of_equal_value_are_merged() {
        let joined = Distribution::new(vec![(5, 1), (3, 2), (5, 4), (9, 0)]);
        assert_eq!(joined.rows(), [(3, 2), (5, 5)]);
    }

    proptest! {
        #[test]
        fn percentiles_match_the_sorted_values(
            mut values in proptest::collection::vec(0_u64..5000, 1..400),
            tenths in 0_u32..=1000,
        ) {
            let found = of_values(&values).percentile(f64::from(tenths) / 10.0);
            values.sort_unstable();
            // In integers, without rounding.
            let rank = (tenths as usize * values.len()).div_ceil(1000).max(1);
            prop_assert_eq!(found, Some(values[rank - 1]));
        }

        #[test]
        fn merging_keeps_every_latency(
            one in proptest::collection::vec(0_u64..100, 0..50),
            other in proptest::collection::vec(0_u64..100, 0..50),
        ) {
            let merged = of_values(&one).merged(&of_values(&other));
            prop_assert_eq!(merged, of_values(&[one, other].concat()));
        }

        #[test]
        fn each_latency_is_in_one_bucket(
            values in proptest::collection::vec(0_u64..10_000_000, 1..200),
            from in 0.0_f64..1e6, width in 0.0_f64..1e6, number in 0_usize..80,
        ) {
            let all = of_values(&values);
            let buckets = all.buckets(from, from + width, number);
            prop_assert_eq!(buckets.iter().map(|bucket| bucket.count).sum::<u64>(), all.count());
            for pair in buckets.windows(2) {
                prop_assert!(pair[0].from < pair[0].to && pair[0].to <= pair[1].from * (1.0 + 1e-12));
            }
            for bucket in buckets.get(1..buckets.len() - 1).unwrap_or_default() {
                let inside = values.iter().filter(|value| {
                    let value = as_float(**value);
                    bucket.from <= value && value < bucket.to
                });
                prop_assert_eq!(inside.count() as u64, bucket.count);
            }
        }

        #[test]
        fn the_percentile_curve_rises(values in proptest::collection::vec(0_u64..10_000, 1..200)) {
            let curve = of_values(&values).curve(60);
            for pair in curve.windows(2) {
                prop_assert!(pair[0].0 <= pair[1].0 && pair[0].1 <= pair[1].1);
            }
            prop_assert_eq!(curve.first().map(|point| point.0), Some(0.0));
        }
    }
}
