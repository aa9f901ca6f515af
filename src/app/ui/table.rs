//! Aligned tables, for `status`, `deps list`, `doctor`, `lab list` and the summaries.

use super::look::Look;
use super::paint::Role;
use super::text;

const GAP: usize = 2;
const LEAST_LAST: usize = 10;
const LEAST_FIRST: usize = 10;

/// The alignment of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// Left.
    Left,
    /// Right, for numbers.
    Right,
}

/// A table: a dim header, columns as wide as their widest cell, the last one cut to the terminal's width.
#[derive(Debug)]
pub struct Table {
    header: Vec<String>,
    align: Vec<Align>,
    rows: Vec<Vec<Cell>>,
    indent: usize,
    /// The least width of the last column.
    last: usize,
    /// Columns that a narrow terminal leaves out, in this order.
    spare: Vec<usize>,
}

/// A cell: its text and role.
#[derive(Debug, Clone)]
pub struct Cell {
    text: String,
    role: Role,
}

impl Cell {
    /// Good. The text must say so too: colour can be off.
    pub fn good(text: impl Into<String>) -> Self {
        Self { text: text.into(), role: Role::Good }
    }

    /// Bad.
    pub fn bad(text: impl Into<String>) -> Self {
        Self { text: text.into(), role: Role::Bad }
    }

    /// May cause trouble later.
    pub fn warn(text: impl Into<String>) -> Self {
        Self { text: text.into(), role: Role::Warn }
    }

    /// Less important.
    pub fn dim(text: impl Into<String>) -> Self {
        Self { text: text.into(), role: Role::Dim }
    }

    /// The row's subject.
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
            last: LEAST_LAST,
            spare: Vec::new(),
        }
    }

    /// Aligns a column right.
    #[must_use]
    pub fn right(mut self, column: usize) -> Self {
        if let Some(align) = self.align.get_mut(column) {
            *align = Align::Right;
        }
        self
    }

    /// Indents the table.
    #[must_use]
    pub fn indent(mut self, columns: usize) -> Self {
        self.indent = columns;
        self
    }

    /// Keeps at least `width` of the last column on a narrow terminal: leaves out the columns `spare`, one after the other,
    /// and then cuts the first column at its start.
    #[must_use]
    pub fn keep_last(mut self, width: usize, spare: &[usize]) -> Self {
        self.last = width;
        self.spare = spare.to_vec();
        self
    }

    /// Adds a row. Cells beyond the header's columns are left out; missing ones are empty.
    pub fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().take(self.header.len()).collect());
    }

    /// The table as lines of text.
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

    /// The width of each column; `None` for those that are left out.
    fn widths(&self, look: &Look) -> Vec<Option<usize>> {
        let mut widths: Vec<usize> = self.header.iter().map(|title| text::width(title)).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = text::width(&text::clean(&cell.text)).max(*width);
            }
        }
        let mut widths: Vec<Option<usize>> = widths.into_iter().map(Some).collect();
        let Some(columns) = look.columns() else { return widths };
        let room = |widths: &[Option<usize>]| {
            let others = widths.iter().take(widths.len().saturating_sub(1)).flatten();
            columns.saturating_sub(self.indent + others.map(|width| width + GAP).sum::<usize>())
        };
        for column in &self.spare {
            if room(&widths) < self.last
                && let Some(width) = widths.get_mut(*column)
            {
                *width = None;
            }
        }
        let short = self.last.saturating_sub(room(&widths));
        if let Some(Some(first)) = widths.first_mut()
            && !self.spare.is_empty()
        {
            *first = (*first).min(first.saturating_sub(short).max(LEAST_FIRST));
        }
        let room = room(&widths);
        if let Some(Some(last)) = widths.last_mut() {
            *last = (*last).min(room.max(LEAST_LAST));
        }
        widths
    }

    fn line(&self, cells: &[Cell], widths: &[Option<usize>], look: &Look) -> String {
        let mut line = " ".repeat(self.indent);
        for (number, cell) in cells.iter().enumerate() {
            let Some(width) = widths.get(number).copied().flatten() else { continue };
            let one_line = text::clean(&cell.text).replace('\n', " ");
            let clip = if number == 0 { text::clip_start } else { text::clip };
            let shown = clip(&one_line, width, look.symbols.ellipsis);
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
