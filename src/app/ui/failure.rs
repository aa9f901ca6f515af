//! A failure as text: the message, the details, the hint.

use super::json;
use super::look::{Look, Surface};
use super::text;
use crate::core::event::FailureReport;
use crate::core::failure::{Detail, Failure};

const INDENT: usize = 2;

/// The failure as lines of text.
pub(super) fn draw(failure: &Failure, look: &Look) -> String {
    if look.surface == Surface::Json {
        return json::event(&FailureReport::from(failure));
    }
    let mut lines = labelled(&look.paint.bad("error:"), failure.message(), look);
    for detail in failure.details() {
        lines.extend(draw_detail(detail, look));
    }
    if let Some(hint) = failure.hint_text() {
        lines.extend(labelled(&look.paint.good("hint:"), hint, look));
    }
    text::ended(lines)
}

/// A label and its text, wrapped and indented.
pub(super) fn labelled(label: &str, content: &str, look: &Look) -> Vec<String> {
    let indent = text::width(label) + 1;
    let room = look.columns().map(|columns| columns.saturating_sub(indent));
    let lines = text::wrap(&text::clean(content), room);
    let mut shown = Vec::with_capacity(lines.len().max(1));
    for (number, line) in lines.iter().enumerate() {
        let margin = if number == 0 { format!("{label} ") } else { " ".repeat(indent) };
        shown.push(format!("{margin}{line}").trim_end().to_owned());
    }
    if shown.is_empty() {
        shown.push(label.to_owned());
    }
    shown
}

/// One line beside its label, several below it.
fn draw_detail(detail: &Detail, look: &Look) -> Vec<String> {
    let label = format!("{}{}", " ".repeat(INDENT), look.paint.strong(&format!("{}:", detail.label)));
    if detail.text.trim_end().lines().count() <= 1 {
        return labelled(&label, detail.text.trim_end(), look);
    }
    let room = look.columns().map(|columns| columns.saturating_sub(2 * INDENT));
    let mut lines = vec![label];
    for line in text::wrap(text::clean(&detail.text).trim_end(), room) {
        lines.push(format!("{}{line}", " ".repeat(2 * INDENT)).trim_end().to_owned());
    }
    lines
}
