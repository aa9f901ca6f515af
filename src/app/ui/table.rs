//! Aligned tables, for `status`, `deps list`, `doctor`, `lab list` and the summaries.

use super::look::Look;
use super::paint::Role;
use super::text;

const GAP: usize = 2;
const LEAST_LAST: usize = 10;

/// Where a cell's text stands in its column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// At the left edge.
    Left,
    /// At the right edge, as numbers do.
    Right,
}

/// A table: a dim header, columns as wide as their widest cell, the last one cut to the terminal's width.
#[derive(Debug)]
pub struct Table {
    header: Vec<String>,
    align: Vec<Align>,
    rows: Vec<Vec<Cell>>,
    indent: usize,
}

/// One cell: its text and how it is painted.
#[derive(Debug, Clone)]
pub struct Cell {
    text: String,
    role: Role,
}

impl Cell {
    /// Good news. The text must say so itself, since colour may be off.
    pub fn good(text: impl Into<String>) -> Self {
        Self { text: text.into(), role: Role::Good }
    }

    /// Bad news.
    pub fn bad(text: impl Into<String>) -> Self {
        Self { text: text.into(), role: Role::Bad }
    }

    /// Something that may hurt later.
    pub fn warn(text: impl Into<String>) -> Self {
        Self { text: text.into(), role: Role::Warn }
    }

    /// Something a reader may skip.
    pub fn dim(text: impl Into<String>) -> Self {
        Self { text: text.into(), role: Role::Dim }
    }

    /// What the row is about.
    pub fn strong(text: impl Into<String>) -> Self {
        Self { text: text.into(), role: Role::Strong }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self { text: text.into(), role: Role::Text }
    }
}

impl Table {
    /// A table with these columns.
    pub fn new<const N: usize>(header: [&str; N]) -> Self {
        Self {
            header: header.map(str::to_owned).into(),
            align: vec![Align::Left; N],
            rows: Vec::new(),
            indent: 0,
        }
    }

    /// Puts a column's cells at the right edge.
    #[must_use]
    pub fn right(mut self, column: usize) -> Self {
        if let Some(align) = self.align.get_mut(column) {
            *align = Align::Right;
        }
        self
    }

    /// Moves the whole table to the right.
    #[must_use]
    pub fn indent(mut self, columns: usize) -> Self {
        self.indent = columns;
        self
    }

    /// Adds a row. Cells beyond the header's columns are left out; missing ones are empty.
    pub fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().take(self.header.len()).collect());
    }

    /// The table as text, a line end after each line.
    pub fn render(&self, look: &Look) -> String {
        let widths = self.widths(look);
        let mut lines = Vec::with_capacity(self.rows.len() + 1);
        if self.header.iter().any(|title| !title.is_empty()) {
            let header: Vec<Cell> = self.header.iter().map(|title| Cell::dim(title.clone())).collect();
            lines.push(self.line(&header, &widths, look));
        }
        lines.extend(self.rows.iter().map(|row| self.line(row, &widths, look)));
        text::ended(lines)
    }

    fn widths(&self, look: &Look) -> Vec<usize> {
        let mut widths: Vec<usize> = self.header.iter().map(|title| text::width(title)).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = text::width(&text::clean(&cell.text)).max(*width);
            }
        }
        if let (Some(columns), Some((last, others))) = (look.columns(), widths.split_last_mut()) {
            let taken = self.indent + others.iter().map(|width| width + GAP).sum::<usize>();
            *last = (*last).min(columns.saturating_sub(taken).max(LEAST_LAST));
        }
        widths
    }

    fn line(&self, cells: &[Cell], widths: &[usize], look: &Look) -> String {
        let mut line = " ".repeat(self.indent);
        for (number, cell) in cells.iter().enumerate() {
            let width = widths.get(number).copied().unwrap_or_default();
            let one_line = text::clean(&cell.text).replace('\n', " ");
            let shown = text::clip(&one_line, width, look.symbols.ellipsis);
            let fill = " ".repeat(width.saturating_sub(text::width(&shown)));
            let painted = look.paint.apply(cell.role, &shown);
            match self.align.get(number) {
                Some(Align::Right) => line.extend([fill, painted]),
                _ => line.extend([painted, fill]),
            }
            line.push_str(&" ".repeat(GAP));
        }
        line.trim_end().to_owned()
    }
}
