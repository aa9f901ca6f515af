//! Scales: the position of a value on an axis, and the ticks.

/// Maps values to positions on an axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    kind: Kind,
    from: f64,
    to: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Linear,
    Log,
    Nines,
}

impl Scale {
    /// A linear scale.
    pub fn linear(from: f64, to: f64) -> Self {
        let (from, to) = (finite(from), finite(to));
        Self { kind: Kind::Linear, from, to: if to > from { to } else { from + 1.0 } }
    }

    /// A linear scale from zero to a round value of at least `max`.
    pub fn up_to(max: f64) -> Self {
        let max = finite(max).max(f64::MIN_POSITIVE);
        let step = round_step(max / 5.0);
        Self::linear(0.0, (max / step).ceil() * step)
    }

    /// A logarithmic scale. Both ends are above zero.
    pub fn log(from: f64, to: f64) -> Self {
        let from = finite(from).max(1e-9);
        let to = finite(to);
        Self { kind: Kind::Log, from, to: if to > from { to } else { from * 10.0 } }
    }

    /// A scale of percentiles from 0, with equal distances between 90, 99, 99.9 and so on. `to` is below 100.
    pub fn nines(to: f64) -> Self {
        Self { kind: Kind::Nines, from: 0.0, to: finite(to).clamp(90.0, 99.9999) }
    }

    /// The position of a value, from 0 to 1. Values beyond the ends are clamped.
    pub fn position(&self, value: f64) -> f64 {
        let (from, to, value) = (self.stretch(self.from), self.stretch(self.to), self.stretch(value));
        let position = (value - from) / (to - from);
        if position.is_nan() { 0.0 } else { position.clamp(0.0, 1.0) }
    }

    fn stretch(&self, value: f64) -> f64 {
        match self.kind {
            Kind::Linear => value,
            Kind::Log => value.max(self.from).log10(),
            Kind::Nines => -(1.0 - value.clamp(0.0, 99.9999) / 100.0).log10(),
        }
    }

    /// About `count` round values between both ends, ascending.
    pub fn ticks(&self, count: usize) -> Vec<f64> {
        match self.kind {
            Kind::Linear => self.linear_ticks(count),
            Kind::Log => self.log_ticks(count),
            Kind::Nines => [0.0, 50.0, 75.0, 90.0, 99.0, 99.9, 99.99, 99.999]
                .into_iter()
                .filter(|percent| *percent <= self.to)
                .collect(),
        }
    }

    fn linear_ticks(&self, count: usize) -> Vec<f64> {
        let step = round_step((self.to - self.from) / as_float(count));
        let first = (self.from / step).ceil();
        // Multiplied, not summed, so that rounding errors do not add up. The tolerance includes the last tick.
        let values = (0..=MAX_TICKS).map(|index| (first + as_float(index)) * step);
        values.take_while(|value| *value <= self.to + step * 1e-6).collect()
    }

    fn log_ticks(&self, count: usize) -> Vec<f64> {
        let decades = (self.to / self.from).log10();
        let within: &[f64] = match as_float(count) / decades.max(0.1) {
            ..2.0 => &[1.0],
            ..5.0 => &[1.0, 2.0, 5.0],
            ..12.0 => &[1.0, 2.0, 3.0, 5.0, 7.0],
            _ => &[1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0],
        };
        // With many decades, only every n-th has a tick.
        let stride = (decades / as_float(count)).ceil().max(1.0);
        let first = (self.from.log10() / stride).floor() * stride;
        (0..MAX_TICKS)
            .map(|index| 10_f64.powf(first + stride * as_float(index)))
            .take_while(|decade| *decade <= self.to * (1.0 + 1e-9))
            .flat_map(|decade| within.iter().map(move |factor| decade * factor))
            .filter(|value| (self.from * (1.0 - 1e-9)..=self.to * (1.0 + 1e-9)).contains(value))
            .take(MAX_TICKS)
            .collect()
    }
}

const MAX_TICKS: usize = 60;

/// 1, 2 or 5 times a power of ten, not below `rough`.
fn round_step(rough: f64) -> f64 {
    let power = 10_f64.powf(rough.max(f64::MIN_POSITIVE).log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| rough <= factor * power * (1.0 + 1e-9));
    factor.unwrap_or(10.0) * power
}

fn finite(value: f64) -> f64 {
    if value.is_finite() { value } else { 0.0 }
}

#[allow(clippy::cast_precision_loss, reason = "small numbers")]
fn as_float(number: usize) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(ticks: &[f64]) -> Vec<String> {
        ticks
            .iter()
            .map(|tick| format!("{tick:.3}").trim_end_matches('0').trim_end_matches('.').to_owned())
            .collect()
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(shown(&Scale::up_to(87.0).ticks(5)), ["0", "20", "40", "60", "80", "100"]);
        assert_eq!(shown(&Scale::up_to(0.3).ticks(5)), ["0", "0.1", "0.2", "0.3"]);
        assert_eq!(shown(&Scale::linear(0.0, 60.0).ticks(6)), ["0", "10", "20", "30", "40", "50", "60"]);
        assert_eq!(
            shown(&Scale::log(800.0, 60_000.0).ticks(6)),
            ["1000", "2000", "5000", "10000", "20000", "50000"]
        );
        assert_eq!(
            shown(&Scale::log(1.0, 1e6).ticks(6)),
            ["1", "10", "100", "1000", "10000", "100000", "1000000"]
        );
        assert_eq!(shown(&Scale::log(100.0, 200.0).ticks(6)), ["100", "120", "150", "200"]);
        assert_eq!(shown(&Scale::nines(99.95).ticks(6)), ["0", "50", "75", "90", "99", "99.9"]);
    }

    #[test]
    fn positions_follow_the_kind() {
        let near = |found: f64, wanted: f64| assert!((found - wanted).abs() < 1e-9, "{found} {wanted}");
        near(Scale::linear(10.0, 20.0).position(12.5), 0.25);
        near(Scale::log(1.0, 10_000.0).position(100.0), 0.5);
        near(Scale::nines(99.0).position(90.0), 0.5);
        near(Scale::nines(99.9).position(100.0), 1.0);
        near(Scale::linear(0.0, 1.0).position(f64::NAN), 0.0);
        near(Scale::log(1.0, 10.0).position(-5.0), 0.0);
        near(Scale::linear(3.0, 3.0).position(3.0), 0.0);
    }

    fn any_scale() -> impl Strategy<Value = Scale> {
        (any::<f64>(), any::<f64>(), 0..4).prop_map(|(from, to, kind)| match kind {
            0 => Scale::linear(from, to),
            1 => Scale::log(from, to),
            2 => Scale::up_to(to),
            _ => Scale::nines(to),
        })
    }

    proptest! {
        #[test]
        fn every_position_is_on_the_axis(scale in any_scale(), value in any::<f64>(), count in 1_usize..20) {
            prop_assert!((0.0..=1.0).contains(&scale.position(value)));
            let ticks = scale.ticks(count);
            prop_assert!(ticks.len() <= MAX_TICKS + 1);
        }

        #[test]
        fn order_is_kept(from in 0.1_f64..100.0, width in 1.0_f64..1e6, one in 0.0_f64..1e6, other in 0.0_f64..1e6) {
            for scale in [Scale::linear(from, from + width), Scale::log(from, from + width)] {
                prop_assert!(scale.position(one.min(other)) <= scale.position(one.max(other)));
                let ticks = scale.ticks(6);
                prop_assert!(ticks.windows(2).all(|pair| pair[0] < pair[1]), "{:?}", ticks);
                prop_assert!(ticks.len() <= 30, "{:?}", ticks);
            }
        }
    }
}
