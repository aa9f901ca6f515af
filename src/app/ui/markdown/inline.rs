//! Running text as painted words, and its wrapping.

use textwrap::core::Fragment;

use crate::app::ui::paint::{Paint, Role};
use crate::app::ui::text;

/// A word; its parts can have different roles.
#[derive(Debug, Clone, Default)]
pub(super) struct Word {
    parts: Vec<(Role, String)>,
    columns: usize,
    ends_line: bool,
}

impl Word {
    fn push(&mut self, role: Role, text: &str) {
        self.columns += text::width(text);
        match self.parts.last_mut() {
            Some((last, so_far)) if *last == role => so_far.push_str(text),
            _ => self.parts.push((role, text.to_owned())),
        }
    }

    /// The role of the space between this word and `next`: a link stays underlined, for example.
    fn role_of_space(&self, next: &Self) -> Role {
        match (self.parts.last(), next.parts.first()) {
            (Some((left, _)), Some((right, _))) if left == right => *left,
            _ => Role::Text,
        }
    }
}

impl Fragment for Word {
    #[allow(clippy::cast_precision_loss, reason = "no word is 2^52 columns wide")]
    fn width(&self) -> f64 {
        self.columns as f64
    }

    fn whitespace_width(&self) -> f64 {
        1.0
    }

    fn penalty_width(&self) -> f64 {
        0.0
    }
}

/// Collects a paragraph.
#[derive(Debug, Clone, Default)]
pub(super) struct Inline {
    words: Vec<Word>,
    // Whether more text belongs to the last word, as in `a**b**`.
    open: bool,
}

impl Inline {
    pub(super) fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Adds text; each run of white space ends a word.
    pub(super) fn push(&mut self, role: Role, text: &str) {
        for (number, piece) in text.split(char::is_whitespace).enumerate() {
            if number > 0 {
                self.open = false;
            }
            if piece.is_empty() {
                continue;
            }
            if !self.open {
                self.words.push(Word::default());
                self.open = true;
            }
            if let Some(word) = self.words.last_mut() {
                word.push(role, piece);
            }
        }
    }

    /// Ends the word.
    pub(super) fn space(&mut self) {
        self.open = false;
    }

    /// Ends the line.
    pub(super) fn end_line(&mut self) {
        self.open = false;
        if let Some(word) = self.words.last_mut() {
            word.ends_line = true;
        }
    }

    /// The width of the widest word.
    pub(super) fn widest_word(&self) -> usize {
        self.words.iter().map(|word| word.columns).max().unwrap_or(0)
    }

    /// The width on one line.
    pub(super) fn columns(&self) -> usize {
        self.words.iter().map(|word| word.columns + 1).sum::<usize>().saturating_sub(1)
    }

    /// Painted lines of at most `columns`, except for wider words.
    #[allow(clippy::cast_precision_loss, reason = "no terminal is 2^52 columns wide")]
    pub(super) fn lines(&self, columns: usize, paint: Paint) -> Vec<String> {
        self.words
            .split_inclusive(|word| word.ends_line)
            .flat_map(|line| textwrap::wrap_algorithms::wrap_first_fit(line, &[columns as f64]))
            .map(|words| paint_line(words, paint))
            .collect()
    }
}

fn paint_line(words: &[Word], paint: Paint) -> String {
    // Runs of the same role are painted as one, which keeps the escape codes few.
    let mut runs: Vec<(Role, String)> = Vec::new();
    let mut add = |role: Role, text: &str| match runs.last_mut() {
        Some((last, so_far)) if *last == role => so_far.push_str(text),
        _ => runs.push((role, text.to_owned())),
    };
    for (number, word) in words.iter().enumerate() {
        if let Some(before) = number.checked_sub(1).and_then(|index| words.get(index)) {
            add(before.role_of_space(word), " ");
        }
        for (role, text) in &word.parts {
            add(*role, text);
        }
    }
    runs.iter().map(|(role, text)| paint.apply(*role, text)).collect()
}
