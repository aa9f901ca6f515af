//! A running task of provisioning as a live line: with a bar if its end is known, else with words.

use crate::app::ui::look::Look;
use crate::app::ui::screen::Progress;
use crate::app::ui::text;
use crate::core::model::ByteSize;

use super::MARGIN;

const WIDEST_BAR: usize = 32;
const NARROWEST_BAR: usize = 6;
const MOST_WORDS: usize = 72;
/// With less room, the package's name is not shown.
const LEAST_WITH_PACKAGE: usize = 50;

/// What a task does.
#[derive(Debug, Clone)]
pub(super) enum Doing {
    /// It downloads.
    Fetching { from: String },
    /// It compiles packages.
    Building { last: String },
    /// It does something without a known end.
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
        Doing::Busy { words } => words_and_time(words, progress, room, look),
    };
    text::clip(&format!("{start}{rest}"), columns, look.symbols.ellipsis)
}

/// A rate and a remaining time are shown from this many bytes on.
const TELLING: u64 = 64 * 1024;

/// `pip  ━━━━╸────  12.3 MB / 62.4 MB  9.8 MB/s  5 s`
fn fetching(from: &str, progress: &Progress, room: usize, look: &Look) -> String {
    let done = ByteSize(progress.done).to_string();
    let bytes = progress.total.map_or_else(|| done.clone(), |total| format!("{done} / {}", ByteSize(total)));
    // The first bytes do not predict the rate.
    let is_telling = progress.done >= TELLING && progress.rate > 0.0;
    let left = progress.total.filter(|_| is_telling).map(|_| text::clock(progress.left));
    let speed = if is_telling { rate(progress) } else { String::new() };
    let facts = [
        text::pad_left(&bytes, 17),
        look.paint.dim(&text::pad_left(&speed, 9)),
        look.paint.dim(&text::pad_left(&left.unwrap_or_default(), 9)),
    ];
    format!("{}{}", source(from, look), bar_and_facts(progress, &facts, room.saturating_sub(SOURCE), look))
}

/// `go  ━━━━╸────  412 / 1093  2 m 05 s  github.com/hashicorp/nomad/client`
fn building(last: &str, progress: &Progress, room: usize, look: &Look) -> String {
    let room = room.saturating_sub(SOURCE);
    let rest = match progress.total.filter(|total| *total > 0) {
        // No packages are counted yet.
        None => words_and_time(last, progress, room, look),
        Some(total) => {
            let packages = text::pad_left(&format!("{} / {total}", progress.done), 11);
            let time = look.paint.dim(&text::pad_left(&text::clock(progress.elapsed), 9));
            let for_last =
                if room < LEAST_WITH_PACKAGE { 0 } else { room.saturating_sub(24 + WIDEST_BAR / 2).max(16) };
            let bar = bar_and_facts(progress, &[packages, time], room.saturating_sub(for_last + 2), look);
            let last = text::clip_start(last, for_last, look.symbols.ellipsis);
            format!("{bar}  {}", look.paint.dim(&last))
        }
    };
    format!("{}{}", source("go", look), rest.trim_end())
}

/// Width of the source's name, in columns.
const SOURCE: usize = 8;

fn source(from: &str, look: &Look) -> String {
    look.paint.dim(&text::pad(from, SOURCE))
}

fn words_and_time(words: &str, progress: &Progress, room: usize, look: &Look) -> String {
    let time = text::pad_left(&text::clock(progress.elapsed), 9);
    let words = text::clip(words, room.saturating_sub(text::width(&time) + 2), look.symbols.ellipsis);
    text::spread(&words, &look.paint.dim(&time), room.min(MOST_WORDS))
}

/// A bar in the room beside the facts. If there is too little room, the last facts are left out first; at least the share
/// stays.
fn bar_and_facts(progress: &Progress, facts: &[String], room: usize, look: &Look) -> String {
    let columns = |facts: &[String]| facts.iter().map(|fact| text::width(fact) + 2).sum::<usize>();
    let fitting = (1..=facts.len())
        .rev()
        .filter_map(|number| facts.get(..number))
        .find(|facts| room >= columns(facts) + NARROWEST_BAR);
    let share = [text::pad_left(&share(progress), 7)];
    let facts = fitting.unwrap_or(&share);
    let bar = bar(progress, room.saturating_sub(columns(facts)).min(WIDEST_BAR), look);
    format!("{bar}  {}", facts.join("  "))
}

fn share(progress: &Progress) -> String {
    match progress.total.filter(|total| *total > 0) {
        Some(total) => format!("{} %", u128::from(progress.done.min(total)) * 100 / u128::from(total)),
        None => ByteSize(progress.done).to_string(),
    }
}

pub(super) fn bar(progress: &Progress, columns: usize, look: &Look) -> String {
    let symbols = look.symbols;
    let Some(total) = progress.total.filter(|total| *total > 0) else {
        return look.paint.dim(&symbols.bar_left.repeat(columns));
    };
    let share = u128::from(progress.done.min(total)) * columns as u128 / u128::from(total);
    let full = usize::try_from(share).unwrap_or(columns).min(columns);
    let done = symbols.bar_done.repeat(full);
    if full >= columns {
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
    use crate::app::ui::testing::{look, shown};

    fn progress(done: u64, total: Option<u64>) -> Progress {
        Progress {
            done,
            total,
            rate: 9_812_345.0,
            left: Duration::from_secs(5),
            elapsed: Duration::from_millis(125_300),
            clock: Duration::from_millis(125_300),
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
