//! Small pieces of a page.

use std::fmt::Write as _;
use std::time::Duration;

use super::record::{Outcome, Verdict};
use crate::core::numbers::words;
use crate::core::page::escape;

/// A sign, the word for it, and the class that colours both.
pub(super) struct Sign {
    pub(super) symbol: &'static str,
    pub(super) word: &'static str,
    pub(super) class: &'static str,
}

impl Sign {
    pub(super) fn of(verdict: Verdict) -> Self {
        let (symbol, word, class) = match verdict {
            Verdict::Passed => ("✔", "passed", "good"),
            Verdict::Failed => ("✘", "failed", "bad"),
            Verdict::Interrupted => ("■", "interrupted", "warn"),
            Verdict::Stopped => ("–", "stopped", "warn"),
            Verdict::NotRun => ("–", "not run", "quiet"),
        };
        Self { symbol, word, class }
    }

    /// For a list in which passing is not worth a colour.
    pub(super) fn class_unless_passed(&self) -> &'static str {
        if self.class == "good" { "" } else { self.class }
    }

    pub(super) fn of_outcome(outcome: Outcome) -> Self {
        let (symbol, word, class) = match outcome {
            Outcome::Passed => ("✔", "passed", "good"),
            Outcome::Stopped => ("–", "stopped early", "warn"),
            Outcome::Failed => ("✘", "failed", "bad"),
            Outcome::Interrupted => ("■", "interrupted", "warn"),
        };
        Self { symbol, word, class }
    }

    /// For where the word does not stand beside it.
    pub(super) fn html(&self) -> String {
        let Self { symbol, word, class } = self;
        format!("<span class=\"sign {class}\" role=\"img\" aria-label=\"{word}\">{symbol}</span>")
    }
}

/// As a person reads it; `<1 ms` is one.
pub(super) fn duration(took: Duration) -> String {
    escape(&words::duration(took))
}

/// Formatting into a string cannot fail.
pub(super) fn add(html: &mut String, line: &str) {
    let _ = writeln!(html, "{line}");
}
