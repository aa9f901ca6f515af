//! What is found in a drawing: boxes, lines and texts.

/// What a drawing is made of.
#[derive(Debug, Default)]
pub(super) struct Sketch {
    pub(super) boxes: Vec<Named>,
    pub(super) lines: Vec<Line>,
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// Rows without anything.
    pub(super) blank: Vec<usize>,
}

/// Something that has a name: one line of text or more.
#[derive(Debug, Clone)]
pub(super) struct Named {
    /// Of its first line.
    pub(super) row: usize,
    /// Of its last line.
    pub(super) last_row: usize,
    /// Of its first line: the first column, and the one after the last.
    pub(super) span: (usize, usize),
    pub(super) lines: Vec<String>,
}

/// Where a line ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// At a box, by its place in [`Sketch::boxes`].
    Box(usize),
    /// At a corner or on a line, by row and column.
    Joint(usize, usize),
}

/// A straight line, from left to right or from top to bottom.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) is_vertical: bool,
    /// The row of one that goes across, the column of one that goes down.
    pub(super) at: usize,
    /// The first column or row, and the last one.
    pub(super) span: (usize, usize),
    /// Left or top, right or bottom.
    pub(super) ends: [End; 2],
    /// Whether there is an arrow's head at either end.
    pub(super) heads: [bool; 2],
    pub(super) is_secure: bool,
    pub(super) label: Option<Label>,
}

/// What a line says of itself.
#[derive(Debug, Clone)]
pub(super) struct Label {
    pub(super) text: String,
    /// Whether it stands left of a line that goes down.
    pub(super) is_left: bool,
}

impl Line {
    /// Whether it ends at a corner, or passes it.
    pub(super) fn touches(&self, row: usize, column: usize) -> bool {
        let (along, across) = if self.is_vertical { (row, column) } else { (column, row) };
        let passes = self.at == across && (self.span.0..=self.span.1).contains(&along);
        passes || self.ends.contains(&End::Joint(row, column))
    }
}

/// A run of words on one row.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) row: usize,
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) text: String,
    pub(super) touched: Touched,
}

#[derive(Debug, Clone, Copy, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is a side of its own")]
pub(super) struct Touched {
    pub(super) left: bool,
    pub(super) right: bool,
    pub(super) above: bool,
    pub(super) below: bool,
}
