//! The result of a load test on one screen: answers, latency, resources, and the report files.

use camino::Utf8PathBuf;

use super::look::Look;
use super::table::{Cell, Table};
use super::text;
use crate::core::numbers::figure;
use crate::core::numbers::histogram::{Distribution, PERCENTILES, as_float};
use crate::core::numbers::words;
use crate::labs::bench::block::Measurement;
use crate::labs::bench::compare::{Comparison, Side, percentile_ratio, ratio};
use crate::labs::bench::report::BenchReport;
use crate::labs::bench::timeline::Timeline;

const MARGIN: &str = "  ";
const BARS: usize = 10;
const WIDEST_BAR: usize = 44;
/// Components below this are in the report only.
const MOST_COMPONENTS: usize = 16;

pub(super) fn draw(report: &BenchReport, written: &[Utf8PathBuf], look: &Look) -> String {
    let mut sections = vec![head(report, look), latency(&report.measurement, look)];
    sections.push(histogram(&report.measurement.latencies, look));
    sections.push(components(&report.resources, look));
    sections.extend(report.comparison.as_ref().map(|comparison| side_by_side(comparison, look)));
    sections.push(next(report, written, look));
    let text = sections.into_iter().filter(|section| !section.is_empty()).collect::<Vec<_>>().join("\n");
    plain_units(&text, look)
}

/// Replaces characters that an ASCII terminal does not have.
fn plain_units(text: &str, look: &Look) -> String {
    if look.symbols.pass.is_ascii() { text.replace('µ', "u").replace('×', "x") } else { text.to_owned() }
}

fn head(report: &BenchReport, look: &Look) -> String {
    let (load, measurement, paint) = (&report.load, &report.measurement, look.paint);
    let title = format!("{MARGIN}{}", paint.title("Load test"));
    let lab = format!("lab {} at {}", report.lab.id, report.lab.address);
    let rule = paint.title(&look.symbols.heavy_rule.repeat(look.prose()));
    let errors = measurement.errors;
    let errors = if errors.total() == 0 {
        paint.good(&format!("{} none", look.symbols.pass))
    } else {
        let kinds = errors.kinds();
        let kinds: Vec<String> = kinds
            .iter()
            .filter(|(number, _)| *number > 0)
            .map(|(number, kind)| format!("{} {kind}", figure::count(*number)))
            .collect();
        paint.bad(&format!("{} {}", look.symbols.fail, kinds.join(", ")))
    };
    let facts = [
        ("call", paint.code(&format!("{} {}", report.target.method, report.target.url))),
        (
            "load",
            format!(
                "{}, {}, {}",
                text::clock(measurement.duration),
                words::count(load.effective_connections() as usize, "connection"),
                words::count(load.threads as usize, "thread")
            ),
        ),
        (
            "throughput",
            format!(
                "{} right answers/s  {}",
                paint.strong(&figure::number(measurement.rate())),
                paint.dim(&format!(
                    "{} of {} in all",
                    figure::count(measurement.right()),
                    figure::count(measurement.requests)
                ))
            ),
        ),
        ("errors", errors),
    ];
    let mut lines = vec![text::spread(&title, &paint.dim(&lab), look.prose()), rule, String::new()];
    for (name, fact) in facts {
        lines.extend(text::hanging(
            &format!("{MARGIN}{}  ", paint.dim(&text::pad(name, 10))),
            &fact,
            look.columns(),
        ));
    }
    text::ended(lines)
}

fn latency(measurement: &Measurement, look: &Look) -> String {
    let latencies = &measurement.latencies;
    let mut table = Table::new(["LATENCY", "p50", "p75", "p90", "p99", "p99.9", "max"]).indent(MARGIN.len());
    for column in 1..=6 {
        table = table.right(column);
    }
    let mut row: Vec<Cell> = vec!["".into()];
    row.extend(PERCENTILES.map(|percent| Cell::strong(micros(latencies.percentile(percent)))));
    row.push(micros(latencies.max()).into());
    table.row(row);
    let mut shown = table.render(look);
    let filled_in = measurement.filled_in();
    // One in a hundred moves no figure that is shown here.
    if filled_in.saturating_mul(100) > measurement.requests {
        let note = format!(
            "wrk counts {} more for requests it could not send while it waited for a slow answer",
            figure::count(filled_in)
        );
        let lines = text::wrap(&note, Some(look.prose().saturating_sub(MARGIN.len())));
        shown.push_str(&text::ended(lines.iter().map(|line| format!("{MARGIN}{}", look.paint.dim(line)))));
    }
    shown
}

/// A histogram of the latencies, without the slowest thousandth.
fn histogram(latencies: &Distribution, look: &Look) -> String {
    let (Some(least), Some(most)) = (latencies.min(), latencies.percentile(99.9)) else {
        return String::new();
    };
    let from = as_float(least).max(1.0);
    let buckets = latencies.buckets(from, as_float(most).max(from * 1.1), BARS);
    let highest = buckets.iter().map(|bucket| bucket.count).max().unwrap_or(0).max(1);
    let total = as_float(latencies.count());
    let room = look.prose().saturating_sub(32).min(WIDEST_BAR);
    let mut lines = Vec::new();
    for bucket in &buckets {
        let label = text::pad_left(&figure::micros(bucket.from), 8);
        let bar = text::pad(&bar(bucket.count, highest, room, look), room);
        let share = as_float(bucket.count) * 100.0 / total;
        let share = if bucket.count == 0 { String::new() } else { format!("{share:.1} %") };
        let line = format!(
            "{MARGIN}{MARGIN}{} {} {}",
            look.paint.dim(&format!("{label} {}", look.symbols.gutter)),
            look.paint.code(&bar),
            look.paint.dim(&text::pad_left(&share, 7))
        );
        lines.push(line.trim_end().to_owned());
    }
    text::ended(lines)
}

/// A bar in eighths of a cell; a count above 0 is visible.
pub(super) fn bar(count: u64, highest: u64, columns: usize, look: &Look) -> String {
    let cells = look.symbols.cells;
    let (Some(full), steps) = (cells.last(), cells.len()) else { return String::new() };
    let wide = u128::from(count) * (columns * steps) as u128 / u128::from(highest.max(1));
    let wide = usize::try_from(wide).unwrap_or(0).max(usize::from(count > 0));
    let rest = (wide % steps).checked_sub(1).and_then(|index| cells.get(index)).unwrap_or(&"");
    format!("{}{rest}", full.repeat(wide / steps))
}

fn components(timeline: &Timeline, look: &Look) -> String {
    if timeline.components.is_empty() {
        return String::new();
    }
    let mut table =
        Table::new(["COMPONENT", "PROCESSES", "CPU", "PEAK", "MEMORY", "PEAK"]).indent(MARGIN.len());
    for column in 1..=5 {
        table = table.right(column);
    }
    let (shown, left_out) = timeline.components.split_at(MOST_COMPONENTS.min(timeline.components.len()));
    for component in shown {
        table.row([
            Cell::strong(component.name.clone()),
            Cell::dim(component.processes.to_string()),
            figure::share(component.cpu.average).into(),
            Cell::dim(figure::share(component.cpu.peak)),
            figure::megabytes(component.memory.average).into(),
            Cell::dim(figure::megabytes(component.memory.peak)),
        ]);
    }
    let mut text = table.render(look);
    let lines = text::wrap(&timeline.memory_note(), Some(look.prose().saturating_sub(MARGIN.len())));
    text.push_str(&text::ended(lines.iter().map(|line| format!("{MARGIN}{}", look.paint.dim(line)))));
    if !left_out.is_empty() {
        let more = format!("{MARGIN}{} more, less busy than these\n", left_out.len());
        text.push_str(&look.paint.dim(&more));
    }
    text
}

fn side_by_side(comparison: &Comparison, look: &Look) -> String {
    const SHOWN: [f64; 3] = [50.0, 90.0, 99.0];
    let mut table =
        Table::new(["SIDE BY SIDE", "right/s", "p50", "p90", "p99", "errors"]).indent(MARGIN.len());
    for column in 1..=5 {
        table = table.right(column);
    }
    let totals: Vec<Measurement> = comparison.sides.iter().map(Side::total).collect();
    let named = || comparison.sides.iter().zip(&totals);
    for (side, total) in named() {
        let mut row = vec![Cell::strong(side.target.name.clone()), figure::number(total.rate()).into()];
        row.extend(SHOWN.map(|percent| micros(total.latencies.percentile(percent)).into()));
        let errors = total.errors.total();
        row.push(if errors == 0 { "none".into() } else { Cell::bad(figure::count(errors)) });
        table.row(row);
    }
    if let Some((first, first_total)) = named().next() {
        for (side, total) in named().skip(1) {
            let shown = |ratio: Option<f64>| Cell::from(ratio.map_or_else(String::new, figure::ratio));
            let mut row = vec![
                Cell::strong(format!("{} / {}", side.target.name, first.target.name)),
                shown(ratio(total.rate(), first_total.rate())),
            ];
            row.extend(SHOWN.map(|percent| shown(percentile_ratio(total, first_total, percent))));
            table.row(row);
        }
    }
    let rounds = comparison.sides.iter().map(|side| side.rounds.len()).max().unwrap_or(0);
    let how = format!(
        "{MARGIN}{} of {} each, taking turns",
        words::count(rounds, "round"),
        text::clock(comparison.load.duration.duration())
    );
    format!("{}{}\n", table.render(look), look.paint.dim(&how))
}

fn next(report: &BenchReport, written: &[Utf8PathBuf], look: &Look) -> String {
    let mut lines: Vec<String> = written
        .iter()
        .map(|path| {
            format!(
                "{MARGIN}{} report written: {}",
                look.paint.good(look.symbols.pass),
                look.paint.code(path.as_str())
            )
        })
        .collect();
    let mut hints = Vec::new();
    if written.is_empty() {
        hints.push(("--report load.html", "a page with all curves and figures"));
    }
    if report.comparison.is_none() {
        hints.push(("--compare direct", "what the mesh costs: the same call with and without it"));
    }
    let widest = hints.iter().map(|(flag, _)| text::width(flag)).max().unwrap_or(0);
    lines.extend(hints.iter().map(|(flag, what)| {
        format!("{MARGIN}{}  {}", look.paint.code(&text::pad(flag, widest)), look.paint.dim(what))
    }));
    text::ended(lines)
}

fn micros(micros: Option<u64>) -> String {
    micros.map_or_else(|| "-".to_owned(), |micros| figure::micros(as_float(micros)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::ui::testing::{look, pipe, shown};
    use crate::labs::bench::report::fixture;

    #[test]
    fn a_load_test_with_a_comparison() {
        let text = draw(&fixture::report(), &[], &look(80));
        for line in text.lines() {
            assert!(text::width(line) <= 80, "{line}");
        }
        insta::assert_snapshot!(text);
    }

    #[test]
    fn a_load_test_in_colour_with_errors() {
        let written = ["/tmp/load.html".into()];
        insta::assert_snapshot!(shown(&draw(&fixture::report_with_errors(), &written, &look(80).colored())));
    }

    #[test]
    fn a_load_test_in_ascii_on_a_narrow_terminal() {
        let mut report = fixture::report();
        report.comparison = None;
        let text = draw(&report, &[], &look(60).ascii());
        assert!(text.is_ascii(), "{text}");
        insta::assert_snapshot!(text);
    }

    #[test]
    fn text_of_others_cannot_write_to_the_terminal() {
        assert!(!draw(&fixture::report_with_errors(), &[], &pipe()).contains('\u{1b}'));
    }

    #[test]
    fn nothing_measured_is_no_fault() {
        let mut report = fixture::report();
        report.measurement = Measurement::default();
        report.resources = Timeline::default();
        let text = draw(&report, &[], &look(80));
        assert!(text.contains("0.00 right answers/s"), "{text}");
    }

    #[test]
    fn the_highest_bar_is_full_and_the_lowest_is_seen() {
        let wide = |count| bar(count, 1000, 10, &look(80));
        assert_eq!(
            [wide(0), wide(1), wide(500), wide(510), wide(1000)],
            ["", "▏", "█████", "█████", "██████████"]
        );
        assert_eq!(bar(1, 1000, 10, &look(80).ascii()), "#");
    }
}
