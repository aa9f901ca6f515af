//! Compares targets in short alternating rounds, so that other load on the machine affects all targets alike.

use super::block::Measurement;
use super::plan::{Target, WrkLoad};
use crate::core::numbers::histogram::as_float;

/// The number of rounds for each target.
pub const ROUNDS: usize = 3;

/// A comparison of several targets.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The load of one round.
    pub load: WrkLoad,
    /// The targets with their rounds. The first one is the baseline.
    pub sides: Vec<Side>,
}

/// One target of a comparison, with its rounds.
#[derive(Debug, Clone, PartialEq)]
pub struct Side {
    /// The target.
    pub target: Target,
    /// The rounds in order.
    pub rounds: Vec<Measurement>,
}

impl Comparison {
    /// A comparison without measurements.
    pub fn new(load: WrkLoad, targets: Vec<Target>) -> Self {
        let sides = targets.into_iter().map(|target| Side { target, rounds: Vec::new() }).collect();
        Self { load, sides }
    }

    /// The order of the rounds, as indexes of `sides`: every target once, then every target again.
    pub fn turns(&self) -> Vec<usize> {
        (0..ROUNDS).flat_map(|_| 0..self.sides.len()).collect()
    }
}

impl Side {
    /// The measurement of all rounds together.
    pub fn total(&self) -> Measurement {
        let mut rounds = self.rounds.iter();
        let first = rounds.next().cloned().unwrap_or_default();
        rounds.fold(first, |sum, round| sum.merged(round))
    }
}

/// `one / other`, if `other` is positive.
pub fn ratio(one: f64, other: f64) -> Option<f64> {
    (other > 0.0).then(|| one / other)
}

/// The ratio of a latency percentile.
pub fn percentile_ratio(one: &Measurement, other: &Measurement, percent: f64) -> Option<f64> {
    let value = |measurement: &Measurement| measurement.latencies.percentile(percent).map(as_float);
    ratio(value(one)?, value(other)?)
}

#[cfg(test)]
mod tests {
    use super::super::plan::direct_and_mesh;
    use super::*;
    use crate::core::numbers::histogram::Distribution;

    #[test]
    fn targets_take_turns_and_rounds_add_up() {
        let load = WrkLoad::new("60s", 5, None).unwrap().round();
        let mut comparison = Comparison::new(load, direct_and_mesh("127.0.0.1".parse().unwrap()).unwrap());
        assert_eq!(comparison.turns(), [0, 1, 0, 1, 0, 1]);
        assert_eq!(comparison.sides[0].total(), Measurement::default());
        for (side, value) in [(0, 100), (1, 200), (0, 300), (1, 600)] {
            let latencies = Distribution::new(vec![(value, 10)]);
            comparison.sides[side].rounds.push(Measurement {
                requests: 10,
                latencies,
                ..Measurement::default()
            });
        }
        let [direct, mesh] = [0, 1].map(|side| comparison.sides[side].total());
        assert_eq!(direct.requests, 20);
        assert_eq!(percentile_ratio(&mesh, &direct, 50.0), Some(2.0));
        assert_eq!(percentile_ratio(&mesh, &Measurement::default(), 50.0), None);
        assert_eq!(ratio(1.0, 0.0), None);
    }
}
