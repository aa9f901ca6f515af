//! Findings: a mark, a subject and what was seen, wrapped to the width, with what to do under it.

use super::look::Look;
use super::text;

const MARGIN: &str = "  ";

/// How a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// As it should be.
    Good,
    /// It may hurt later.
    Warning,
    /// In the way.
    Bad,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// How it weighs.
    pub weight: Weight,
    /// What it is about, in a few words.
    pub subject: String,
    /// What was seen.
    pub seen: String,
    /// What to do: a word for it, and the thing.
    pub advice: Option<(&'static str, String)>,
}

impl Note {
    /// A finding without advice.
    pub fn new(weight: Weight, subject: impl Into<String>, seen: impl Into<String>) -> Self {
        Self { weight, subject: subject.into(), seen: seen.into(), advice: None }
    }

    /// Adds what to do: `fix` or `hint`, and the thing.
    #[must_use]
    pub fn advice(mut self, word: &'static str, advice: impl Into<String>) -> Self {
        self.advice = Some((word, advice.into()));
        self
    }
}

/// Findings under each other; their subjects make a column.
pub(super) fn draw(notes: &[Note], look: &Look) -> String {
    let paint = look.paint;
    let widest = notes.iter().map(|note| text::width(&text::clean(&note.subject))).max().unwrap_or_default();
    let mut lines = Vec::new();
    for note in notes {
        let mark = match note.weight {
            Weight::Good => paint.good(look.symbols.pass),
            Weight::Warning => paint.warn(look.symbols.warn),
            Weight::Bad => paint.bad(look.symbols.fail),
        };
        let subject = text::pad(&text::clean(&note.subject), widest);
        let start = format!("{MARGIN}{mark} {}{MARGIN}", paint.strong(&subject));
        let columns = Some(look.prose());
        let seen = text::clean(&note.seen).replace('\n', " ");
        lines.extend(text::hanging(&start, if seen.is_empty() { "-" } else { &seen }, columns));
        if let Some((word, advice)) = &note.advice {
            let margin = " ".repeat(text::width(&start));
            let advice = text::hanging(&format!("{margin}{word}: "), &text::clean(advice), columns);
            lines.extend(advice.iter().map(|line| paint.dim(line)));
        }
    }
    text::ended(lines)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{look, shown};
    use super::*;

    #[test]
    fn notes_at_60_columns() {
        let notes = [
            Note::new(Weight::Good, "memory", "8.2 GB available"),
            Note::new(
                Weight::Warning,
                "Envoy's admin pages",
                "every user of this machine can stop an Envoy and read how it is configured",
            )
            .advice(
                "fix",
                "`meshlab down` when the others come in, and a machine of your own when they stay",
            ),
            Note::new(Weight::Bad, "platform", "macos"),
        ];
        insta::assert_snapshot!("notes_in_colour", shown(&draw(&notes, &look(60).colored())));
        insta::assert_snapshot!("notes_in_ascii", draw(&notes, &look(60).ascii()));
    }
}
