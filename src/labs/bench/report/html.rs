//! The HTML report: one page without scripts, which fetches nothing. Light, dark, screen and print.

use std::fmt::Write as _;
use std::time::{Duration, UNIX_EPOCH};

use super::svg;
use super::{BenchReport, charts};
use crate::core::model::ByteSize;
use crate::core::numbers::figure;
use crate::core::numbers::histogram::{PERCENTILES, as_float};
use crate::core::page::PAGE_STYLE;
use crate::core::page::escape;
use crate::labs::bench::block::Measurement;
use crate::labs::bench::compare::{Comparison, Side, percentile_ratio, ratio};
use crate::labs::bench::plan::Target;
use crate::labs::bench::probe::answer_line;
use crate::labs::bench::timeline::Timeline;

pub(super) fn page(report: &BenchReport) -> String {
    let title = format!("Load test of {} at {}", report.lab.id, report.lab.address);
    [
        head(&title),
        intro(report, &title),
        latency(report),
        resources(&report.resources),
        report.comparison.as_ref().map(comparison).unwrap_or_default(),
        circumstances(report),
        "</body>\n</html>\n".to_owned(),
    ]
    .concat()
}

fn head(title: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{}</title>\n<style>\n{PAGE_STYLE}{}</style>\n</head>\n<body>\n",
        escape(title),
        svg::STYLE
    )
}

fn intro(report: &BenchReport, title: &str) -> String {
    let (load, measurement) = (&report.load, &report.measurement);
    let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(report.measured_at));
    let errors = measurement.errors.total();
    let mut html = format!(
        "<header>\n<h1>{}</h1>\n<p class=\"quiet\">{} <code>{}</code> for {}, over {}, with wrk. {date}.</p>\n</header>\n<dl class=\"figures\">\n",
        escape(title),
        escape(report.target.method.as_str()),
        escape(report.target.url.as_str()),
        count(load.duration.0, "second"),
        count(u64::from(load.effective_connections()), "connection"),
    );
    let mut card = |name: &str, value: &str| {
        add(&mut html, &format!("<div><dt>{name}</dt><dd>{value}</dd></div>"));
    };
    card("right answers per second", &figure::number(measurement.rate()));
    for percent in [50.0, 99.0] {
        card(&format!("latency p{percent}"), &percentile(measurement, percent));
    }
    card("slowest", &measurement.latencies.max().map_or_else(nothing, micros));
    let class = if errors == 0 { "good" } else { "bad" };
    let name = format!("errors, of {} answers", figure::count(measurement.requests));
    card(&name, &format!("<span class=\"{class}\">{}</span>", figure::count(errors)));
    html.push_str("</dl>\n");
    if errors > 0 {
        html.push_str("<h3>Errors</h3>\n<ul>\n");
        for (number, kind) in measurement.errors.kinds().into_iter().filter(|(number, _)| *number > 0) {
            add(&mut html, &format!("<li>{kind}: {}</li>", figure::count(number)));
        }
        html.push_str("</ul>\n");
        if let Some(wrong) = &measurement.first_wrong {
            add(
                &mut html,
                &format!(
                    "<p>The first wrong answer: <code>{}</code></p>",
                    escape(&answer_line(wrong.status, &wrong.body))
                ),
            );
        }
        html.push_str(
            "<p class=\"note\">Latencies include those of wrong answers, which may be faster.</p>\n",
        );
    }
    html
}

fn latency(report: &BenchReport) -> String {
    let measurement = &report.measurement;
    let mut html = "<h2>Latency</h2>\n".to_owned();
    for (title, chart) in
        [("Distribution", charts::latencies(report)), ("By percentile", charts::percentiles(report))]
    {
        if let Some(chart) = chart {
            add(&mut html, &format!("<h3>{title}</h3>\n<figure>{chart}</figure>"));
        }
    }
    let mut head: Vec<String> = vec!["fastest".into(), "mean".into(), "± deviation".into()];
    head.extend(PERCENTILES.map(|percent| format!("p{percent}")));
    head.push("slowest".into());
    let spread = measurement.latencies.mean_and_deviation();
    let mut row = vec![
        measurement.latencies.min().map_or_else(nothing, micros),
        spread.map_or_else(nothing, |(mean, _)| figure::micros(mean)),
        spread.map_or_else(nothing, |(_, deviation)| figure::micros(deviation)),
    ];
    row.extend(PERCENTILES.map(|percent| percentile(measurement, percent)));
    row.push(measurement.latencies.max().map_or_else(nothing, micros));
    html.push_str(&table(&head, 0, &[row]));
    if measurement.filled_in() > 0 {
        add(
            &mut html,
            &format!(
                "<p class=\"note\">wrk adds latencies for requests it could not send while it waited for a slow answer \
                 (coordinated omission): {} in addition to {} measured ones.</p>",
                figure::count(measurement.filled_in()),
                figure::count(measurement.requests)
            ),
        );
    }
    if !measurement.exact {
        html.push_str("<p class=\"note\">There are too many different latencies to print: selected quantiles represent them.</p>\n");
    }
    html
}

fn resources(timeline: &Timeline) -> String {
    let mut html = "<h2>CPU and memory of the components</h2>\n".to_owned();
    if timeline.components.is_empty() {
        html.push_str("<p>No component ran.</p>\n");
        return html;
    }
    for (title, chart) in [("CPU", charts::cpu(timeline)), ("Memory", charts::memory(timeline))] {
        if let Some(chart) = chart {
            add(&mut html, &format!("<h3>{title}</h3>\n<figure>{chart}</figure>"));
        }
    }
    let head = ["component", "processes", "CPU average", "CPU peak", "memory average", "memory peak"];
    let rows: Vec<Vec<String>> = timeline
        .components
        .iter()
        .map(|one| {
            vec![
                escape(&one.name),
                one.processes.to_string(),
                figure::share(one.cpu.average),
                figure::share(one.cpu.peak),
                figure::megabytes(one.memory.average),
                figure::megabytes(one.memory.peak),
            ]
        })
        .collect();
    html.push_str(&table(&head.map(str::to_owned), 1, &rows));
    add(
        &mut html,
        &format!(
            "<p class=\"note\">From {} of /proc, four per second. CPU is user and system time as a share of one core, counted \
             in steps of 10 ms. A point of a curve is the average of several samples, a peak is a single sample. {}</p>",
            count(timeline.samples as u64, "sample"),
            escape(&timeline.memory_note())
        ),
    );
    html
}

fn comparison(comparison: &Comparison) -> String {
    let mut html = "<h2>Side by side</h2>\n".to_owned();
    let rounds = comparison.sides.iter().map(|side| side.rounds.len()).max().unwrap_or(0) as u64;
    add(
        &mut html,
        &format!(
            "<p>{} of {} for each target, alternating, over {}.</p>",
            count(rounds, "round"),
            count(comparison.load.duration.0, "second"),
            count(u64::from(comparison.load.effective_connections()), "connection")
        ),
    );
    html.push_str("<ul>\n");
    for Target { name, method, url, .. } in comparison.sides.iter().map(|side| &side.target) {
        let (name, url) = (escape(name), escape(url.as_str()));
        add(&mut html, &format!("<li>{name}: <code>{method} {url}</code></li>"));
    }
    html.push_str("</ul>\n");
    if let Some(chart) = charts::comparison(comparison) {
        add(&mut html, &format!("<figure>{chart}</figure>"));
    }
    let mut head: Vec<String> = vec!["target".into(), "right answers/s".into()];
    head.extend(PERCENTILES.map(|percent| format!("p{percent}")));
    head.extend(["slowest".into(), "errors".into()]);
    let totals: Vec<Measurement> = comparison.sides.iter().map(Side::total).collect();
    let mut rows = Vec::new();
    for (side, total) in comparison.sides.iter().zip(&totals) {
        let mut row = vec![escape(&side.target.name), figure::number(total.rate())];
        row.extend(PERCENTILES.map(|percent| percentile(total, percent)));
        row.push(total.latencies.max().map_or_else(nothing, micros));
        row.push(figure::count(total.errors.total()));
        rows.push(row);
    }
    if let (Some(first), Some(name)) =
        (totals.first(), comparison.sides.first().map(|side| &side.target.name))
    {
        for (side, total) in comparison.sides.iter().zip(&totals).skip(1) {
            let as_cell = |ratio: Option<f64>| ratio.map_or_else(nothing, figure::ratio);
            let mut row = vec![
                format!("{} / {}", escape(&side.target.name), escape(name)),
                as_cell(ratio(total.rate(), first.rate())),
            ];
            row.extend(PERCENTILES.map(|percent| as_cell(percentile_ratio(total, first, percent))));
            row.extend([String::new(), String::new()]);
            rows.push(row);
        }
    }
    html.push_str(&table(&head, 1, &rows));
    html.push_str("<h3>Round by round</h3>\n");
    let head = ["round", "target", "right answers/s", "p50", "p90", "p99"].map(str::to_owned);
    let mut rows = Vec::new();
    for round in 0..rounds {
        for side in &comparison.sides {
            let Some(measured) = usize::try_from(round).ok().and_then(|round| side.rounds.get(round)) else {
                continue;
            };
            let mut row =
                vec![(round + 1).to_string(), escape(&side.target.name), figure::number(measured.rate())];
            row.extend([50.0, 90.0, 99.0].map(|percent| percentile(measured, percent)));
            rows.push(row);
        }
    }
    html.push_str(&table(&head, 2, &rows));
    html
}

fn circumstances(report: &BenchReport) -> String {
    let (machine, lab) = (&report.machine, &report.lab);
    let processor = machine.processor.as_deref().map(|name| format!("{name}, ")).unwrap_or_default();
    let tools: Vec<String> = lab.tools.iter().map(|(name, version)| format!("{name} {version}")).collect();
    let rows = [
        (
            "machine",
            format!(
                "{processor}{}, {} memory",
                count(machine.cores as u64, "core"),
                ByteSize(machine.memory)
            ),
        ),
        ("system", machine.system.clone()),
        ("lab", format!("{} at {}, runtime {}", lab.id, lab.address, lab.runtime)),
        ("versions", tools.join(", ")),
        ("answer expected", report.target.answer.clone()),
    ];
    let mut html = "<h2>How it was measured</h2>\n<div class=\"wide\"><table>\n<tbody>\n".to_owned();
    for (name, value) in rows {
        add(&mut html, &format!("<tr><th scope=\"row\">{name}</th><td>{}</td></tr>", escape(&value)));
    }
    for (name, command) in [("command", &report.command), ("load generator", &report.wrk)] {
        add(
            &mut html,
            &format!("<tr><th scope=\"row\">{name}</th><td><code>{}</code></td></tr>", escape(command)),
        );
    }
    add(
        &mut html,
        &format!(
            "</tbody>\n</table></div>\n<p class=\"note\">The load generator ran on the same machine and shared its cores with all \
             components.</p>\n<footer>meshlab {}</footer>",
            env!("CARGO_PKG_VERSION")
        ),
    );
    html
}

/// A table. The first `texts` columns are text, the others are numbers. Cells are HTML.
fn table(head: &[String], texts: usize, rows: &[Vec<String>]) -> String {
    let class = |column: usize| if column < texts { "" } else { " class=\"n\"" };
    let mut html = "<div class=\"wide\"><table>\n<thead><tr>".to_owned();
    for (column, title) in head.iter().enumerate() {
        html.extend([format!("<th scope=\"col\"{}>{}</th>", class(column), escape(title))]);
    }
    html.push_str("</tr></thead>\n<tbody>\n");
    for row in rows {
        html.push_str("<tr>");
        for (column, cell) in row.iter().enumerate() {
            html.extend([match column {
                0 if texts > 0 => format!("<th scope=\"row\">{cell}</th>"),
                _ => format!("<td{}>{cell}</td>", class(column)),
            }]);
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody>\n</table></div>\n");
    html
}

/// Appends a line.
fn add(html: &mut String, line: &str) {
    // Formatting into a string cannot fail.
    let _ = writeln!(html, "{line}");
}

fn percentile(measurement: &Measurement, percent: f64) -> String {
    measurement.latencies.percentile(percent).map_or_else(nothing, micros)
}

fn micros(micros: u64) -> String {
    figure::micros(as_float(micros))
}

fn nothing() -> String {
    "–".to_owned()
}

fn count(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", figure::count(number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labs::bench::report::fixture;

    /// The page without the content of elements `name`.
    fn without(page: &str, name: &str) -> String {
        let mut kept = String::new();
        let mut rest = page;
        while let Some((before, inside)) = rest.split_once(&format!("<{name}")) {
            kept.push_str(before);
            let (_, after) = inside.split_once(&format!("</{name}>")).expect("it is closed");
            kept.extend(["[", name, "]"]);
            rest = after;
        }
        kept + rest
    }

    /// Every tag is closed in order, except those that HTML never closes.
    fn assert_well_formed(page: &str) {
        let mut open = Vec::new();
        for piece in page.split('<').skip(1) {
            let (tag, text) = piece.split_once('>').expect("a tag that ends");
            assert!(!text.contains('>'), "{piece}");
            let name = tag.split([' ', '/']).next().unwrap_or_default();
            match tag.strip_prefix('/') {
                Some(closed) => assert_eq!(open.pop(), Some(closed), "{piece}"),
                None if tag.ends_with('/') || ["!DOCTYPE", "meta"].contains(&name) => {}
                None => open.push(name),
            }
        }
        assert_eq!(open, Vec::<&str>::new());
    }

    #[test]
    fn the_page_has_all_figures() {
        let page = page(&fixture::report());
        assert_well_formed(&page);
        let structure =
            without(&without(&page, "style"), "svg").replace(env!("CARGO_PKG_VERSION"), "VERSION");
        insta::assert_snapshot!(structure);
        assert_eq!(page.matches("<svg").count(), 5);
    }

    #[test]
    fn text_is_escaped_and_nothing_is_fetched() {
        let page = page(&fixture::report_with_errors());
        assert_well_formed(&page);
        for forbidden in ["<script", "<b>", "\u{1b}", "src=", "<link", "@import", "url(", "NaN", "inf"] {
            assert!(!page.contains(forbidden), "{forbidden}");
        }
        assert!(page.contains("&lt;script&gt;alert(&#39;x&#39;)"), "{page}");
    }

    #[test]
    fn a_report_without_measurements_is_a_page() {
        let mut report = fixture::report();
        report.measurement = Measurement::default();
        report.resources = Timeline::default();
        for side in report.comparison.iter_mut().flat_map(|comparison| &mut comparison.sides) {
            side.rounds.clear();
        }
        let page = page(&report);
        assert_well_formed(&page);
        assert!(!page.contains("NaN") && !page.contains("<svg"), "{page}");
    }
}
