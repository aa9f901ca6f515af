//! Findings: a mark, a subject, what was seen, and advice below it.

use super::look::Look;
use super::text;

const MARGIN: &str = "  ";

/// The severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// Correct.
    Good,
    /// May cause trouble later.
    Warning,
    /// Must be fixed.
    Bad,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The severity.
    pub weight: Weight,
    /// The subject, in a few words.
    pub subject: String,
    /// What was seen.
    pub seen: String,
    /// `fix` or `hint`, and the advice.
    pub advice: Option<(&'static str, String)>,
}

impl Note {
    /// A finding without advice.
    pub fn new(weight: Weight, subject: impl Into<String>, seen: impl Into<String>) -> Self {
        Self { weight, subject: subject.into(), seen: seen.into(), advice: None }
    }

    /// Adds advice with its label, `fix` or `hint`.
    #[must_use]
    pub fn advice(mut self, word: &'static str, advice: impl Into<String>) -> Self {
        self.advice = Some((word, advice.into()));
        self
    }
}

/// Findings with their subjects as a column.
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
