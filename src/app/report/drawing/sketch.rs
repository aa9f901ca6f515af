//! The parts of a drawing: boxes, lines and texts, by row and column.

/// All parts of a drawing.
#[derive(Debug, Default)]
pub(super) struct Sketch {
    pub(super) boxes: Vec<Named>,
    pub(super) lines: Vec<Line>,
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// The empty rows.
    pub(super) blank: Vec<usize>,
}

/// A box: one or more lines of text. The first one is its name.
#[derive(Debug, Clone)]
pub(super) struct Named {
    /// The row of the first line.
    pub(super) row: usize,
    /// The row of the last line.
    pub(super) last_row: usize,
    /// The columns of the first line: its first one, and the one after its last.
    pub(super) span: (usize, usize),
    pub(super) lines: Vec<String>,
}

/// Where a line ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// At a box, by its index in [`Sketch::boxes`].
    Box(usize),
    /// At a corner or on a line, by row and column.
    Joint(usize, usize),
}

/// A straight line: horizontal from left to right, or vertical from top to bottom.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) is_vertical: bool,
    /// The row of a horizontal line, the column of a vertical one.
    pub(super) at: usize,
    /// First and last column of a horizontal line, first and last row of a vertical one.
    pub(super) span: (usize, usize),
    /// The left or top end, then the right or bottom end.
    pub(super) ends: [End; 2],
    /// Whether each end has an arrowhead.
    pub(super) heads: [bool; 2],
    /// Whether it is drawn with `=`: mutual TLS.
    pub(super) is_secure: bool,
    pub(super) label: Option<Label>,
}

/// The label of a line.
#[derive(Debug, Clone)]
pub(super) struct Label {
    pub(super) text: String,
    /// Whether it is left of its vertical line.
    pub(super) is_left: bool,
}

impl Line {
    /// Whether the line ends at this position, or passes it.
    pub(super) fn touches(&self, row: usize, column: usize) -> bool {
        let (along, across) = if self.is_vertical { (row, column) } else { (column, row) };
        let passes = self.at == across && (self.span.0..=self.span.1).contains(&along);
        passes || self.ends.contains(&End::Joint(row, column))
    }
}

/// A text of one or more words in one row.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) row: usize,
    /// The first column.
    pub(super) from: usize,
    /// The column after the last one.
    pub(super) to: usize,
    pub(super) text: String,
    pub(super) touched: Touched,
}

/// The sides of a text at which a line ends.
#[derive(Debug, Clone, Copy, Default)]
#[allow(clippy::struct_excessive_bools, reason = "one for each side")]
pub(super) struct Touched {
    pub(super) left: bool,
    pub(super) right: bool,
    pub(super) above: bool,
    pub(super) below: bool,
}
