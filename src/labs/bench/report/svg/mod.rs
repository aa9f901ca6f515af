//! Charts as SVG. Colours come from the page's style ([`STYLE`]), so that a chart follows its page in light, dark and
//! print.
//!
//! Invariant: all text is escaped and every number is finite. A chart may be empty.

mod bars;
mod line;
mod scale;

use std::fmt::Write as _;

pub use bars::{Bar, Histogram, Mark};
pub use line::{LineChart, Series};
pub use scale::Scale;

use crate::core::page::escape;

/// The CSS of charts, for the page's style.
pub const STYLE: &str = include_str!("../../../../../assets/bench/chart.css");

/// The number of colours, and so of series in a chart.
pub const COLORS: usize = 8;

/// An axis of a chart.
pub struct Axis<'a> {
    /// What the axis shows, with the unit.
    pub label: &'a str,
    /// The position of values on the axis.
    pub scale: Scale,
    /// The text at a tick.
    pub text: &'a dyn Fn(f64) -> String,
}

/// The size of a chart, in pixels of a wide page.
const WIDTH: f64 = 760.0;
const PLOT_HEIGHT: f64 = 220.0;
const LEFT: f64 = 68.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 22.0;
const BELOW: f64 = 46.0;

const PLOT_WIDTH: f64 = WIDTH - LEFT - RIGHT;
const BOTTOM: f64 = TOP + PLOT_HEIGHT;

fn x(axis: &Axis<'_>, value: f64) -> f64 {
    LEFT + axis.scale.position(value) * PLOT_WIDTH
}

fn y(axis: &Axis<'_>, value: f64) -> f64 {
    BOTTOM - axis.scale.position(value) * PLOT_HEIGHT
}

/// The start of a chart: grid, ticks and labels. `extra` is the height needed below the axis labels.
fn open(title: &str, across: &Axis<'_>, up: &Axis<'_>, extra: f64) -> String {
    let height = BOTTOM + BELOW + extra;
    let title = escape(title);
    let mut svg = format!(
        "<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{title}\">\n<g class=\"axis\">\n"
    );
    for tick in up.scale.ticks(5) {
        let (at, text) = (y(up, tick), escape(&(up.text)(tick)));
        put(
            &mut svg,
            format_args!(
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/><text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{text}</text>",
                WIDTH - RIGHT,
                LEFT - 8.0,
                at + 4.0
            ),
        );
    }
    // Tick texts that would overlap are left out.
    let mut free_from = f64::MIN;
    for tick in across.scale.ticks(8) {
        let (at, text) = (x(across, tick), (across.text)(tick));
        put(
            &mut svg,
            format_args!("<line class=\"grid\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{TOP}\" y2=\"{BOTTOM}\"/>"),
        );
        let half = text_width(&text) / 2.0;
        if at - half >= free_from {
            let shown = at.min(WIDTH - half);
            put(
                &mut svg,
                format_args!(
                    "<text x=\"{shown:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                    BOTTOM + 17.0,
                    escape(&text)
                ),
            );
            free_from = at + half + 10.0;
        }
    }
    put(
        &mut svg,
        format_args!(
            "<line class=\"base\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{BOTTOM}\" y2=\"{BOTTOM}\"/>\n<text class=\"label\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n<text class=\"label\" x=\"{LEFT}\" y=\"{}\">{}</text>\n</g>",
            WIDTH - RIGHT,
            LEFT + PLOT_WIDTH / 2.0,
            BOTTOM + 37.0,
            escape(across.label),
            TOP - 9.0,
            escape(up.label)
        ),
    );
    svg
}

/// Appends a line.
fn put(svg: &mut String, line: std::fmt::Arguments<'_>) {
    // Formatting into a string cannot fail.
    let _ = svg.write_fmt(line);
    svg.push('\n');
}

/// An estimate of a text's width.
fn text_width(text: &str) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "a few letters")]
    let letters = text.chars().count() as f64;
    letters * 6.8
}
