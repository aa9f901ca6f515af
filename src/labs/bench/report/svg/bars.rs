//! Histograms.

use super::{Axis, BOTTOM, LEFT, PLOT_WIDTH, TOP, escape, open, put, text_width, x, y};

/// One bar.
#[derive(Debug, Clone)]
pub struct Bar {
    /// Its left edge on the axis.
    pub from: f64,
    /// Its right edge on the axis.
    pub to: f64,
    /// Its height.
    pub value: f64,
    /// The tooltip.
    pub title: String,
}

/// A named vertical line, for example a percentile.
#[derive(Debug, Clone)]
pub struct Mark {
    /// Its position on the axis.
    pub at: f64,
    /// Its name.
    pub name: String,
}

/// A histogram with marks.
pub struct Histogram<'a> {
    /// The alternative text.
    pub title: &'a str,
    /// The horizontal axis.
    pub across: Axis<'a>,
    /// The vertical axis.
    pub up: Axis<'a>,
    /// The bars.
    pub bars: &'a [Bar],
    /// The marks, ascending.
    pub marks: &'a [Mark],
}

impl Histogram<'_> {
    /// The chart as SVG.
    pub fn draw(&self) -> String {
        let mut svg = open(self.title, &self.across, &self.up, 0.0);
        svg.push_str("<g class=\"bars\">\n");
        for bar in self.bars.iter().filter(|bar| bar.value > 0.0) {
            const GAP: f64 = 1.0;
            // Low bars stay visible.
            const MIN_HEIGHT: f64 = 1.5;
            let (left, right) = (x(&self.across, bar.from), x(&self.across, bar.to));
            let top = y(&self.up, bar.value).min(BOTTOM - MIN_HEIGHT);
            put(
                &mut svg,
                format_args!(
                    "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\"><title>{}</title></rect>",
                    (right - left - GAP).max(0.5),
                    BOTTOM - top,
                    escape(&bar.title)
                ),
            );
        }
        svg.push_str("</g>\n<g class=\"marks\">\n");
        // Each name is one row lower than the one before, so that no line crosses a name.
        let mut top = TOP;
        for mark in self.marks {
            const ROW: f64 = 15.0;
            let at = x(&self.across, mark.at);
            let width = text_width(&mark.name);
            let is_at_edge = at + 5.0 + width > LEFT + PLOT_WIDTH;
            let (anchor, text) = if is_at_edge { ("end", at - 5.0) } else { ("start", at + 5.0) };
            put(
                &mut svg,
                format_args!(
                    "<line x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{top}\" y2=\"{BOTTOM}\"/><text x=\"{text:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{}</text>",
                    top + 10.0,
                    escape(&mark.name)
                ),
            );
            top = (top + ROW).min(BOTTOM - ROW);
        }
        svg.push_str("</g>\n</svg>\n");
        svg
    }
}

#[cfg(test)]
mod tests {
    use super::super::Scale;
    use super::*;

    #[test]
    fn bars_and_marks_follow_the_axes() {
        let text = |value: f64| format!("{value:.0}");
        let bars = [
            Bar { from: 1.0, to: 10.0, value: 50.0, title: "half <".to_owned() },
            Bar { from: 10.0, to: 100.0, value: 0.0, title: "none".to_owned() },
        ];
        let marks = [Mark { at: 10.0, name: "p50".to_owned() }, Mark { at: 11.0, name: "p90".to_owned() }];
        let svg = Histogram {
            title: "t",
            across: Axis { label: "ms", scale: Scale::log(1.0, 100.0), text: &text },
            up: Axis { label: "share", scale: Scale::linear(0.0, 100.0), text: &text },
            bars: &bars,
            marks: &marks,
        }
        .draw();
        let bar =
            "<rect x=\"68.0\" y=\"132.0\" width=\"337.0\" height=\"110.0\"><title>half &lt;</title></rect>";
        assert!(svg.contains(bar), "{svg}");
        assert_eq!(svg.matches("<rect").count(), 1);
        assert!(svg.contains("x1=\"406.0\" x2=\"406.0\""), "{svg}");
        // The second line starts below the first name.
        assert!(svg.contains("y=\"32.0\" text-anchor=\"start\">p50"), "{svg}");
        assert!(
            svg.contains("y1=\"37\" y2=\"242\"/><text x=\"425.0\" y=\"47.0\" text-anchor=\"start\">p90"),
            "{svg}"
        );
    }
}
