//! Markdown tables: columns side by side, wrapped to fit, or below each other if they do not fit.

use super::inline::Inline;
use crate::app::ui::look::Look;
use crate::app::ui::paint::Role;
use crate::app::ui::text;

const GAP: usize = 2;

/// Collects a table.
#[derive(Debug, Default)]
pub(super) struct Grid {
    rows: Vec<Vec<Inline>>,
}

impl Grid {
    pub(super) fn start_row(&mut self) {
        self.rows.push(Vec::new());
    }

    pub(super) fn add_cell(&mut self, cell: Inline) {
        if let Some(row) = self.rows.last_mut() {
            row.push(cell);
        }
    }

    /// The table's lines. The first row is the header.
    pub(super) fn lines(&self, columns: usize, look: &Look) -> Vec<String> {
        match self.widths(columns) {
            Some(widths) => self.side_by_side(&widths, look),
            None => self.stacked(columns, look),
        }
    }

    /// Column widths that fit, taken from the widest columns first; `None` if even the words alone are too wide.
    fn widths(&self, columns: usize) -> Option<Vec<usize>> {
        let count = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let of_column = |number: usize, measure: fn(&Inline) -> usize| {
            self.rows.iter().filter_map(|row| row.get(number)).map(measure).max().unwrap_or(0).max(1)
        };
        let least: Vec<usize> = (0..count).map(|number| of_column(number, Inline::widest_word)).collect();
        let mut widths: Vec<usize> = (0..count).map(|number| of_column(number, Inline::columns)).collect();
        let room = columns.checked_sub(GAP * count.saturating_sub(1))?;
        if least.iter().sum::<usize>() > room {
            return None;
        }
        while widths.iter().sum::<usize>() > room {
            let (width, _) = widths
                .iter_mut()
                .zip(&least)
                .filter(|(width, least)| **width > **least)
                .max_by_key(|(width, _)| **width)?;
            *width -= 1;
        }
        Some(widths)
    }

    fn side_by_side(&self, widths: &[usize], look: &Look) -> Vec<String> {
        let mut lines = Vec::new();
        for (number, row) in self.rows.iter().enumerate() {
            let cells: Vec<Vec<String>> =
                row.iter().zip(widths).map(|(cell, width)| cell.lines(*width, look.paint)).collect();
            for height in 0..cells.iter().map(Vec::len).max().unwrap_or(0) {
                let line: Vec<String> = cells
                    .iter()
                    .zip(widths)
                    .map(|(cell, width)| text::pad(cell.get(height).map_or("", String::as_str), *width))
                    .collect();
                lines.push(line.join(&" ".repeat(GAP)).trim_end().to_owned());
            }
            if number == 0 {
                let rules: Vec<String> =
                    widths.iter().map(|width| look.symbols.rule.repeat(*width)).collect();
                lines.push(look.paint.apply(Role::Dim, &rules.join(&" ".repeat(GAP))));
            }
        }
        lines
    }

    fn stacked(&self, columns: usize, look: &Look) -> Vec<String> {
        self.rows.iter().flatten().flat_map(|cell| cell.lines(columns, look.paint)).collect()
    }
}
