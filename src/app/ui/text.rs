//! Measuring, wrapping and cleaning text for a terminal.

use std::time::Duration;

use textwrap::{Options, WordSeparator, WordSplitter};

use crate::core::numbers::words::duration;

/// The least width of text beside a label.
const LEAST_HANGING: usize = 16;

/// The text's width on a terminal, in columns, without escape codes.
pub(super) fn width(text: &str) -> usize {
    console::measure_text_width(text)
}

/// Breaks text at spaces into lines of at most `columns`; keeps line ends and indentation. Words are not broken, so that
/// paths and commands can be copied.
pub(super) fn wrap(text: &str, columns: Option<usize>) -> Vec<String> {
    let Some(columns) = columns else { return text.lines().map(str::to_owned).collect() };
    text.lines()
        .flat_map(|line| {
            let indent = &line[..line.len() - line.trim_start().len()];
            let options = Options::new(columns.max(1))
                .break_words(false)
                .word_separator(WordSeparator::AsciiSpace)
                .word_splitter(WordSplitter::NoHyphenation)
                .subsequent_indent(indent);
            textwrap::wrap(line, options).into_iter().map(std::borrow::Cow::into_owned).collect::<Vec<_>>()
        })
        .collect()
}

/// Breaks a line of output at spaces, and wider words at `columns`.
pub(super) fn fold(line: &str, columns: Option<usize>) -> Vec<String> {
    let Some(columns) = columns else { return vec![line.to_owned()] };
    let lines: Vec<String> = wrap(line, Some(columns)).iter().flat_map(|line| chop(line, columns)).collect();
    if lines.is_empty() { vec![String::new()] } else { lines }
}

fn chop(line: &str, columns: usize) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut used = 0;
    for character in line.chars() {
        let wide = width(character.encode_utf8(&mut [0; 4]));
        if used + wide > columns && used > 0 {
            pieces.push(String::new());
            used = 0;
        }
        if let Some(last) = pieces.last_mut() {
            last.push(character);
        }
        used += wide;
    }
    pieces
}

/// The lines as one text, each with its end.
pub(super) fn ended<T: AsRef<str>>(lines: impl IntoIterator<Item = T>) -> String {
    let mut text = String::new();
    for line in lines {
        text.push_str(line.as_ref());
        text.push('\n');
    }
    text
}

/// Text after a start, wrapped and indented by the start's width.
pub(super) fn hanging(start: &str, said: &str, columns: Option<usize>) -> Vec<String> {
    let indent = width(start);
    let lines = wrap(said, columns.map(|columns| columns.saturating_sub(indent).max(LEAST_HANGING)));
    let margin = |number: usize| if number == 0 { start.to_owned() } else { " ".repeat(indent) };
    let lines = lines.iter().enumerate();
    lines.map(|(number, line)| format!("{}{line}", margin(number)).trim_end().to_owned()).collect()
}

/// Text from elsewhere, made safe to print: without escape codes and control characters except line ends, tabs as spaces.
pub(super) fn clean(text: &str) -> String {
    let visible = console::strip_ansi_codes(text);
    let mut clean = String::with_capacity(visible.len());
    for character in visible.chars() {
        match character {
            '\t' => clean.push_str("    "),
            '\n' => clean.push('\n'),
            other if other.is_control() => {}
            other => clean.push(other),
        }
    }
    clean
}

/// The text cut to `columns`, with the ellipsis where something is missing.
pub(super) fn clip(text: &str, columns: usize, ellipsis: &str) -> String {
    console::truncate_str(text, columns, ellipsis).into_owned()
}

/// The text cut at its start, for paths, whose end matters most.
pub(super) fn clip_start(text: &str, columns: usize, ellipsis: &str) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let room = columns.saturating_sub(width(ellipsis));
    let mut kept = text;
    while width(kept) > room {
        let mut rest = kept.chars();
        rest.next();
        kept = rest.as_str();
    }
    if columns == 0 { String::new() } else { format!("{ellipsis}{kept}") }
}

/// The text filled with spaces on its right up to `columns`.
pub(super) fn pad(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(width(text))))
}

/// The text filled with spaces on its left up to `columns`.
pub(super) fn pad_left(text: &str, columns: usize) -> String {
    format!("{}{text}", " ".repeat(columns.saturating_sub(width(text))))
}

/// Two texts on one line, the second against the right edge, or two spaces after the first where it does not fit.
pub(super) fn spread(left: &str, right: &str, columns: usize) -> String {
    let gap = columns.saturating_sub(width(left) + width(right)).max(2);
    if right.is_empty() { left.to_owned() } else { format!("{left}{}{right}", " ".repeat(gap)) }
}

/// A running time that changes each second: `9 s`, `3 m 12 s`.
pub(super) fn clock(elapsed: Duration) -> String {
    let whole = Duration::from_secs(elapsed.as_secs());
    if whole.as_secs() < 60 { format!("{} s", whole.as_secs()) } else { duration(whole) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_others_reaches_the_terminal_but_text() {
        assert_eq!(clean("\u{1b}[31mred\u{1b}[0m\tend\r\u{7}\u{9b}x\n"), "red    endx\n");
    }

    #[test]
    fn wrapping_keeps_words_and_indentation() {
        assert_eq!(
            wrap("  one two-three --four", Some(10)),
            ["  one", "  two-three", "  --four"].map(str::to_owned)
        );
        assert_eq!(wrap("a b", None), ["a b"]);
        assert_eq!(fold("a bc abcdef", Some(4)), ["a bc", "abcd", "ef"]);
        assert_eq!(fold("", Some(4)), [""]);
    }
}
