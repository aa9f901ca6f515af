//! Finds the boxes and lines of an ASCII drawing.

use super::join::{boxes, spread_secure, with_labels};
use super::sketch::{End, Line, Run, Sketch, Touched};

/// The limits of a drawing.
const MAX_ROWS: usize = 60;
const MAX_COLUMNS: usize = 160;

/// The characters of a drawing. Those of texts are replaced by `t`: the others are lines.
struct Grid {
    cells: Vec<Vec<char>>,
    runs: Vec<Run>,
}

pub(super) fn scan(text: &str) -> Option<Sketch> {
    let grid = Grid::read(text)?;
    let mut runs = grid.runs.clone();
    // `End::Box` has the index of a run until the boxes are known.
    let mut lines = grid.vertical_lines(&mut runs)?;
    lines.extend(grid.horizontal_lines(&mut runs)?);
    let mut is_label = vec![false; runs.len()];
    let mut lines = with_labels(lines, &runs, &mut is_label);
    spread_secure(&mut lines);
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
        if cells.len() > MAX_ROWS
            || cells.iter().any(|row| row.len() > MAX_COLUMNS || !row.iter().all(is_plain))
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

    /// Whether a word is part of a line.
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

    /// The text at this position, or right next to it.
    fn run_at(&self, row: usize, column: usize) -> Option<usize> {
        let distance = |run: &Run| run.from.saturating_sub(column).max((column + 1).saturating_sub(run.to));
        let near = self.runs.iter().enumerate().filter(|(_, run)| run.row == row && distance(run) <= 1);
        near.min_by_key(|(_, run)| distance(run)).map(|(index, _)| index)
    }

    /// The vertical lines.
    fn vertical_lines(&self, runs: &mut [Run]) -> Option<Vec<Line>> {
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
            // A corner, or a position on a horizontal line.
            '+' | '-' | '=' => Some(End::Joint(row, column)),
            _ => self.run_at(row, column).map(End::Box),
        }
    }

    /// The vertical line of a corner that is directly above or below what it connects.
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

    /// The horizontal lines.
    fn horizontal_lines(&self, runs: &mut [Run]) -> Option<Vec<Line>> {
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

/// The words of a row: first column, and the column after the last one.
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
