//! Positions of boxes and lines: rows and columns keep their order and get the space that their texts need.

use super::measure::{height, label_width, width};
use super::sketch::{End, Line, Named, Sketch};

/// The minimum width of a column, and heights of a row.
const COLUMN: f64 = 6.0;
const ROW: f64 = 11.0;
const BLANK_ROW: f64 = 16.0;

/// Minimum distances: between boxes, and the length of an arrow and of a line.
const BETWEEN: f64 = 16.0;
const ARROW: f64 = 36.0;
const SHAFT: f64 = 24.0;
/// Minimum distance of a vertical line from the corner of its box.
const FROM_CORNER: f64 = 16.0;
/// The margin around the drawing.
const MARGIN: f64 = 4.0;

/// A rectangle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rect {
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) top: f64,
    pub(super) bottom: f64,
}

impl Rect {
    pub(super) fn middle(&self) -> (f64, f64) {
        (f64::midpoint(self.left, self.right), f64::midpoint(self.top, self.bottom))
    }

    fn overlaps_across(&self, other: &Self) -> bool {
        self.left < other.right + BETWEEN / 2.0 && other.left < self.right + BETWEEN / 2.0
    }
}

/// The position of every box, row and column.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) width: f64,
    pub(super) height: f64,
    /// One for each box of the sketch.
    pub(super) boxes: Vec<Rect>,
    columns: Vec<f64>,
    rows: Vec<f64>,
}

impl Layout {
    /// The position of a line's label.
    pub(super) fn label_position(&self, sketch: &Sketch, line: &Line) -> (f64, f64) {
        let [start, end] = self.ends(line);
        let (left, right) = free_part(sketch, line);
        let x = |column: Option<usize>, end: f64| column.map_or(end, |column| self.columns[column]);
        (f64::midpoint(x(left, start.0), x(right, end.0)), f64::midpoint(start.1, end.1))
    }

    /// The positions of a line's ends.
    pub(super) fn ends(&self, line: &Line) -> [(f64, f64); 2] {
        let position = |which: usize| {
            let at_start = which == 0;
            match line.ends[which] {
                End::Joint(row, column) => (self.columns[column], self.rows[row]),
                End::Box(index) if line.is_vertical => {
                    let one = self.boxes[index];
                    (self.columns[line.at], if at_start { one.bottom } else { one.top })
                }
                End::Box(index) => {
                    let one = self.boxes[index];
                    (if at_start { one.right } else { one.left }, self.rows[line.at])
                }
            }
        };
        [position(0), position(1)]
    }
}

/// A box, label or joint: the columns that it is fixed to, and how far it extends left of the first and right of the last.
#[derive(Debug, Clone, Copy)]
struct Item {
    columns: (usize, usize),
    reach: (f64, f64),
}

/// The minimum distance between one column (or row) and a later one.
struct Distance {
    from: usize,
    to: usize,
    min: f64,
}

pub(super) fn lay_out(sketch: &Sketch) -> Option<Layout> {
    let items: Vec<Item> =
        sketch.boxes.iter().enumerate().map(|(index, one)| item(sketch, index, one)).collect();
    let columns = positions(sketch.columns, &column_distances(sketch, &items)?, |_| COLUMN)?;
    let mut boxes: Vec<Rect> = items
        .iter()
        .map(|item| Rect {
            left: columns[item.columns.0] - item.reach.0,
            right: columns[item.columns.1] + item.reach.1,
            top: 0.0,
            bottom: 0.0,
        })
        .collect();
    for index in 0..boxes.len() {
        centre(sketch, index, &columns, &mut boxes);
    }
    let rows = positions(sketch.rows, &row_distances(sketch, &boxes)?, |row| {
        if sketch.blank.contains(&row) { BLANK_ROW } else { ROW }
    })?;
    for (place, one) in boxes.iter_mut().zip(&sketch.boxes) {
        let half = height(one) / 2.0;
        (place.top, place.bottom) = (rows[one.row] - half, rows[one.row] + half);
    }
    let mut layout = Layout { width: 0.0, height: 0.0, boxes, columns, rows };
    layout.move_to_origin(sketch);
    layout.is_valid(sketch).then_some(layout)
}

/// A box is fixed to its vertical lines, or else to the middle of its text.
fn item(sketch: &Sketch, index: usize, one: &Named) -> Item {
    let half = width(one) / 2.0;
    let ends_here = |line: &&Line| line.is_vertical && line.ends.contains(&End::Box(index));
    let fixed = || sketch.lines.iter().filter(ends_here).map(|line| line.at);
    let (columns, reach) = match (fixed().min(), fixed().max()) {
        (Some(first), Some(last)) if first < last => {
            #[allow(clippy::cast_precision_loss, reason = "a drawing has few columns")]
            let reach = (half - (last - first) as f64 * COLUMN / 2.0).max(FROM_CORNER);
            ((first, last), reach)
        }
        (Some(only), _) => ((only, only), half),
        _ => {
            let middle = usize::midpoint(one.span.0, one.span.1.saturating_sub(1));
            ((middle, middle), half)
        }
    };
    Item { columns, reach: (reach, reach) }
}

/// The minimum distances between items of the same row.
fn column_distances(sketch: &Sketch, items: &[Item]) -> Option<Vec<Distance>> {
    let mut distances = Vec::new();
    for item in items.iter().filter(|item| item.columns.0 < item.columns.1) {
        distances.push(Distance { from: item.columns.0, to: item.columns.1, min: SHAFT });
    }
    for line in sketch.lines.iter().filter(|line| !line.is_vertical) {
        distances.push(line_length(line, items)?);
        distances.extend(label_distance(sketch, line, items));
    }
    for row in 0..sketch.rows {
        let is_here = |one: &Named| (one.row..=one.last_row).contains(&row);
        let mut here: Vec<Item> =
            sketch.boxes.iter().zip(items).filter(|(one, _)| is_here(one)).map(|(_, item)| *item).collect();
        for line in &sketch.lines {
            let joints = line.ends.iter().filter_map(|end| match end {
                End::Joint(at, column) if *at == row => Some(*column),
                _ => None,
            });
            here.extend(joints.map(|column| Item { columns: (column, column), reach: (0.0, 0.0) }));
            if line.is_vertical && (line.span.0..=line.span.1).contains(&row) {
                here.push(Item { columns: (line.at, line.at), reach: label_extent(line) });
            }
        }
        here.sort_by_key(|item| item.columns);
        for pair in here.windows(2) {
            let [one, next] = pair else { continue };
            if one.columns == next.columns {
                continue;
            }
            // Overlapping items: not a drawing.
            if one.columns.1 >= next.columns.0 {
                return None;
            }
            let min = one.reach.1 + BETWEEN + next.reach.0;
            distances.push(Distance { from: one.columns.1, to: next.columns.0, min });
        }
    }
    Some(distances)
}

/// The minimum length of a horizontal line.
fn line_length(line: &Line, items: &[Item]) -> Option<Distance> {
    let reach = |end: End| match end {
        End::Box(index) => items[index],
        End::Joint(_, column) => Item { columns: (column, column), reach: (0.0, 0.0) },
    };
    let (left, right) = (reach(line.ends[0]), reach(line.ends[1]));
    let bare = if line.heads.contains(&true) { ARROW } else { SHAFT };
    let own = line.label.as_ref().map_or(bare, |label| label_width(&label.text) + 2.0 * ARROW);
    let (from, to) = (left.columns.1, right.columns.0);
    (from < to).then_some(Distance { from, to, min: left.reach.1 + own + right.reach.0 })
}

/// The longest part of a line without a joint, as two columns. `None` is the line's own end.
fn free_part(sketch: &Sketch, line: &Line) -> (Option<usize>, Option<usize>) {
    let joins = sketch.lines.iter().filter(|other| other.is_vertical && !line.is_vertical);
    let mut joins: Vec<usize> = joins
        .flat_map(|other| other.ends)
        .filter_map(|end| match end {
            End::Joint(row, column) if line.touches(row, column) && !line.ends.contains(&end) => Some(column),
            _ => None,
        })
        .collect();
    joins.sort_unstable();
    joins.dedup();
    let mut part = (None, None);
    let mut longest = 0;
    let mut from = (None, line.span.0);
    for (mark, column) in joins.iter().map(|join| (Some(*join), *join)).chain([(None, line.span.1)]) {
        if column.saturating_sub(from.1) > longest {
            (part, longest) = ((from.0, mark), column - from.1);
        }
        from = (mark, column);
    }
    part
}

/// The minimum length of a horizontal line for its label, if other lines join it.
fn label_distance(sketch: &Sketch, line: &Line, items: &[Item]) -> Option<Distance> {
    let label = line.label.as_ref().filter(|_| !line.is_vertical)?;
    let min = label_width(&label.text) + 2.0 * SHAFT;
    let end = |which: usize| match line.ends[which] {
        End::Box(index) => (items[index].columns, items[index].reach),
        End::Joint(_, column) => ((column, column), (0.0, 0.0)),
    };
    let (left, right) = (end(0), end(1));
    match free_part(sketch, line) {
        (None, Some(to)) => Some(Distance { from: left.0.1, to, min: left.1.1 + min }),
        (Some(from), None) => Some(Distance { from, to: right.0.0, min: min + right.1.0 }),
        (Some(from), Some(to)) => Some(Distance { from, to, min }),
        (None, None) => None,
    }
}

/// How far the label of a vertical line extends to its left and right.
fn label_extent(line: &Line) -> (f64, f64) {
    match &line.label {
        None => (0.0, 0.0),
        Some(label) if line.is_secure => {
            let half = label_width(&label.text) / 2.0;
            (half, half)
        }
        Some(label) if label.is_left => (label_width(&label.text), 0.0),
        Some(label) => (0.0, label_width(&label.text)),
    }
}

/// Moves a box between two others to the middle, if it has no vertical line.
fn centre(sketch: &Sketch, index: usize, columns: &[f64], boxes: &mut [Rect]) {
    let own = End::Box(index);
    if sketch.lines.iter().any(|line| line.is_vertical && line.ends.contains(&own)) {
        return;
    }
    let place = |end: End, side: usize| match end {
        End::Joint(_, column) => columns[column],
        End::Box(other) if side == 0 => boxes[other].right,
        End::Box(other) => boxes[other].left,
    };
    let find = |side: usize| {
        let line = sketch.lines.iter().find(|line| !line.is_vertical && line.ends[1 - side] == own)?;
        line.label.is_none().then(|| place(line.ends[side], side))
    };
    if let (Some(left), Some(right)) = (find(0), find(1)) {
        let half = (boxes[index].right - boxes[index].left) / 2.0;
        let middle = f64::midpoint(left, right);
        (boxes[index].left, boxes[index].right) = (middle - half, middle + half);
    }
}

/// The minimum distances between boxes above one another, and the lengths of vertical lines.
fn row_distances(sketch: &Sketch, boxes: &[Rect]) -> Option<Vec<Distance>> {
    let mut distances = Vec::new();
    let half = |index: usize| height(&sketch.boxes[index]) / 2.0;
    for line in sketch.lines.iter().filter(|line| line.is_vertical) {
        let row = |end: End| match end {
            End::Box(index) => (sketch.boxes[index].row, half(index)),
            End::Joint(row, _) => (row, 0.0),
        };
        let ((from, above), (to, below)) = (row(line.ends[0]), row(line.ends[1]));
        if from >= to {
            return None;
        }
        let length = match &line.label {
            Some(_) if line.is_secure => 64.0,
            _ if line.heads.contains(&true) => ARROW - 4.0,
            _ => SHAFT,
        };
        distances.push(Distance { from, to, min: above + length + below });
    }
    for (one, upper) in sketch.boxes.iter().enumerate() {
        for (other, lower) in sketch.boxes.iter().enumerate() {
            if upper.row < lower.row && boxes[one].overlaps_across(&boxes[other]) {
                let blank = sketch.blank.iter().filter(|row| (upper.row..lower.row).contains(row)).count();
                let gap = BETWEEN + if blank > 0 { BLANK_ROW } else { 0.0 };
                let min = half(one) + gap + half(other);
                distances.push(Distance { from: upper.row, to: lower.row, min });
            }
        }
    }
    Some(distances)
}

/// The smallest positions that keep all distances.
fn positions(count: usize, distances: &[Distance], min: impl Fn(usize) -> f64) -> Option<Vec<f64>> {
    let mut positions: Vec<f64> = Vec::with_capacity(count + 1);
    // One more: the end of an item in the last column.
    for place in 0..=count {
        let after = place.checked_sub(1).map_or(0.0, |before| positions[before] + min(before));
        let kept = distances
            .iter()
            .filter(|one| one.to == place)
            .map(|one| positions.get(one.from).map(|from| from + one.min));
        let mut furthest = after;
        for at in kept {
            furthest = furthest.max(at?);
        }
        positions.push(furthest);
    }
    Some(positions)
}

impl Layout {
    fn move_to_origin(&mut self, sketch: &Sketch) {
        let mut points: Vec<(f64, f64)> =
            self.boxes.iter().flat_map(|one| [(one.left, one.top), (one.right, one.bottom)]).collect();
        for line in &sketch.lines {
            let reach = label_extent(line);
            points.extend(self.ends(line).iter().flat_map(|(x, y)| [(x - reach.0, *y), (x + reach.1, *y)]));
        }
        let least =
            points.iter().fold((f64::MAX, f64::MAX), |least, at| (least.0.min(at.0), least.1.min(at.1)));
        let most = points.iter().fold((f64::MIN, f64::MIN), |most, at| (most.0.max(at.0), most.1.max(at.1)));
        let (x, y) = (MARGIN - least.0, MARGIN - least.1);
        self.columns.iter_mut().for_each(|column| *column += x);
        self.rows.iter_mut().for_each(|row| *row += y);
        for one in &mut self.boxes {
            *one =
                Rect { left: one.left + x, right: one.right + x, top: one.top + y, bottom: one.bottom + y };
        }
        self.width = most.0 + x + MARGIN;
        self.height = most.1 + y + MARGIN;
    }

    /// Whether every line has a positive length and touches the boxes at its ends.
    fn is_valid(&self, sketch: &Sketch) -> bool {
        sketch.lines.iter().all(|line| {
            let [start, end] = self.ends(line);
            let is_forward = if line.is_vertical { start.1 < end.1 } else { start.0 < end.0 };
            let meets = line.ends.iter().zip([start, end]).all(|(end, at)| match end {
                End::Joint(..) => true,
                End::Box(index) => {
                    let one = self.boxes[*index];
                    (one.left..=one.right).contains(&at.0) && (one.top..=one.bottom).contains(&at.1)
                }
            });
            is_forward && meets
        })
    }
}
