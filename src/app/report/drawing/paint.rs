//! Writes a drawing as SVG, with a description in words.

use std::fmt::Write as _;

use super::layout::{Layout, Rect};
use super::measure::{baselines, is_port, label_width};
use super::sketch::{End, Line, Named, Sketch};
use crate::core::page::escape;

/// The radius of corners.
const RADIUS: f64 = 9.0;

/// An arrowhead: its length, and half its width.
const HEAD: (f64, f64) = (8.0, 4.0);
const SECURE_HEAD: (f64, f64) = (11.0, 6.5);

pub(super) fn paint(sketch: &Sketch, layout: &Layout, title: &str) -> String {
    let Layout { width, height, .. } = layout;
    let (title, description) = (escape(title), escape(&description(sketch)));
    let mut svg = format!(
        "<svg viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" role=\"img\" aria-label=\"{title}: {description}\">\n\
         <title>{title}</title>\n<desc>{description}</desc>\n"
    );
    let mut strokes = Strokes::default();
    for line in &sketch.lines {
        draw_line(sketch, layout, line, &mut strokes);
    }
    for (row, column) in corners(sketch) {
        draw_corner(sketch, layout, (row, column), &mut strokes);
    }
    svg.extend([strokes.shafts, strokes.cores, strokes.heads]);
    for ((index, one), place) in sketch.boxes.iter().enumerate().zip(&layout.boxes) {
        draw_box(one, *place, is_remark(sketch, index), &mut svg);
    }
    // Labels cover all lines.
    for line in &sketch.lines {
        draw_label(sketch, layout, line, &mut svg);
    }
    svg.push_str("</svg>");
    svg
}

/// SVG of lines by layer, from bottom to top: where double lines meet, their inner parts join.
#[derive(Default)]
struct Strokes {
    shafts: String,
    cores: String,
    heads: String,
}

impl Strokes {
    fn add(&mut self, is_secure: bool, path: &str) {
        let class = if is_secure { "edge secure" } else { "edge" };
        put(&mut self.shafts, &format!("<path class=\"{class}\" d=\"{path}\"/>"));
        if is_secure {
            put(&mut self.cores, &format!("<path class=\"edge core\" d=\"{path}\"/>"));
        }
    }
}

fn draw_line(sketch: &Sketch, layout: &Layout, line: &Line, strokes: &mut Strokes) {
    let [start, end] = layout.ends(line);
    let (x, y) = if line.is_vertical { (0.0, 1.0) } else { (1.0, 0.0) };
    let head = if line.is_secure { SECURE_HEAD } else { HEAD };
    // A shaft ends inside its arrowhead, and before the curve of a corner.
    let short = |which: usize| match line.ends[which] {
        _ if line.heads[which] => head.0 - 1.0,
        End::Joint(row, column) if is_bend(sketch, row, column) => RADIUS,
        _ => 0.0,
    };
    let (first, last) = (short(0), short(1));
    let shaft = format!(
        "M{:.1} {:.1}L{:.1} {:.1}",
        start.0 + x * first,
        start.1 + y * first,
        end.0 - x * last,
        end.1 - y * last
    );
    strokes.add(line.is_secure, &shaft);
    let class = if line.is_secure { "secure-head" } else { "head" };
    for (has_head, (tip_x, tip_y), back) in [(line.heads[0], start, 1.0), (line.heads[1], end, -1.0)] {
        if has_head {
            let (base_x, base_y) = (tip_x + x * back * head.0, tip_y + y * back * head.0);
            let (side_x, side_y) = (y * head.1, x * head.1);
            put(
                &mut strokes.heads,
                &format!(
                    "<path class=\"{class}\" d=\"M{tip_x:.1} {tip_y:.1}L{:.1} {:.1}L{:.1} {:.1}Z\"/>",
                    base_x + side_x,
                    base_y + side_y,
                    base_x - side_x,
                    base_y - side_y
                ),
            );
        }
    }
}

/// The corners of all lines, without duplicates.
fn corners(sketch: &Sketch) -> Vec<(usize, usize)> {
    let ends = sketch.lines.iter().flat_map(|line| line.ends);
    let mut corners: Vec<(usize, usize)> = ends
        .filter_map(|end| match end {
            End::Joint(row, column) => Some((row, column)),
            End::Box(_) => None,
        })
        .collect();
    corners.sort_unstable();
    corners.dedup();
    corners
}

/// Whether lines leave a corner to the left, right, up and down.
fn directions(sketch: &Sketch, row: usize, column: usize) -> [bool; 4] {
    let corner = End::Joint(row, column);
    let is_there = |is_vertical: bool, which: usize| {
        sketch.lines.iter().any(|line| line.is_vertical == is_vertical && line.ends[which] == corner)
    };
    // A line that passes the corner leaves it in both directions.
    let passes = |is_vertical: bool| {
        sketch.lines.iter().any(|line| {
            line.is_vertical == is_vertical && line.touches(row, column) && !line.ends.contains(&corner)
        })
    };
    let (across, down) = (passes(false), passes(true));
    [
        is_there(false, 1) || across,
        is_there(false, 0) || across,
        is_there(true, 1) || down,
        is_there(true, 0) || down,
    ]
}

/// Whether exactly two lines leave the corner, at a right angle.
fn is_bend(sketch: &Sketch, row: usize, column: usize) -> bool {
    let [left, right, up, down] = directions(sketch, row, column);
    left != right && up != down
}

fn draw_corner(sketch: &Sketch, layout: &Layout, (row, column): (usize, usize), strokes: &mut Strokes) {
    if !is_bend(sketch, row, column) {
        return;
    }
    let corner = End::Joint(row, column);
    let Some(place) = sketch.lines.iter().find_map(|line| {
        let which = line.ends.iter().position(|end| *end == corner)?;
        Some(layout.ends(line)[which])
    }) else {
        return;
    };
    let (x, y) = place;
    let [left, _, up, _] = directions(sketch, row, column);
    let (beside, over) = (if left { -RADIUS } else { RADIUS }, if up { -RADIUS } else { RADIUS });
    let mut meeting = sketch.lines.iter().filter(|line| line.ends.contains(&corner));
    let path = format!("M{:.1} {y:.1}Q{x:.1} {y:.1} {x:.1} {:.1}", x + beside, y + over);
    strokes.add(meeting.all(|line| line.is_secure), &path);
}

/// Whether a text is a remark: not connected, with more than three words in a line.
fn is_remark(sketch: &Sketch, index: usize) -> bool {
    let words = |text: &String| text.split(' ').filter(|word| !is_port(word)).count();
    !is_connected(sketch, index) && sketch.boxes[index].lines.iter().any(|line| words(line) > 3)
}

fn is_connected(sketch: &Sketch, index: usize) -> bool {
    sketch.lines.iter().any(|line| line.ends.contains(&End::Box(index)))
}

fn draw_box(one: &Named, place: Rect, is_remark: bool, svg: &mut String) {
    let Rect { left, right, top, bottom } = place;
    if !is_remark {
        put(
            svg,
            &format!(
                "<rect class=\"box\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"8\"/>",
                right - left,
                bottom - top
            ),
        );
    }
    let (middle, _) = place.middle();
    for ((number, text), below_top) in one.lines.iter().enumerate().zip(baselines(one)) {
        let class = if number == 0 && !is_remark { "" } else { " class=\"small\"" };
        put(
            svg,
            &format!(
                "<text{class} x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                top + below_top,
                with_ports(text)
            ),
        );
    }
}

fn with_ports(text: &str) -> String {
    let word = |word: &str| {
        let safe = escape(word);
        if is_port(word) { format!("<tspan class=\"port\">{safe}</tspan>") } else { safe }
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

fn draw_label(sketch: &Sketch, layout: &Layout, line: &Line, svg: &mut String) {
    let Some(label) = &line.label else { return };
    let (x, y) = layout.label_position(sketch, line);
    let text = escape(&label.text);
    if line.is_secure {
        let width = label_width(&label.text);
        put(
            svg,
            &format!(
                "<rect class=\"pill\" x=\"{:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"20\" rx=\"10\"/>\
                 <text class=\"pill-text\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{text}</text>",
                x - width / 2.0,
                y - 10.0,
                y + 4.0
            ),
        );
        return;
    }
    let (x, y, anchor) = match (line.is_vertical, label.is_left) {
        (false, _) => (x, y - 6.0, "middle"),
        (true, true) => (x - 8.0, y + 4.0, "end"),
        (true, false) => (x + 8.0, y + 4.0, "start"),
    };
    put(
        svg,
        &format!("<text class=\"small\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"),
    );
}

/// The connections as sentences.
fn description(sketch: &Sketch) -> String {
    let mut sentences = Vec::new();
    for group in connected(sketch) {
        let mut from: Vec<&str> = Vec::new();
        let mut to: Vec<&str> = Vec::new();
        let mut labels: Vec<&str> = Vec::new();
        for line in &group {
            labels.extend(line.label.as_ref().map(|label| label.text.as_str()));
            for (end, has_head) in line.ends.iter().zip(line.heads) {
                if let End::Box(index) = end {
                    let name = sketch.boxes[*index].lines.first().map_or("", String::as_str);
                    if has_head { to.push(name) } else { from.push(name) }
                }
            }
        }
        let through = if labels.is_empty() { String::new() } else { format!(" ({})", labels.join(", ")) };
        sentences.push(match (from.is_empty(), to.is_empty()) {
            (false, false) => format!("{} to {}{through}", from.join(" and "), to.join(" and ")),
            (true, false) => format!("{} to each other{through}", to.join(" and ")),
            _ => format!("{} together{through}", from.join(" and ")),
        });
    }
    for (index, one) in sketch.boxes.iter().enumerate() {
        if !is_connected(sketch, index) {
            sentences.extend(one.lines.first().cloned());
        }
    }
    sentences.join("; ")
}

/// Groups of lines that meet.
fn connected(sketch: &Sketch) -> Vec<Vec<&Line>> {
    let meets = |one: &Line, other: &Line| {
        let touches = |line: &Line, end: &End| match end {
            End::Box(_) => false,
            End::Joint(row, column) => line.touches(*row, *column),
        };
        one.ends.iter().any(|end| touches(other, end)) || other.ends.iter().any(|end| touches(one, end))
    };
    let mut groups: Vec<Vec<&Line>> = Vec::new();
    for line in &sketch.lines {
        let (mut joined, others): (Vec<_>, Vec<_>) =
            groups.into_iter().partition(|group| group.iter().any(|other| meets(line, other)));
        joined.push(vec![line]);
        groups = others;
        groups.push(joined.concat());
    }
    groups
}

/// Appends an element.
fn put(svg: &mut String, element: &str) {
    // Formatting into a string cannot fail.
    let _ = writeln!(svg, "{element}");
}
