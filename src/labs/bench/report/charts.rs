//! The charts of a report.

use super::BenchReport;
use super::svg::{Axis, Bar, COLORS, Histogram, LineChart, Mark, Scale, Series};
use crate::core::numbers::figure;
use crate::core::numbers::histogram::{Distribution, as_float};
use crate::labs::bench::compare::Comparison;
use crate::labs::bench::timeline::{ComponentUsage, Timeline};

const MAX_BARS: usize = 64;
const CURVE_POINTS: usize = 200;
/// Points per curve over time.
const MAX_STEPS: usize = 48;
/// The height of the chart above the highest bar: space for the names of percentiles.
const HEADROOM: f64 = 1.4;

fn axis<'a>(label: &'a str, scale: Scale, text: &'a dyn Fn(f64) -> String) -> Axis<'a> {
    Axis { label, scale, text }
}

/// How often each latency was seen.
pub(super) fn latencies(report: &BenchReport) -> Option<String> {
    let all = &report.measurement.latencies;
    let (least, most) = (as_float(all.min()?).max(1.0), as_float(all.max()?));
    let (from, to) = (least * 0.97, most.max(least * 1.05) * 1.03);
    let total = as_float(all.count());
    let bars: Vec<Bar> = all
        .buckets(from, to, bar_count(from, to))
        .into_iter()
        .map(|bucket| {
            let percent = as_float(bucket.count) * 100.0 / total;
            let title = format!(
                "{} to {}\n{} of {} ({percent:.2} %)",
                figure::micros(bucket.from),
                figure::micros(bucket.to),
                figure::count(bucket.count),
                figure::count(all.count())
            );
            Bar { from: bucket.from, to: bucket.to, value: percent, title }
        })
        .collect();
    let marks: Vec<Mark> = [50.0, 90.0, 99.0, 99.9]
        .into_iter()
        .filter_map(|percent| {
            let at = as_float(all.percentile(percent)?);
            Some(Mark { at, name: format!("p{percent} {}", figure::micros(at)) })
        })
        .collect();
    let highest = bars.iter().map(|bar| bar.value).fold(0.0, f64::max);
    let chart = Histogram {
        title: "How often each latency was seen",
        across: axis("latency, logarithmic", Scale::log(from, to), &tick_micros),
        up: axis("% of answers", Scale::up_to(highest * HEADROOM), &tick_number),
        bars: &bars,
        marks: &marks,
    };
    Some(chart.draw())
}

/// The number of bars: no bar is narrower than two microseconds.
fn bar_count(from: f64, to: f64) -> usize {
    let narrowest = (1.0 + 2.0 / from).ln();
    let fitting = ((to / from).ln() / narrowest).floor();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small number")]
    let fitting = fitting.clamp(1.0, 1000.0) as usize;
    fitting.min(MAX_BARS)
}

/// Latency by percentile.
pub(super) fn percentiles(report: &BenchReport) -> Option<String> {
    curves("Latency by percentile", &[("all answers".to_owned(), &report.measurement.latencies)])
}

/// Latency by percentile, for all targets of a comparison.
pub(super) fn comparison(comparison: &Comparison) -> Option<String> {
    let totals: Vec<_> =
        comparison.sides.iter().map(|side| (side.target.name.clone(), side.total())).collect();
    let lines: Vec<_> = totals.iter().map(|(name, total)| (name.clone(), &total.latencies)).collect();
    curves("Latency by percentile, side by side", &lines)
}

fn curves(title: &str, lines: &[(String, &Distribution)]) -> Option<String> {
    let series: Vec<Series> = lines
        .iter()
        .map(|(name, latencies)| {
            let points = latencies.curve(CURVE_POINTS);
            let points =
                points.into_iter().map(|(percent, micros)| (percent, Some(as_float(micros)))).collect();
            Series { name: name.clone(), points, is_rest: false }
        })
        .collect();
    let values = || series.iter().flat_map(|series| &series.points);
    let up = || values().filter_map(|(_, micros)| *micros);
    let furthest = values().map(|(percent, _)| *percent).reduce(f64::max)?;
    let (least, most) = (up().reduce(f64::min)?.max(1.0), up().reduce(f64::max)?);
    // A wide range needs a logarithmic scale.
    let is_wide = most / least > 20.0;
    let scale = if is_wide { Scale::log(least * 0.9, most * 1.1) } else { Scale::up_to(most) };
    let chart = LineChart {
        title,
        across: axis("percentile", Scale::nines(furthest), &|percent| {
            format!("{}", (percent * 1e4).round() / 1e4)
        }),
        up: axis(if is_wide { "latency, logarithmic" } else { "latency" }, scale, &tick_micros),
        series: &series,
    };
    Some(chart.draw())
}

/// CPU of all components over time.
pub(super) fn cpu(timeline: &Timeline) -> Option<String> {
    let series = over_time(timeline, |component| &component.cpu_curve, 100.0);
    line_chart("CPU of the components over time", "CPU, % of one core", timeline, &series)
}

/// Memory of all components over time.
pub(super) fn memory(timeline: &Timeline) -> Option<String> {
    let series = over_time(timeline, |component| &component.memory_curve, 1e-6);
    line_chart("Memory of the components over time", "memory, MB", timeline, &series)
}

fn line_chart(title: &str, label: &str, timeline: &Timeline, series: &[Series]) -> Option<String> {
    let end = *timeline.seconds.last()?;
    let values = series.iter().flat_map(|series| &series.points).filter_map(|(_, value)| *value);
    let highest = values.fold(0.0, f64::max);
    let chart = LineChart {
        title,
        across: axis("seconds", Scale::linear(0.0, end), &tick_number),
        up: axis(label, Scale::up_to(highest), &tick_number),
        series,
    };
    Some(chart.draw())
}

/// The components with the highest usage, each with the same colour in every chart, and the others together.
fn over_time(
    timeline: &Timeline,
    curve: fn(&ComponentUsage) -> &Vec<Option<f64>>,
    factor: f64,
) -> Vec<Series> {
    let all = &timeline.components;
    let sum = |usage: fn(&ComponentUsage) -> f64| all.iter().map(usage).sum::<f64>().max(f64::MIN_POSITIVE);
    let (cpu, memory) = (sum(|one| one.cpu.average), sum(|one| one.memory.average));
    let weight = |one: &ComponentUsage| (one.cpu.average / cpu).max(one.memory.average / memory);
    let mut ranked: Vec<&ComponentUsage> = all.iter().collect();
    ranked.sort_by(|one, other| weight(other).total_cmp(&weight(one)));
    let (shown, others) = ranked.split_at(COLORS.min(ranked.len()));
    // The kernel counts CPU time in coarse steps, so a point is the average of several samples.
    let together = timeline.seconds.len().div_ceil(MAX_STEPS).max(1);
    let places: Vec<usize> = (0..timeline.seconds.len()).collect();
    let points = |value: &dyn Fn(usize) -> Option<f64>| {
        let one = |places: &[usize]| {
            let values: Vec<f64> = places.iter().filter_map(|place| value(*place)).collect();
            let at =
                places.last().and_then(|place| timeline.seconds.get(*place)).copied().unwrap_or_default();
            let mean = values.iter().sum::<f64>() / as_float(values.len() as u64);
            (at, (!values.is_empty()).then_some(mean * factor))
        };
        places.chunks(together).map(one).collect()
    };
    let at = |component: &ComponentUsage, place: usize| curve(component).get(place).copied().flatten();
    let mut series: Vec<Series> = shown
        .iter()
        .map(|component| Series {
            name: component.name.clone(),
            points: points(&|place| at(component, place)),
            is_rest: false,
        })
        .collect();
    if !others.is_empty() {
        let total = |place: usize| {
            others.iter().filter_map(|component| at(component, place)).reduce(|sum, one| sum + one)
        };
        series.push(Series {
            name: format!("{} others together", others.len()),
            points: points(&total),
            is_rest: true,
        });
    }
    series
}

fn tick_number(value: f64) -> String {
    let rounded = (value * 1e3).round() / 1e3;
    if rounded >= 1000.0 { figure::number(rounded) } else { format!("{rounded}") }
}

/// Microseconds as text without needless digits: `2 ms`, `1.5 s`.
fn tick_micros(value: f64) -> String {
    let (number, unit) = match value {
        ..999.5 => (value, "µs"),
        ..999_500.0 => (value / 1e3, "ms"),
        _ => (value / 1e6, "s"),
    };
    format!("{} {unit}", (number * 100.0).round() / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_have_no_needless_digits() {
        assert_eq!(
            [0.0, 20.0, 1000.0, 1500.0, 2e6].map(tick_micros),
            ["0 µs", "20 µs", "1 ms", "1.5 ms", "2 s"]
        );
        assert_eq!([0.0, 0.1 + 0.2, 12.0, 1500.0].map(tick_number), ["0", "0.3", "12", "1,500"]);
    }

    #[test]
    fn bars_are_not_narrower_than_two_microseconds() {
        assert_eq!(bar_count(1000.0, 100_000.0), MAX_BARS);
        assert!((5..15).contains(&bar_count(20.0, 40.0)), "{}", bar_count(20.0, 40.0));
        assert_eq!(bar_count(1.0, 1.05), 1);
    }
}
