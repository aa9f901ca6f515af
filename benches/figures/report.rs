//! The figures as a table and as JSON.

use std::fmt;

use serde_json::{Value, json};

use crate::machine::Machine;
use crate::stats::Samples;
use crate::{Fault, MESHLAB};

/// What a figure counts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Unit {
    Seconds,
    Bytes,
    BytesPerSecond,
    /// Time of one core per time.
    Cpu,
    /// Requests per second.
    PerSecond,
    /// How many.
    Count,
}

/// What was promised.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target {
    /// At most so many times the alternative.
    Ratio(f64),
    /// At least so many times the alternative: more is better.
    RatioAtLeast(f64),
    /// At most this.
    Value(f64),
}

/// One thing that was measured.
#[derive(Debug)]
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) what: String,
    pub(crate) unit: Unit,
    pub(crate) meshlab: Samples,
    /// What it is, and its samples.
    pub(crate) alternative: Option<(&'static str, Samples)>,
    /// What else was measured, for comparison: what it is, and its samples.
    pub(crate) beside: Vec<(&'static str, Samples)>,
    pub(crate) target: Target,
}

impl Figure {
    fn ratio(&self) -> Option<f64> {
        self.alternative.as_ref().map(|(_, samples)| self.meshlab.median() / samples.median())
    }

    fn met(&self) -> bool {
        match self.target {
            Target::Ratio(most) => self.ratio().is_some_and(|ratio| ratio <= most),
            Target::RatioAtLeast(least) => self.ratio().is_some_and(|ratio| ratio >= least),
            Target::Value(most) => self.meshlab.median() <= most,
        }
    }

    fn row(&self) -> [String; COLUMNS] {
        let target = match self.target {
            Target::Ratio(most) => format!("ratio <= {most}"),
            Target::RatioAtLeast(least) => format!("ratio >= {least:.1}"),
            Target::Value(most) => format!("<= {}", self.unit.text(most)),
        };
        let alternative = self.alternative.as_ref();
        [
            format!("{}: {}", self.name, self.what),
            self.unit.summary(&self.meshlab),
            alternative.map_or_else(String::new, |(_, samples)| self.unit.summary(samples)),
            self.ratio().map_or_else(String::new, |ratio| format!("{ratio:.2}")),
            target,
            if self.met() { "met" } else { "NOT MET" }.to_owned(),
        ]
    }

    fn json(&self) -> Value {
        let target = match self.target {
            Target::Ratio(most) => json!({"of": "ratio", "at_most": most}),
            Target::RatioAtLeast(least) => json!({"of": "ratio", "at_least": least}),
            Target::Value(most) => json!({"of": "value", "at_most": most}),
        };
        let measured = |(what, samples): &(&str, Samples)| json!({"what": what, "measured": samples.json()});
        json!({
            "name": self.name,
            "what": self.what,
            "unit": self.unit.name(),
            "meshlab": self.meshlab.json(),
            "alternative": self.alternative.as_ref().map(measured),
            "beside": self.beside.iter().map(measured).collect::<Vec<_>>(),
            "ratio": self.ratio(),
            "target": target,
            "met": self.met(),
        })
    }
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Self::Seconds => "s",
            Self::Bytes => "B",
            Self::BytesPerSecond => "B/s",
            Self::Cpu => "cores",
            Self::PerSecond => "1/s",
            Self::Count => "1",
        }
    }

    /// The unit in which a value reads well: how many make one of ours, its name, and the digits that count.
    fn scale(self, value: f64) -> (f64, &'static str, usize) {
        match self {
            Self::Seconds if value < 0.1 => (1e3, "ms", 1),
            Self::Seconds if value < 1.0 => (1e3, "ms", 0),
            Self::Seconds => (1.0, "s", 2),
            Self::Bytes => (1e-6, "MB", 1),
            Self::BytesPerSecond => (1e-9, "GB/s", 2),
            Self::Cpu => (1e2, "%", 2),
            Self::PerSecond => (1.0, "/s", 0),
            Self::Count => (1.0, "", 0),
        }
    }

    fn text(self, value: f64) -> String {
        let (factor, unit, digits) = self.scale(value);
        format!("{:.digits$} {unit}", value * factor).trim_end().to_owned()
    }

    /// Median, least, most and count, all in the median's unit.
    fn summary(self, samples: &Samples) -> String {
        let median = samples.median();
        let (factor, _, digits) = self.scale(median);
        let range = match samples.count() {
            1 => String::new(),
            _ => format!("{:.digits$}-{:.digits$}, ", samples.least() * factor, samples.most() * factor),
        };
        format!("{} ({range}n={})", self.text(median), samples.count())
    }
}

/// All figures of one run.
pub(crate) struct Report {
    machine: Machine,
    figures: Vec<Figure>,
    /// Name and reason of what could not be measured.
    failures: Vec<(String, String)>,
}

const COLUMNS: usize = 6;

impl Report {
    pub(crate) fn new(machine: Machine) -> Self {
        Self { machine, figures: Vec::new(), failures: Vec::new() }
    }

    pub(crate) fn add(&mut self, figures: Vec<Figure>) {
        self.figures.extend(figures);
    }

    pub(crate) fn failed(&mut self, name: &str, fault: &Fault) {
        self.failures.push((name.to_owned(), fault.to_string()));
    }

    pub(crate) fn all_met(&self) -> bool {
        self.failures.is_empty() && self.figures.iter().all(Figure::met)
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "schema": 1,
            "machine": self.machine.json(),
            "binary_bytes": std::fs::metadata(MESHLAB).ok().map(|found| found.len()),
            "figures": self.figures.iter().map(Figure::json).collect::<Vec<_>>(),
            "not_measured": self.failures.iter().map(|(name, why)| json!({"name": name, "why": why})).collect::<Vec<_>>(),
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}; median (least-most, runs), ratio of medians; the two sides took turns\n",
            self.machine
        )?;
        let header = ["FIGURE", "MESHLAB", "ALTERNATIVE", "RATIO", "TARGET", ""].map(str::to_owned);
        let rows: Vec<_> = std::iter::once(header).chain(self.figures.iter().map(Figure::row)).collect();
        let widths: [usize; COLUMNS] = std::array::from_fn(|column| {
            rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)
        });
        for row in rows {
            let cells: Vec<_> =
                row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
            writeln!(f, "{}", cells.join("  ").trim_end())?;
        }
        writeln!(f)?;
        let mut said = "";
        for figure in &self.figures {
            if let Some((what, _)) = figure.alternative.as_ref().filter(|(what, _)| *what != said) {
                writeln!(f, "alternative of {}: {what}", figure.name)?;
                said = what;
            }
            for (what, samples) in &figure.beside {
                let measured = figure.unit.summary(samples);
                writeln!(f, "beside {}, {}: {what}: {measured}", figure.name, figure.what)?;
            }
        }
        for (name, why) in &self.failures {
            writeln!(f, "{name}: not measured: {why}")?;
        }
        if let Some(warning) = self.machine.warning() {
            writeln!(f, "warning: {warning}")?;
        }
        Ok(())
    }
}
