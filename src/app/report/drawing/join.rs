//! Decides which texts are labels of lines, and which texts form one box.

use super::sketch::{End, Label, Line, Named, Run, Touched};

/// How many columns a text may be right of its box, if another text is below the box.
const MAX_ASIDE: usize = 8;

/// How many columns a text of a box may be right of its name, in the same row.
const MAX_BEHIND: usize = 4;

/// Gives lines their labels, and marks the texts that are labels in `is_label`.
pub(super) fn with_labels(lines: Vec<Line>, runs: &[Run], is_label: &mut [bool]) -> Vec<Line> {
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

/// A vertical line that joins a secure line is secure, too.
pub(super) fn spread_secure(lines: &mut [Line]) {
    let secure: Vec<Line> =
        lines.iter().filter(|line| !line.is_vertical && line.is_secure).cloned().collect();
    for line in lines.iter_mut().filter(|line| line.is_vertical) {
        line.is_secure |= line.ends.iter().any(|end| match end {
            End::Joint(row, column) => secure.iter().any(|other| other.touches(*row, *column)),
            End::Box(_) => false,
        });
    }
}

fn is_label_within(left: &Line, right: &Line, run: &Run) -> bool {
    let is_open = !left.heads[1] && !right.heads[0] && left.is_secure == right.is_secure;
    let is_arrow = left.heads[0] || right.heads[1];
    let is_at_joint = [left.ends[0], right.ends[1]].iter().any(|end| matches!(end, End::Joint(..)));
    let is_beside_lines_alone = !run.touched.above && !run.touched.below;
    is_open && is_beside_lines_alone && (left.is_secure || is_arrow && !is_at_joint)
}

/// The boxes, and for each text the index of its box.
pub(super) fn boxes(runs: &[Run], is_label: &[bool]) -> (Vec<Named>, Vec<Option<usize>>) {
    let mut boxes: Vec<Named> = Vec::new();
    let mut box_of: Vec<Option<usize>> = vec![None; runs.len()];
    for (index, run) in runs.iter().enumerate().filter(|(index, _)| !is_label[*index]) {
        let Touched { left, right, above, .. } = run.touched;
        let own = left || right || above;
        // Text right after a name belongs to the same box.
        let before = index.checked_sub(1).filter(|before| {
            let before = &runs[*before];
            let is_name = before.touched.left || before.touched.right || before.touched.above;
            is_name && before.row == run.row && run.from - before.to <= MAX_BEHIND
        });
        if let Some(home) = before.and_then(|before| box_of[before]).filter(|_| !own)
            && let Some(line) = boxes[home].lines.last_mut()
        {
            line.extend([" ", &run.text]);
            box_of[index] = Some(home);
            continue;
        }
        let home = if own { None } else { box_above(run, runs, &boxes) };
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

/// The box that ends in the row above a text: over it, or left of it if another text is below that box.
fn box_above(run: &Run, runs: &[Run], boxes: &[Named]) -> Option<usize> {
    let ending = || boxes.iter().enumerate().filter(|(_, one)| one.last_row + 1 == run.row);
    let overlap = |one: &Named| run.to.min(one.span.1).saturating_sub(run.from.max(one.span.0));
    let over = ending().max_by_key(|(_, one)| overlap(one)).filter(|(_, one)| overlap(one) > 0);
    let before =
        runs.iter().filter(|other| other.row == run.row && other.to <= run.from).map(|other| other.to).max();
    let aside = || {
        ending().find(|(_, one)| {
            let is_taken = before.is_some_and(|before| before > one.span.0);
            is_taken && one.lines.len() == 1 && one.span.1 <= run.from && run.from - one.span.1 <= MAX_ASIDE
        })
    };
    over.or_else(aside).map(|(index, _)| index)
}
