//! The result of `svc load`: calls, latency, failures, and answers by header.

use super::bench::bar;
use super::look::Look;
use super::table::{Cell, Table};
use crate::core::numbers::figure;
use crate::core::numbers::histogram::as_float;
use crate::core::numbers::words;
use crate::samples::load::Tally;

const WIDEST_BAR: usize = 24;

pub(super) fn draw(tally: &Tally, by: Option<&str>, look: &Look) -> String {
    let mut sections = vec![figures(tally, look)];
    if tally.failures() > 0 {
        sections.push(failures(tally, look));
    }
    sections.extend(by.filter(|_| !tally.by().is_empty()).map(|by| shares(tally, by, look)));
    let text = sections.join("\n");
    if look.symbols.pass.is_ascii() { text.replace('µ', "u") } else { text }
}

fn figures(tally: &Tally, look: &Look) -> String {
    let latencies = tally.latencies();
    let time =
        |micros: Option<u64>| micros.map_or_else(String::new, |micros| figure::micros(as_float(micros)));
    let failed = match tally.failures() {
        0 => Cell::good("0"),
        failures => Cell::bad(figure::count(failures.into())),
    };
    let mut table = Table::new(["CALLS", "OK", "FAILED", "P50", "P99", "MAX", "TOOK"]);
    for column in 0..7 {
        table = table.right(column);
    }
    table.row([
        figure::count(tally.calls().into()).into(),
        figure::count(tally.ok().into()).into(),
        failed,
        time(latencies.percentile(50.0)).into(),
        time(latencies.percentile(99.0)).into(),
        time(latencies.max()).into(),
        words::duration(tally.took).into(),
    ]);
    table.render(look)
}

fn failures(tally: &Tally, look: &Look) -> String {
    let mut table = Table::new(["CALLS", "FAILED WITH"]).right(0);
    let statuses = tally.statuses().iter().filter(|(status, _)| **status >= 400);
    let statuses = statuses.map(|(status, calls)| {
        let known = hyper::StatusCode::from_u16(*status).ok();
        (known.map_or_else(|| status.to_string(), |status| status.to_string()), *calls)
    });
    for (what, calls) in statuses.chain(tally.errors().map(|(error, calls)| (error.to_owned(), calls))) {
        table.row([figure::count(calls.into()).into(), Cell::bad(what)]);
    }
    table.render(look)
}

fn shares(tally: &Tally, by: &str, look: &Look) -> String {
    let answers = tally.by().values().map(|calls| calls.calls).sum::<u32>().max(1);
    let header = by.to_ascii_uppercase();
    let mut table = Table::new([header.as_str(), "CALLS", "SHARE", "FAILED", ""]).right(1).right(2).right(3);
    for (label, calls) in tally.by() {
        let share = f64::from(calls.calls) * 100.0 / f64::from(answers);
        let failed = figure::count(calls.failed.into());
        table.row([
            Cell::strong(label.clone()),
            figure::count(calls.calls.into()).into(),
            format!("{share:.1} %").into(),
            if calls.failed == 0 { Cell::dim(failed) } else { Cell::bad(failed) },
            bar(calls.calls.into(), answers.into(), WIDEST_BAR, look).into(),
        ]);
    }
    table.render(look)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::app::ui::testing::{look, shown};

    #[test]
    fn a_load_reads_well() {
        let tally = Tally::of(
            [("a", 200, 334), ("b", 200, 330), ("b", 503, 3), ("10.10.5.150:9090", 200, 333)],
            [("connection refused", 12)],
            Duration::from_millis(1480),
        );
        insta::assert_snapshot!(shown(&draw(&tally, Some("x-instance"), &look(80))));
        insta::assert_snapshot!(shown(&draw(&tally, None, &look(80).ascii().colored())));
    }

    #[test]
    fn nothing_answered_is_nothing_to_share() {
        let tally = Tally::of([], [("connection refused", 2)], Duration::from_millis(3));
        insta::assert_snapshot!(draw(&tally, Some("x-instance"), &look(80)));
    }
}
