//! One running piece of provisioning as a live line: a bar where the end is known, words where it is not.

use crate::model::ByteSize;
use crate::ui::look::Look;
use crate::ui::screen::Progress;
use crate::ui::text;

use super::MARGIN;

const WIDEST_BAR: usize = 32;
const NARROWEST_BAR: usize = 6;

/// What is being done.
#[derive(Debug, Clone)]
pub(super) enum Doing {
    /// Bytes arrive.
    Fetching { from: String },
    /// Packages are compiled; this one was the last.
    Building { last: String },
    /// Something without a known end.
    Busy { words: String },
}

/// The line for a task. `names` is the width of the column of names.
pub(super) fn draw(name: &str, names: usize, doing: &Doing, progress: &Progress, look: &Look) -> String {
    let columns = look.columns().unwrap_or(80).saturating_sub(1);
    let spinner = look.paint.code(progress.frame(look.symbols.spinner));
    let start = format!("{MARGIN}{spinner} {}  ", look.paint.strong(&text::pad(name, names)));
    let room = columns.saturating_sub(text::width(&start));
    let rest = match doing {
        Doing::Fetching { from } => fetching(from, progress, room, look),
        Doing::Building { last } => building(last, progress, room, look),
        Doing::Busy { words } => {
            text::spread(words, &look.paint.dim(&text::clock(progress.elapsed)), room.min(WIDEST_BAR + 40))
        }
    };
    text::clip(&format!("{start}{rest}"), columns, look.symbols.ellipsis)
}

/// `pip  ━━━━╸────  12.3 MB / 62.4 MB  9.8 MB/s  5 s`
fn fetching(from: &str, progress: &Progress, room: usize, look: &Look) -> String {
    let source = look.paint.dim(&text::pad(from, 6));
    let done = ByteSize(progress.done);
    let bytes = match progress.total {
        Some(total) => format!("{} / {}", done, ByteSize(total)),
        None => done.to_string(),
    };
    let bytes = text::pad_left(&bytes, 17);
    let rate = text::pad_left(&rate(progress), 9);
    let left = progress
        .total
        .map(|_| text::clock(progress.left))
        .filter(|_| progress.rate > 0.0)
        .unwrap_or_default();
    let facts = [bytes, look.paint.dim(&rate), look.paint.dim(&text::pad_left(&left, 9))];
    format!("{source}  {}", bar_and_facts(progress, &facts, room.saturating_sub(8), look))
}

/// `go  ━━━━╸────  412 / 1093  2 m 05 s  github.com/hashicorp/nomad/client`
fn building(last: &str, progress: &Progress, room: usize, look: &Look) -> String {
    let source = look.paint.dim(&text::pad("go", 6));
    let time = look.paint.dim(&text::pad_left(&text::clock(progress.elapsed), 9));
    let rest = room.saturating_sub(8);
    let packages = match progress.total {
        Some(total) if total > 0 => text::pad_left(&format!("{} / {total}", progress.done), 11),
        // Nothing is counted yet: what is being done says it all.
        _ => return format!("{source}  {}", text::spread(last, &time, rest.min(WIDEST_BAR + 32))),
    };
    let facts = [packages, time];
    let wide = rest.saturating_sub(24 + WIDEST_BAR.min(rest / 3) + 2);
    let last = look.paint.dim(&text::clip(last, wide, look.symbols.ellipsis));
    let bar = bar_and_facts(progress, &facts, rest.saturating_sub(wide), look);
    if wide > 12 { format!("{source}  {bar}  {last}") } else { format!("{source}  {bar}") }
}

/// A bar in what room the facts leave; where there is too little, the last facts go first.
fn bar_and_facts(progress: &Progress, facts: &[String], room: usize, look: &Look) -> String {
    let mut facts = facts;
    let width = |facts: &[String]| facts.iter().map(|fact| text::width(fact) + 2).sum::<usize>();
    while facts.len() > 1 && room < width(facts) + NARROWEST_BAR {
        facts = facts.split_last().map_or(facts, |(_, others)| others);
    }
    let bar = bar(progress, room.saturating_sub(width(facts)).clamp(NARROWEST_BAR, WIDEST_BAR), look);
    format!("{bar}  {}", facts.join("  "))
}

fn bar(progress: &Progress, columns: usize, look: &Look) -> String {
    let symbols = look.symbols;
    let Some(total) = progress.total.filter(|total| *total > 0) else {
        return look.paint.dim(&symbols.bar_left.repeat(columns));
    };
    let share = u128::from(progress.done.min(total)) * columns as u128 / u128::from(total);
    let full = usize::try_from(share).unwrap_or(columns).min(columns);
    let done = symbols.bar_done.repeat(full);
    if full == columns {
        return look.paint.code(&done);
    }
    let left = symbols.bar_left.repeat(columns - full - 1);
    format!("{}{}", look.paint.code(&format!("{done}{}", symbols.bar_edge)), look.paint.dim(&left))
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate is shown to three digits")]
fn rate(progress: &Progress) -> String {
    if progress.rate < 1.0 { String::new() } else { format!("{}/s", ByteSize(progress.rate as u64)) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::ui::testing::{look, shown};

    fn progress(done: u64, total: Option<u64>) -> Progress {
        Progress {
            done,
            total,
            rate: 9_812_345.0,
            left: Duration::from_secs(5),
            elapsed: Duration::from_millis(125_300),
        }
    }

    fn page(look: &Look) -> String {
        let fetching = |from: &str| Doing::Fetching { from: from.into() };
        let building = |last: &str| Doing::Building { last: last.into() };
        let tasks = [
            ("consul", fetching("url"), progress(0, Some(62_400_000))),
            ("envoy", fetching("pip"), progress(12_300_000, Some(43_340_112))),
            ("cni-plugins", fetching("mirror"), progress(43_340_112, Some(43_340_112))),
            ("wrk", fetching("apt"), progress(12_300, None)),
            ("nomad", building("fetching modules"), progress(0, Some(0))),
            ("nomad", building("github.com/hashicorp/nomad/client/allocrunner"), progress(412, Some(1093))),
            ("go", Doing::Busy { words: "unpacking".into() }, progress(0, None)),
            (
                "go",
                Doing::Busy { words: "waiting: another meshlab is fetching it (pid 4121)".into() },
                progress(0, None),
            ),
        ];
        tasks.iter().map(|(name, doing, progress)| draw(name, 11, doing, progress, look) + "\n").collect()
    }

    #[test]
    fn live_lines() {
        insta::assert_snapshot!("live_lines_in_colour", shown(&page(&look(80).colored())));
        insta::assert_snapshot!("live_lines_at_120_columns", page(&look(120)));
        insta::assert_snapshot!("live_lines_in_ascii_at_50_columns", page(&look(50).ascii()));
    }

    #[test]
    fn live_lines_stay_lines() {
        for columns in 20..130 {
            for line in page(&look(columns)).lines() {
                assert!(text::width(line) < columns, "{columns}: {line}");
            }
        }
    }
}
