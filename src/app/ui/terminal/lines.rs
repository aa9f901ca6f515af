//! Lines that several parts of the terminal view share.

use super::MARGIN;
use crate::app::ui::look::Look;
use crate::app::ui::{markdown, text};

/// A horizontal rule with a title.
pub(super) fn rule(title: &str, look: &Look) -> String {
    let symbol = look.symbols.rule;
    let title = text::clip(title, look.prose().saturating_sub(6), look.symbols.ellipsis);
    let rest = look.prose().saturating_sub(text::width(&title) + 4);
    format!(
        "{} {} {}",
        look.paint.dim(&symbol.repeat(2)),
        look.paint.title(&title),
        look.paint.dim(&symbol.repeat(rest))
    )
}

/// Markdown within the margin.
pub(super) fn page(markdown: &str, look: &Look) -> Vec<String> {
    markdown::render(markdown, look.prose().saturating_sub(MARGIN.len()), look)
        .into_iter()
        .map(|line| format!("{MARGIN}{line}").trim_end().to_owned())
        .collect()
}

/// The command after a prompt. The text of a here-document is not bold.
pub(super) fn command_lines(command: &str, look: &Look) -> Vec<String> {
    let mut in_document = false;
    let line = |(number, line): (usize, String)| {
        let prompt = if number == 0 { look.paint.dim("$") } else { " ".to_owned() };
        let painted = if in_document { line.clone() } else { look.paint.strong(&line) };
        in_document |= line.contains("<<");
        format!("{MARGIN}{prompt} {painted}").trim_end().to_owned()
    };
    continued(command.trim_end(), look).into_iter().enumerate().map(line).collect()
}

/// Breaks a long command with backslashes. A command with quotes, comments or several lines stays as it is.
pub(super) fn continued(command: &str, look: &Look) -> Vec<String> {
    const INDENT: usize = 4;
    let room = look.columns().unwrap_or(usize::MAX).saturating_sub(MARGIN.len() + 2);
    if text::width(command) <= room || command.contains(['\n', '\'', '"', '`', '\\', '#']) {
        return command.lines().map(str::to_owned).collect();
    }
    let mut lines = text::wrap(command, Some(room.saturating_sub(INDENT + 2)));
    let last = lines.len().saturating_sub(1);
    for (number, line) in lines.iter_mut().enumerate() {
        let indent = if number == 0 { "" } else { "    " };
        let end = if number == last { "" } else { " \\" };
        *line = format!("{indent}{line}{end}");
    }
    lines
}

/// A sentence after a symbol, wrapped, with a time at the right edge of its last line.
pub(super) fn marked(symbol: &str, sentence: &str, time: &str, look: &Look) -> Vec<String> {
    let room = look.prose().saturating_sub(MARGIN.len() + 2);
    let beside_time = room.saturating_sub(text::width(time) + 2);
    let mut lines = text::wrap(sentence, Some(room));
    if lines.last().is_some_and(|last| text::width(last) > beside_time) {
        lines = text::wrap(sentence, Some(beside_time));
    }
    let last = lines.len().saturating_sub(1);
    let line = |(number, line): (usize, &String)| {
        let line = format!("{MARGIN}{} {line}", if number == 0 { symbol } else { " " });
        text::spread(&line, if number == last { time } else { "" }, look.prose())
    };
    lines.iter().enumerate().map(line).collect()
}
