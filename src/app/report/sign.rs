//! Symbols, words and durations of the report page.

use std::fmt::Write as _;
use std::time::Duration;

use super::record::{RunOutcome, StepOutcome};
use crate::core::numbers::words;
use crate::core::page::escape;

/// The symbol of an outcome, its word, and the CSS class that colours both.
pub(super) struct Sign {
    pub(super) symbol: &'static str,
    pub(super) word: &'static str,
    pub(super) class: &'static str,
}

impl Sign {
    pub(super) fn of(verdict: StepOutcome) -> Self {
        let (symbol, word, class) = match verdict {
            StepOutcome::Passed => ("✔", "passed", "good"),
            StepOutcome::Failed => ("✘", "failed", "bad"),
            StepOutcome::Interrupted => ("■", "interrupted", "warn"),
            StepOutcome::Stopped => ("–", "stopped", "warn"),
            StepOutcome::NotRun => ("–", "not run", "quiet"),
        };
        Self { symbol, word, class }
    }

    /// The class for a list that colours only what did not pass.
    pub(super) fn class_unless_passed(&self) -> &'static str {
        if self.class == "good" { "" } else { self.class }
    }

    pub(super) fn of_outcome(outcome: RunOutcome) -> Self {
        let (symbol, word, class) = match outcome {
            RunOutcome::Passed => ("✔", "passed", "good"),
            RunOutcome::Stopped => ("–", "stopped early", "warn"),
            RunOutcome::Failed => ("✘", "failed", "bad"),
            RunOutcome::Interrupted => ("■", "interrupted", "warn"),
        };
        Self { symbol, word, class }
    }

    /// The symbol alone, with the word for screen readers.
    pub(super) fn html(&self) -> String {
        let Self { symbol, word, class } = self;
        format!("<span class=\"sign {class}\" role=\"img\" aria-label=\"{word}\">{symbol}</span>")
    }
}

/// A duration as escaped text: `<1 ms` needs escaping.
pub(super) fn duration(took: Duration) -> String {
    escape(&words::duration(took))
}

/// Appends a line.
pub(super) fn add(html: &mut String, line: &str) {
    // Formatting into a string cannot fail.
    let _ = writeln!(html, "{line}");
}
