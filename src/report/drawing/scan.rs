//! From characters to boxes and lines, still in rows and columns.

/// No drawing of a lab is larger, in rows and in columns.
const MOST_ROWS: usize = 60;
const MOST_COLUMNS: usize = 160;

/// How far a text may stand beside the box above it that it belongs to, where another text took its place.
const ASIDE: usize = 8;

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
    /// At a corner, by row and column.
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

/// A run of words on one row.
#[derive(Debug, Clone)]
struct Run {
    row: usize,
    from: usize,
    to: usize,
    text: String,
    touched: Touched,
}

#[derive(Debug, Clone, Copy, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is a side of its own")]
struct Touched {
    left: bool,
    right: bool,
    above: bool,
    below: bool,
}

/// The characters, and which of them are lines.
struct Grid {
    cells: Vec<Vec<char>>,
    runs: Vec<Run>,
}

pub(super) fn scan(text: &str) -> Option<Sketch> {
    let grid = Grid::read(text)?;
    let mut runs = grid.runs.clone();
    // As long as boxes are not known, the number of an end is that of its run.
    let mut lines = grid.down(&mut runs)?;
    lines.extend(grid.across(&mut runs)?);
    let mut is_label = vec![false; runs.len()];
    let lines = with_labels(lines, &runs, &mut is_label);
    let (boxes, box_of) = boxes(&runs, &is_label);
    let settle = |end: End| match end {
        End::Box(run) => Some(End::Box((*box_of.get(run)?)?)),
        joint @ End::Joint(..) => Some(joint),
    };
    let lines = lines
        .into_iter()
        .map(|line| Some(Line { ends: [settle(line.ends[0])?, settle(line.ends[1])?], ..line }))
        .collect::<Option<Vec<Line>>>()?;
    if lines.is_empty() || boxes.len() < 2 {
        return None;
    }
    let blank = grid.cells.iter().enumerate().filter(|(_, row)| row.is_empty()).map(|(row, _)| row).collect();
    let columns = grid.cells.iter().map(Vec::len).max().unwrap_or(0);
    Some(Sketch { boxes, lines, rows: grid.cells.len(), columns, blank })
}

impl Grid {
    fn read(text: &str) -> Option<Self> {
        let trimmed = text.trim_matches('\n').lines();
        let cells: Vec<Vec<char>> = trimmed.map(|line| line.trim_end().chars().collect()).collect();
        let is_plain = |letter: &char| letter.is_ascii_graphic() || *letter == ' ';
        if cells.len() > MOST_ROWS
            || cells.iter().any(|row| row.len() > MOST_COLUMNS || !row.iter().all(is_plain))
        {
            return None;
        }
        let mut grid = Self { cells, runs: Vec::new() };
        for row in 0..grid.cells.len() {
            for (from, to) in words(&grid.cells[row]) {
                let word: String = grid.cells[row][from..to].iter().collect();
                if grid.is_line(row, from, &word) {
                    continue;
                }
                if word.contains('|') || word.contains("->") || word.contains("==") {
                    return None;
                }
                match grid.runs.last_mut() {
                    Some(run) if run.row == row && run.to + 1 == from => {
                        run.text.extend([" ", &word]);
                        run.to = to;
                    }
                    _ => grid.runs.push(Run { row, from, to, text: word, touched: Touched::default() }),
                }
            }
        }
        // What is left are lines.
        for run in &grid.runs {
            grid.cells[run.row][run.from..run.to].fill('t');
        }
        Some(grid)
    }

    fn at(&self, row: usize, column: usize) -> char {
        self.cells.get(row).and_then(|cells| cells.get(column)).copied().unwrap_or(' ')
    }

    fn above(&self, row: usize, column: usize) -> char {
        row.checked_sub(1).map_or(' ', |row| self.at(row, column))
    }

    /// Whether a word is part of a line and not of a text.
    fn is_line(&self, row: usize, column: usize, word: &str) -> bool {
        match word {
            "|" | "^" => true,
            "v" => matches!(self.above(row, column), '|' | '+'),
            "+" => {
                matches!(self.above(row, column), '|' | '^') || matches!(self.at(row + 1, column), '|' | 'v')
            }
            _ => {
                let pieces = || word.split(['+', '|']).filter(|piece| !piece.is_empty());
                let is_piece = |piece: &str| {
                    let shaft = piece.trim_start_matches('<').trim_end_matches('>');
                    let heads = piece.len() - shaft.len();
                    !shaft.is_empty()
                        && heads <= 2
                        && (shaft.chars().all(|letter| letter == '-')
                            || shaft.chars().all(|letter| letter == '='))
                };
                word.len() >= 2 && pieces().next().is_some() && pieces().all(is_piece)
            }
        }
    }

    /// The text at a place, or just beside it.
    fn run_at(&self, row: usize, column: usize) -> Option<usize> {
        let distance = |run: &Run| run.from.saturating_sub(column).max((column + 1).saturating_sub(run.to));
        let near = self.runs.iter().enumerate().filter(|(_, run)| run.row == row && distance(run) <= 1);
        near.min_by_key(|(_, run)| distance(run)).map(|(index, _)| index)
    }

    /// The lines that go down.
    fn down(&self, runs: &mut [Run]) -> Option<Vec<Line>> {
        let mut lines = Vec::new();
        let columns = self.cells.iter().map(Vec::len).max().unwrap_or(0);
        for column in 0..columns {
            let mut row = 0;
            while row < self.cells.len() {
                let is_shaft = |row: usize| match self.at(row, column) {
                    '|' | '^' => true,
                    'v' => matches!(self.above(row, column), '|' | '+'),
                    _ => false,
                };
                let first = row;
                while is_shaft(row) {
                    row += 1;
                }
                if row > first {
                    let (top, bottom) = (self.above_end(first, column)?, self.end(row, column)?);
                    lines.push(Line {
                        is_vertical: true,
                        at: column,
                        span: (first, row - 1),
                        ends: [top, bottom],
                        heads: [self.at(first, column) == '^', self.at(row - 1, column) == 'v'],
                        is_secure: false,
                        label: None,
                    });
                } else {
                    lines.extend(self.without_shaft(row, column));
                    row += 1;
                }
            }
        }
        for line in &lines {
            if let End::Box(run) = line.ends[0] {
                runs[run].touched.below = true;
            }
            if let End::Box(run) = line.ends[1] {
                runs[run].touched.above = true;
            }
        }
        Some(lines)
    }

    fn above_end(&self, row: usize, column: usize) -> Option<End> {
        self.end(row.checked_sub(1)?, column)
    }

    fn end(&self, row: usize, column: usize) -> Option<End> {
        match self.at(row, column) {
            '+' => Some(End::Joint(row, column)),
            _ => self.run_at(row, column).map(End::Box),
        }
    }

    /// A corner right below or above what it connects.
    fn without_shaft(&self, row: usize, column: usize) -> Option<Line> {
        if self.at(row, column) != '+' {
            return None;
        }
        let is_line = |cell: char| matches!(cell, '|' | '^' | 'v');
        let (above, below) = (self.above(row, column), self.at(row + 1, column));
        let ends = match (above, below) {
            (_, '+') => [End::Joint(row, column), End::Joint(row + 1, column)],
            ('t', _) if !is_line(below) => [self.above_end(row, column)?, End::Joint(row, column)],
            (_, 't') if !is_line(above) && above != '+' => {
                [End::Joint(row, column), self.end(row + 1, column)?]
            }
            _ => return None,
        };
        Some(Line {
            is_vertical: true,
            at: column,
            span: (row, row),
            ends,
            heads: [false; 2],
            is_secure: false,
            label: None,
        })
    }

    /// The lines that go across.
    fn across(&self, runs: &mut [Run]) -> Option<Vec<Line>> {
        let mut lines = Vec::new();
        let is_shaft = |cell: char| matches!(cell, '-' | '=' | '<' | '>');
        let is_joint = |cell: char| matches!(cell, '+' | '|');
        for (row, cells) in self.cells.iter().enumerate() {
            let mut column = 0;
            while column < cells.len() {
                let first = column;
                while is_shaft(self.at(row, column)) {
                    column += 1;
                }
                if column == first {
                    column += 1;
                    continue;
                }
                let before = first.checked_sub(1);
                let left = match before {
                    Some(before) if is_joint(self.at(row, before)) => End::Joint(row, before),
                    _ => {
                        let run = runs
                            .iter()
                            .position(|run| run.row == row && (run.to == first || run.to + 1 == first))?;
                        runs[run].touched.right = true;
                        End::Box(run)
                    }
                };
                let right = if is_joint(self.at(row, column)) {
                    End::Joint(row, column)
                } else {
                    let run = runs
                        .iter()
                        .position(|run| run.row == row && (run.from == column || run.from == column + 1))?;
                    runs[run].touched.left = true;
                    End::Box(run)
                };
                lines.push(Line {
                    is_vertical: false,
                    at: row,
                    span: (first, column - 1),
                    ends: [left, right],
                    heads: [self.at(row, first) == '<', self.at(row, column - 1) == '>'],
                    is_secure: cells[first..column].contains(&'='),
                    label: None,
                });
            }
        }
        Some(lines)
    }
}

/// The words of a row: the first column of each, and the one after its last.
fn words(cells: &[char]) -> Vec<(usize, usize)> {
    let mut words = Vec::new();
    let mut from = None;
    for (column, cell) in cells.iter().chain([&' ']).enumerate() {
        match (from, *cell == ' ') {
            (None, false) => from = Some(column),
            (Some(first), true) => {
                words.push((first, column));
                from = None;
            }
            _ => {}
        }
    }
    words
}

/// Takes texts that are a line's label out of the texts that are names.
fn with_labels(lines: Vec<Line>, runs: &[Run], is_label: &mut [bool]) -> Vec<Line> {
    let mut kept: Vec<Line> = Vec::new();
    for line in lines {
        // `a ==== label ====> b` is one line.
        let before = kept.last_mut().filter(|before| !before.is_vertical && before.at == line.at);
        if let (Some(before), End::Box(run)) = (before, line.ends[0])
            && before.ends[1] == line.ends[0]
            && is_label_within(before, &line, &runs[run])
        {
            is_label[run] = true;
            before.label = Some(Label { text: runs[run].text.clone(), is_left: false });
            before.ends[1] = line.ends[1];
            before.heads[1] = line.heads[1];
            before.span.1 = line.span.1;
            continue;
        }
        kept.push(line);
    }
    for (index, run) in runs.iter().enumerate() {
        let Touched { left, right, above, below } = run.touched;
        if left || right || above || below {
            continue;
        }
        let beside = kept.iter_mut().find(|line| {
            let is_in_row = (line.span.0..=line.span.1).contains(&run.row);
            let gap =
                if line.at < run.from { run.from - line.at - 1 } else { line.at.saturating_sub(run.to) };
            line.is_vertical && is_in_row && gap <= 1 && line.label.is_none()
        });
        if let Some(line) = beside {
            is_label[index] = true;
            line.is_secure |= run.text.to_ascii_lowercase().contains("tls");
            line.label = Some(Label { text: run.text.clone(), is_left: line.at > run.from });
        }
    }
    kept
}

fn is_label_within(left: &Line, right: &Line, run: &Run) -> bool {
    let is_open = !left.heads[1] && !right.heads[0] && left.is_secure == right.is_secure;
    let is_arrow = left.heads[0] || right.heads[1];
    let is_at_joint = [left.ends[0], right.ends[1]].iter().any(|end| matches!(end, End::Joint(..)));
    let is_beside_lines_alone = !run.touched.above && !run.touched.below;
    is_open && is_beside_lines_alone && (left.is_secure || is_arrow && !is_at_joint)
}

/// The boxes, and the one that each text belongs to.
fn boxes(runs: &[Run], is_label: &[bool]) -> (Vec<Named>, Vec<Option<usize>>) {
    let mut boxes: Vec<Named> = Vec::new();
    let mut box_of = vec![None; runs.len()];
    for (index, run) in runs.iter().enumerate().filter(|(index, _)| !is_label[*index]) {
        let Touched { left, right, above, .. } = run.touched;
        let own = left || right || above;
        let home = if own { None } else { above_it(run, runs, &boxes) };
        let home = home.unwrap_or_else(|| {
            boxes.push(Named {
                row: run.row,
                last_row: run.row,
                span: (run.from, run.to),
                lines: Vec::new(),
            });
            boxes.len() - 1
        });
        boxes[home].lines.push(run.text.clone());
        boxes[home].last_row = run.row;
        box_of[index] = Some(home);
    }
    (boxes, box_of)
}

/// The box that ends in the row above a text and over it, or beside it where another text took the place.
fn above_it(run: &Run, runs: &[Run], boxes: &[Named]) -> Option<usize> {
    let ending = || boxes.iter().enumerate().filter(|(_, one)| one.last_row + 1 == run.row);
    let overlap = |one: &Named| run.to.min(one.span.1).saturating_sub(run.from.max(one.span.0));
    let over = ending().max_by_key(|(_, one)| overlap(one)).filter(|(_, one)| overlap(one) > 0);
    let before =
        runs.iter().filter(|other| other.row == run.row && other.to <= run.from).map(|other| other.to).max();
    let aside = || {
        ending().find(|(_, one)| {
            let is_taken = before.is_some_and(|before| before > one.span.0);
            is_taken && one.lines.len() == 1 && one.span.1 <= run.from && run.from - one.span.1 <= ASIDE
        })
    };
    over.or_else(aside).map(|(index, _)| index)
}
