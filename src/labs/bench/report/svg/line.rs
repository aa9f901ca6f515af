//! Line charts.

use super::{Axis, BOTTOM, COLORS, LEFT, PLOT_HEIGHT, PLOT_WIDTH, TOP, escape, open, put, x, y};

/// Points that are drawn per line: more than this is not visible.
const MAX_POINTS: usize = 400;

const LEGEND_COLUMNS: usize = 3;
const LEGEND_ROW: f64 = 20.0;
const LEGEND_LETTERS: usize = 30;

/// One line.
#[derive(Debug, Clone)]
pub struct Series {
    /// Its name in the legend.
    pub name: String,
    /// Horizontal and vertical values. `None` is a gap.
    pub points: Vec<(f64, Option<f64>)>,
    /// Whether it is the sum of several things, drawn in the background.
    pub is_rest: bool,
}

/// A line chart with a legend, and with the values as tooltips.
pub struct LineChart<'a> {
    /// The alternative text.
    pub title: &'a str,
    /// The horizontal axis.
    pub across: Axis<'a>,
    /// The vertical axis.
    pub up: Axis<'a>,
    /// At most [`COLORS`], and one that is the rest.
    pub series: &'a [Series],
}

impl LineChart<'_> {
    /// The chart as SVG.
    pub fn draw(&self) -> String {
        #[allow(clippy::cast_precision_loss, reason = "a few rows")]
        let rows = self.named().len().div_ceil(LEGEND_COLUMNS) as f64;
        let mut svg = open(self.title, &self.across, &self.up, rows * LEGEND_ROW + 4.0);
        for (index, series) in self.series.iter().enumerate().rev() {
            let path = self.path(series);
            if !path.is_empty() {
                put(&mut svg, format_args!("<path class=\"line {}\" d=\"{path}\"/>", color(index, series)));
            }
        }
        self.tooltips(&mut svg);
        self.legend(&mut svg);
        svg.push_str("</svg>\n");
        svg
    }

    /// The series in the legend: a single series needs none.
    fn named(&self) -> &[Series] {
        if self.series.len() > 1 { self.series } else { &[] }
    }

    fn path(&self, series: &Series) -> String {
        let mut path = String::new();
        let mut is_drawing = false;
        for (across, up) in thinned(&series.points) {
            let Some(up) = up else {
                is_drawing = false;
                continue;
            };
            let (at, height) = (x(&self.across, across), y(&self.up, up));
            let verb = if is_drawing { 'L' } else { 'M' };
            path.extend([format!("{verb}{at:.1} {height:.1}")]);
            is_drawing = true;
        }
        // A single point is drawn as a dot.
        if !path.is_empty() && !path.contains('L') {
            path.push_str("h0.1");
        }
        path
    }

    /// Invisible vertical stripes with tooltips that show all values at their position.
    fn tooltips(&self, svg: &mut String) {
        let longest = self.series.iter().max_by_key(|series| series.points.len());
        let places: Vec<f64> =
            longest.map(|series| thinned(&series.points).map(|(at, _)| at).collect()).unwrap_or_default();
        svg.push_str("<g class=\"slices\">\n");
        for (index, place) in places.iter().enumerate() {
            let middle = |other: Option<&f64>| {
                other.map(|other| f64::midpoint(x(&self.across, *other), x(&self.across, *place)))
            };
            let before = index.checked_sub(1).and_then(|index| places.get(index));
            let from = middle(before).unwrap_or(LEFT);
            let to = middle(places.get(index + 1)).unwrap_or(LEFT + PLOT_WIDTH);
            let mut lines = vec![format!("{}: {}", self.across.label, (self.across.text)(*place))];
            for series in self.series {
                let nearest = series.points.partition_point(|(at, _)| at < place);
                if let Some((_, Some(value))) = series.points.get(nearest) {
                    lines.push(format!("{}  {}", (self.up.text)(*value), series.name));
                }
            }
            put(
                svg,
                format_args!(
                    "<rect x=\"{from:.1}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{PLOT_HEIGHT}\"><title>{}</title></rect>",
                    (to - from).max(0.0),
                    escape(&lines.join("\n"))
                ),
            );
        }
        svg.push_str("</g>\n");
    }

    fn legend(&self, svg: &mut String) {
        #[allow(clippy::cast_precision_loss, reason = "a few rows and columns")]
        let place = |index: usize| {
            let (row, column) = (index / LEGEND_COLUMNS, index % LEGEND_COLUMNS);
            (
                LEFT + column as f64 * PLOT_WIDTH / LEGEND_COLUMNS as f64,
                BOTTOM + super::BELOW + 12.0 + row as f64 * LEGEND_ROW,
            )
        };
        svg.push_str("<g class=\"legend\">\n");
        for (index, series) in self.named().iter().enumerate() {
            let (left, middle) = place(index);
            let mut name: String = series.name.chars().take(LEGEND_LETTERS).collect();
            if series.name.chars().nth(LEGEND_LETTERS).is_some() {
                name.pop();
                name.push('…');
            }
            put(
                svg,
                format_args!(
                    "<path class=\"line {}\" d=\"M{left:.1} {middle:.1}h22\"/><text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                    color(index, series),
                    left + 29.0,
                    middle + 4.0,
                    escape(&name)
                ),
            );
        }
        svg.push_str("</g>\n");
    }
}

fn color(index: usize, series: &Series) -> String {
    if series.is_rest || index >= COLORS { "rest".to_owned() } else { format!("s{index}") }
}

/// Every n-th point and the last one, at most [`MAX_POINTS`] and one.
fn thinned(points: &[(f64, Option<f64>)]) -> impl Iterator<Item = (f64, Option<f64>)> + '_ {
    let stride = points.len().div_ceil(MAX_POINTS).max(1);
    let last = points.len().saturating_sub(1);
    let kept = move |(index, _): &(usize, &(f64, Option<f64>))| index % stride == 0 || *index == last;
    points.iter().enumerate().filter(kept).map(|(_, point)| *point)
}

#[cfg(test)]
mod tests {
    use super::super::Scale;
    use super::*;

    fn chart(series: &[Series]) -> String {
        let text = |value: f64| format!("{value:.1}");
        LineChart {
            title: "t <1>",
            across: Axis { label: "seconds", scale: Scale::linear(0.0, 10.0), text: &text },
            up: Axis { label: "share", scale: Scale::linear(0.0, 1.0), text: &text },
            series,
        }
        .draw()
    }

    fn series(name: &str, points: &[(f64, Option<f64>)]) -> Series {
        Series { name: name.to_owned(), points: points.to_vec(), is_rest: false }
    }

    #[test]
    fn points_follow_the_axes() {
        let line = [series(
            "a<b",
            &[(0.0, Some(0.0)), (5.0, Some(1.0)), (6.0, None), (8.0, Some(0.5)), (10.0, Some(0.5))],
        )];
        let straight = chart(&line);
        let two = chart(&[line[0].clone(), series("c", &[])]);
        assert!(straight.contains("d=\"M68.0 242.0L406.0 22.0M608.8 132.0L744.0 132.0\""), "{straight}");
        assert!(
            straight.contains("aria-label=\"t &lt;1&gt;\"") && two.contains(">a&lt;b</text>"),
            "{straight}"
        );
        assert!(straight.contains("<title>seconds: 8.0\n0.5  a&lt;b</title>"), "{straight}");
    }

    #[test]
    fn a_chart_may_have_no_point_or_one() {
        for line in [vec![], vec![series("a", &[])], vec![series("a", &[(1.0, None)])]] {
            assert!(chart(&line).ends_with("</svg>\n"));
        }
        assert!(chart(&[series("a", &[(1.0, Some(0.5))])]).contains("d=\"M135.6 132.0h0.1\""));
    }

    #[test]
    fn a_long_line_is_thinned_but_keeps_its_last_point() {
        let points: Vec<_> = (0..5000_u32).map(|index| (f64::from(index), Some(1.0))).collect();
        let kept: Vec<_> = thinned(&points).collect();
        assert!(kept.len() <= MAX_POINTS + 1);
        assert_eq!(kept.last(), points.last());
    }
}
