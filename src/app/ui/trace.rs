//! One call through the mesh: its hops, with start and duration.

use super::look::Look;
use super::paint::Role;
use super::text;
use crate::mesh::trace::{Hop, Leg, Share, Trace};

/// Columns of the numbers.
const STATUS: usize = 3;
const AT: usize = 6;
const TOOK: usize = 7;
const GAP: &str = "  ";

/// The widest bar, in columns.
const MOST_BAR: usize = 16;

/// The path to the first service as a tree, each call on a line, what is missing, and the time of each part.
pub(super) fn draw(trace: &Trace, expression: &str, result: Option<&str>, look: &Look) -> String {
    Drawing::new(trace, *look).draw(expression, result)
}

struct Drawing<'a> {
    trace: &'a Trace,
    look: Look,
    /// Of the first column.
    names: usize,
    /// Of the second one: what was asked, and for calls their bar.
    requests: usize,
}

/// One line of the tree.
struct Line {
    name: String,
    request: String,
    status: Option<u16>,
    began: u64,
    micros: Option<u64>,
}

impl<'a> Drawing<'a> {
    fn new(trace: &'a Trace, look: Look) -> Self {
        let names =
            trace.way_in.iter().enumerate().map(|(depth, hop)| 2 * depth + 2 + text::width(&hop.name));
        let names = names.max().unwrap_or_default().max(2 * trace.way_in.len() + LONGEST_CALL);
        let taken = names + STATUS + AT + TOOK + 5 * GAP.len();
        Self { trace, look, names, requests: look.prose().saturating_sub(taken).max(10) }
    }

    fn draw(&self, expression: &str, result: Option<&str>) -> String {
        let (trace, paint) = (self.trace, self.look.paint);
        let title = match result {
            Some(result) => format!("{expression} = {result}"),
            None => expression.to_owned(),
        };
        let mut lines = vec![
            format!(
                "{GAP}{}",
                paint.strong(&text::clip(
                    &text::clean(&title),
                    self.look.prose() - 2,
                    self.look.symbols.ellipsis
                ))
            ),
            format!(
                "{GAP}{}",
                paint.dim(&format!("request {}, times in ms", text::clean(&trace.request_id)))
            ),
            String::new(),
            paint.dim(&self.row("HOP", "REQUEST", "", "AT", "TOOK")),
        ];
        for (depth, hop) in trace.way_in.iter().enumerate() {
            lines.push(self.hop(hop, depth));
        }
        lines.extend(self.legs(result));
        lines.extend(self.missing());
        lines.push(String::new());
        lines.extend(self.shares());
        text::ended(lines)
    }

    fn hop(&self, hop: &Hop, depth: usize) -> String {
        let name = format!("{}{}", self.branch(depth), hop.name);
        let line = Line {
            name,
            request: format!("{} {}", hop.method, hop.path),
            status: hop.status,
            began: hop.began,
            micros: hop.micros,
        };
        self.line(&line)
    }

    fn branch(&self, depth: usize) -> String {
        match depth {
            0 => String::new(),
            _ => format!("{}{} ", " ".repeat(2 * (depth - 1)), self.look.symbols.branch),
        }
    }

    /// Calls with the same path are below one line that names it.
    fn legs(&self, result: Option<&str>) -> Vec<String> {
        let way = |leg: &Leg| leg.hops.iter().map(|hop| hop.name.clone()).collect::<Vec<_>>();
        let depth = self.trace.way_in.len();
        let arrow = format!(" {} ", self.look.symbols.arrow);
        let mut lines = Vec::new();
        let groups: Vec<&[Leg]> = self.trace.legs.chunk_by(|one, next| way(one) == way(next)).collect();
        // The next call uses this result.
        let next = self.trace.legs.iter().skip(1).map(|leg| Some(leg.call.operation()?.0.to_string()));
        let mut results = next.chain([result.map(str::to_owned)]);
        for group in groups {
            let Some(first) = group.first() else { continue };
            let names = way(first);
            let names = if names.is_empty() { "no hops recorded".to_owned() } else { names.join(&arrow) };
            let room = self.look.prose();
            let heading = format!("{GAP}{}{}", self.branch(depth), text::clean(&names));
            let heading = text::clip(&heading, room, self.look.symbols.ellipsis);
            lines.push(self.look.paint.dim(&heading));
            for leg in group {
                lines.push(self.leg(leg, results.next().flatten(), depth));
            }
        }
        lines
    }

    fn leg(&self, leg: &Leg, result: Option<String>, depth: usize) -> String {
        let result = result.filter(|_| leg.call.status == Some(200));
        let result = result.map(|result| format!("={result}")).unwrap_or_default();
        let name = format!("{}{}{result}", " ".repeat(2 * depth), leg.call.what());
        let bar = self.bar(leg.call.began, leg.call.micros);
        let envoys = format!("Envoys {}", millis(leg.envoys()));
        let request = match &leg.call.error {
            Some(error) => error.clone(),
            None => text::spread(&envoys, &bar, self.requests),
        };
        let line = Line {
            name,
            request,
            status: leg.call.status,
            began: leg.call.began,
            micros: Some(leg.call.micros),
        };
        self.line(&line)
    }

    /// The part of the whole that something took, as a piece of a line.
    fn bar(&self, began: u64, micros: u64) -> String {
        let columns = self.requests.saturating_sub(LONGEST_ENVOYS).min(MOST_BAR);
        let place = |moment: u64| {
            let part = moment.saturating_sub(self.trace.began).min(self.trace.micros);
            usize::try_from(part.saturating_mul(columns as u64) / self.trace.micros.max(1)).unwrap_or(0)
        };
        let from = place(began).min(columns.saturating_sub(1));
        let to = place(began.saturating_add(micros)).clamp(from + 1, columns.max(from + 1));
        if columns == 0 {
            return String::new();
        }
        let symbols = self.look.symbols;
        [
            symbols.bar_left.repeat(from),
            symbols.bar_done.repeat(to - from),
            symbols.bar_left.repeat(columns - to),
        ]
        .concat()
    }

    fn line(&self, line: &Line) -> String {
        let at = millis(line.began.saturating_sub(self.trace.began));
        let took = line.micros.map(millis).unwrap_or_default();
        let status = line.status.map_or_else(|| "-".to_owned(), |status| status.to_string());
        let row = self.row(&line.name, &line.request, &status, &at, &took);
        if line.status.is_some_and(|status| status < 400) { row } else { self.look.paint.bad(&row) }
    }

    fn row(&self, name: &str, request: &str, status: &str, at: &str, took: &str) -> String {
        let fit = |said: &str, columns: usize| {
            let said = text::clip(&text::clean(said).replace('\n', " "), columns, self.look.symbols.ellipsis);
            text::pad(&said, columns)
        };
        [
            String::new(),
            fit(name, self.names),
            fit(request, self.requests),
            fit(status, STATUS),
            text::pad_left(at, AT),
            text::pad_left(took, TOOK),
        ]
        .join(GAP)
    }

    fn missing(&self) -> Vec<String> {
        let paint = self.look.paint;
        let said = self.trace.missing.iter().map(|line| text::clean(line));
        let lines = said.flat_map(|line| {
            text::hanging(
                &format!("{GAP}{} missing: ", self.look.symbols.fail),
                &line,
                Some(self.look.prose()),
            )
        });
        lines.map(|line| paint.apply(Role::Warn, &line)).collect()
    }

    fn shares(&self) -> Vec<String> {
        const PER_CENT: usize = 5;
        let (look, paint) = (&self.look, self.look.paint);
        let shares = self.trace.shares();
        let whole: u64 = shares.iter().map(|share| share.micros).sum();
        let name = |share: &Share| match share.hops {
            1 => share.what.clone(),
            hops => format!("{}, {hops} hops", share.what),
        };
        let names = shares.iter().map(|share| text::width(&name(share))).max().unwrap_or_default();
        let columns = look.prose().saturating_sub(names + TOOK + PER_CENT + 4 * GAP.len()).min(2 * MOST_BAR);
        let row = |what: &str, micros: u64, bar: &str| {
            let percent = format!("{} %", micros.saturating_mul(100) / whole.max(1));
            let row = format!(
                "{GAP}{}{GAP}{}{GAP}{}{GAP}{bar}",
                text::pad(&text::clean(what), names),
                text::pad_left(&millis(micros), TOOK),
                text::pad_left(&percent, PER_CENT)
            );
            row.trim_end().to_owned()
        };
        let mut lines =
            vec![format!("{GAP}{}", paint.dim("WHERE THE TIME WENT, WITHOUT WHAT LIES BEHIND EACH"))];
        for share in &shares {
            let length = share.micros.saturating_mul(columns as u64).div_ceil(whole.max(1));
            let bar = look.symbols.bar_done.repeat(usize::try_from(length).unwrap_or(0).min(columns));
            lines.push(row(&name(share), share.micros, &if share.envoy { paint.title(&bar) } else { bar }));
        }
        let envoys: u64 = shares.iter().filter(|share| share.envoy).map(|share| share.micros).sum();
        lines.push(paint.strong(&row("all Envoys", envoys, "")));
        lines.push(paint.strong(&row("in all", whole, "")));
        lines
    }
}

/// `100+100=200`, and some room.
const LONGEST_CALL: usize = 12;

/// `Envoys 12.3` and a gap.
const LONGEST_ENVOYS: usize = 13;

/// Milliseconds with as many digits as say something: `0.91`, `22.4`, `204`.
fn millis(micros: u64) -> String {
    match micros {
        0..10_000 => format!("{}.{:02}", micros / 1000, micros % 1000 / 10),
        10_000..100_000 => format!("{}.{}", micros / 1000, micros % 1000 / 100),
        _ => (micros / 1000).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{look, pipe, shown};
    use super::*;
    use crate::mesh::trace::samples;

    #[test]
    fn a_call_at_80_columns() {
        let text = draw(&samples::trace(), "1+1+2-3", Some("1"), &look(80));
        assert!(text.lines().all(|line| text::width(line) <= 80), "{text}");
        insta::assert_snapshot!(text);
        assert_eq!(draw(&samples::trace(), "1+1+2-3", Some("1"), &pipe()), text);
    }

    #[test]
    fn a_call_in_colour() {
        insta::assert_snapshot!(shown(&draw(&samples::trace(), "1+1+2-3", Some("1"), &look(80).colored())));
    }

    #[test]
    fn a_refused_call_in_ascii_at_60_columns() {
        let text = draw(&samples::denied(), "1+1", None, &look(60).ascii());
        assert!(text.is_ascii() && text.lines().all(|line| text::width(line) <= 60), "{text}");
        insta::assert_snapshot!(text);
    }

    #[test]
    fn what_is_missing_is_said() {
        let trace = samples::trace();
        let all: Vec<Hop> = trace.hops().filter(|hop| hop.name != "add-svc-proxy").cloned().collect();
        insta::assert_snapshot!(draw(&samples::empty().with(all), "1+1+2-3", Some("1"), &look(80)));
    }

    #[test]
    fn milliseconds_have_three_digits() {
        assert_eq!(
            [0, 914, 9_999, 10_000, 99_999, 204_123].map(millis),
            ["0.00", "0.91", "9.99", "10.0", "99.9", "204"]
        );
    }
}
