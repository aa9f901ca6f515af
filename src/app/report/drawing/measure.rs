//! The size of texts and boxes, in SVG units.

use super::sketch::Named;

/// Left and right padding of a box together.
const PADDING: f64 = 26.0;
const TITLE_HEIGHT: f64 = 18.0;
const LINE_HEIGHT: f64 = 16.0;
const BOX_PADDING: f64 = 15.0;

pub(super) fn height(one: &Named) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "a few lines")]
    let more = one.lines.len().saturating_sub(1) as f64;
    BOX_PADDING + TITLE_HEIGHT + more * LINE_HEIGHT
}

/// The baseline of each line of a box, from the top of the box.
pub(super) fn baselines(one: &Named) -> impl Iterator<Item = f64> {
    #[allow(clippy::cast_precision_loss, reason = "a few lines")]
    (0..one.lines.len()).map(|line| BOX_PADDING / 2.0 + 13.5 + line as f64 * LINE_HEIGHT)
}

pub(super) fn width(one: &Named) -> f64 {
    let widths = one.lines.iter().enumerate().map(|(line, text)| text_width(text, line == 0));
    widths.fold(0.0, f64::max) + PADDING
}

/// Whether a word is a port, or several.
pub(super) fn is_port(word: &str) -> bool {
    let word = word.trim_start_matches('(');
    word.strip_prefix(':').is_some_and(|rest| rest.starts_with(|letter: char| letter.is_ascii_digit()))
}

/// An estimate of a text's width, rather too large since fonts differ.
fn text_width(text: &str, is_title: bool) -> f64 {
    let each = |word: &str| {
        if is_port(word) {
            7.0
        } else if is_title {
            8.2
        } else {
            7.0
        }
    };
    #[allow(clippy::cast_precision_loss, reason = "a few letters")]
    let word_width = |word: &str| word.chars().count() as f64 * each(word);
    let words: Vec<f64> = text.split(' ').map(word_width).collect();
    #[allow(clippy::cast_precision_loss, reason = "a few words")]
    let spaces = words.len().saturating_sub(1) as f64 * 4.5;
    words.iter().sum::<f64>() + spaces
}

/// The width of a line's label with its padding.
pub(super) fn label_width(text: &str) -> f64 {
    text_width(text, false) + 18.0
}
