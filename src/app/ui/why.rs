//! A call path: its hops, the findings at each, and where it stops.

use super::look::Look;
use super::paint::Role;
use super::text;
use crate::core::model::call_path::{CallPath, Finding, Hop, HopState, Verdict};

const MARGIN: &str = "  ";
const INDENT: &str = "  ";

/// All hops with all findings.
pub(super) fn draw(path: &CallPath, look: &Look) -> String {
    let paint = look.paint;
    let asked = path.request.as_ref().map(|request| format!(": {request}")).unwrap_or_default();
    let title = format!("{} {} {}{asked}", path.source, look.symbols.arrow, path.destination);
    let title = format!("{MARGIN}{}", paint.strong(&text::clean(&title)));
    let verdict = if path.open { paint.good("open") } else { paint.bad("stopped") };
    let mut lines = vec![text::spread(&title, &verdict, look.prose()), String::new()];
    let room = look.prose().saturating_sub(MARGIN.len());
    for hop in &path.hops {
        lines.push(format!("{MARGIN}{}", heading(path, hop, look, room)));
        let found = hop.findings.iter().flat_map(|finding| found(hop, finding, look, room));
        lines.extend(found.map(|line| format!("{MARGIN}{line}")));
    }
    text::ended(lines)
}

/// One line for each hop, and the findings where the path stops.
pub(super) fn in_short(path: &CallPath, look: &Look, room: usize) -> Vec<String> {
    let last = path.hops.iter().position(|hop| hop.state == HopState::Stopped);
    let Some(last) = last else { return vec![look.paint.dim(&path.in_short())] };
    let mut lines = Vec::new();
    for hop in &path.hops[..=last] {
        lines.push(heading(path, hop, look, room));
    }
    let stop = &path.hops[last];
    lines.extend(stop.findings.iter().flat_map(|finding| found(stop, finding, look, room)));
    let hint = stop.trouble().and_then(|trouble| trouble.hint.as_ref());
    lines.extend(hint.iter().flat_map(|hint| labelled("hint", hint, room)));
    lines
}

fn heading(path: &CallPath, hop: &Hop, look: &Look, room: usize) -> String {
    let (symbols, paint) = (look.symbols, look.paint);
    let word = hop.state.word();
    let (symbol, word) = match hop.state {
        // A rule has no label.
        HopState::Open => (paint.good(symbols.pass), String::new()),
        HopState::Doubtful => (paint.warn(symbols.warn), paint.warn(word)),
        HopState::Stopped => (paint.bad(symbols.fail), paint.bad(word)),
        HopState::Unreached => (paint.dim(symbols.skipped), paint.dim(word)),
    };
    let name = text::clean(&path.name_of(hop.kind));
    let name = if hop.state == HopState::Unreached { paint.dim(&name) } else { paint.strong(&name) };
    text::spread(&format!("{symbol} {name}"), &word, room)
}

fn found(hop: &Hop, finding: &Finding, look: &Look, room: usize) -> Vec<String> {
    let symbols = look.symbols;
    // Several instances have marks of their own; a single one has the hop's.
    let mark = match finding.verdict {
        _ if hop.findings.len() == 1 => String::new(),
        Verdict::Holds => format!("{} ", symbols.pass),
        Verdict::Doubtful => format!("{} ", symbols.warn),
        Verdict::Broken => format!("{} ", symbols.fail),
    };
    let said = format!("{mark}{}: {}", text::clean(&finding.about), text::clean(&finding.seen));
    let role = match (hop.state, finding.verdict) {
        (HopState::Unreached, _) | (_, Verdict::Holds) => Role::Dim,
        (_, Verdict::Doubtful) => Role::Warn,
        (_, Verdict::Broken) => Role::Bad,
    };
    let lines = text::hanging(INDENT, &said.replace('\n', " "), Some(room));
    let mut lines: Vec<String> = lines.iter().map(|line| look.paint.apply(role, line)).collect();
    if hop.state == HopState::Stopped {
        lines.extend(finding.expected.iter().flat_map(|expected| labelled("expected", expected, room)));
    }
    if hop.state == HopState::Doubtful {
        lines.extend(finding.hint.iter().flat_map(|hint| labelled("hint", hint, room)));
    }
    lines
}

fn labelled(label: &str, said: &str, room: usize) -> Vec<String> {
    text::hanging(&format!("{INDENT}{label}: "), &text::clean(said).replace('\n', " "), Some(room))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{look, pipe, shown};
    use super::*;
    use crate::mesh::why::samples;

    #[test]
    fn an_open_way_at_80_columns() {
        let text = draw(&samples::open(), &look(80));
        assert!(text.lines().all(|line| text::width(line) <= 80), "{text}");
        insta::assert_snapshot!(text);
        assert_eq!(draw(&samples::open(), &pipe()), text);
    }

    #[test]
    fn a_way_in_doubt_in_colour() {
        insta::assert_snapshot!(shown(&draw(&samples::doubtful(), &look(80).colored())));
    }

    #[test]
    fn a_way_that_stops_in_ascii_at_60_columns() {
        let text = draw(&samples::stopped()[7], &look(60).ascii());
        assert!(text.is_ascii(), "{text}");
        insta::assert_snapshot!(text);
    }

    #[test]
    fn a_way_from_a_gateway() {
        insta::assert_snapshot!(draw(&samples::open_from_gateway(), &look(80)));
    }

    #[test]
    fn where_ways_from_a_gateway_stop_in_short() {
        let ways = samples::stopped_from_gateway();
        let all: Vec<String> = ways.iter().map(|path| in_short(path, &look(80), 76).join("\n")).collect();
        insta::assert_snapshot!(all.join("\n\n"));
    }

    #[test]
    fn where_ways_stop_in_short() {
        let all: Vec<String> =
            samples::stopped().iter().map(|path| in_short(path, &look(80), 76).join("\n")).collect();
        insta::assert_snapshot!(all.join("\n\n"));
    }
}
