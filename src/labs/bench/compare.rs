//! Targets side by side: short rounds that take turns, so that what the machine does meanwhile hits all alike.

use super::block::Measurement;
use super::plan::{Load, Target};
use crate::core::numbers::histogram::as_float;

/// How often each target has its turn.
pub const ROUNDS: usize = 3;

/// All targets, each with its rounds.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The load of one round.
    pub load: Load,
    /// The first one is what the others are compared with.
    pub sides: Vec<Side>,
}

/// One target's rounds.
#[derive(Debug, Clone, PartialEq)]
pub struct Side {
    /// Which target.
    pub target: Target,
    /// In the order they ran.
    pub rounds: Vec<Measurement>,
}

impl Comparison {
    /// Nothing measured yet.
    pub fn new(load: Load, targets: Vec<Target>) -> Self {
        let sides = targets.into_iter().map(|target| Side { target, rounds: Vec::new() }).collect();
        Self { load, sides }
    }

    /// Whose turn it is: all once, then all again.
    pub fn turns(&self) -> Vec<usize> {
        (0..ROUNDS).flat_map(|_| 0..self.sides.len()).collect()
    }
}

impl Side {
    /// All rounds as one.
    pub fn total(&self) -> Measurement {
        let mut rounds = self.rounds.iter();
        let first = rounds.next().cloned().unwrap_or_default();
        rounds.fold(first, |sum, round| sum.merged(round))
    }
}

/// How many times as much one is as another, if that makes sense.
pub fn ratio(one: f64, other: f64) -> Option<f64> {
    (other > 0.0).then(|| one / other)
}

/// The ratio of a percentile.
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
        let load = Load::new("60s", 5, None).unwrap().round();
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
