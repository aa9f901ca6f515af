//! The summary of provisioning: the source of each tool, and the sources that failed.

use std::time::Duration;

use super::look::Look;
use super::table::{Cell, Table};
use super::text;
use crate::core::event::{ProvisionOutcome, ProvisionRow};
use crate::core::model::ByteSize;
use crate::core::numbers::words;

/// One line if there was nothing to do, else a row per tool, the failed sources if a tool failed, and the total. A source that
/// failed before another one delivered was reported when it failed.
pub(super) fn summary(rows: &[ProvisionRow], took: Duration, margin: &str, look: &Look) -> Vec<String> {
    let count = Count::of(rows);
    if count.ready == rows.len() {
        let time = look.paint.dim(&words::duration(took));
        let pass = look.paint.good(look.symbols.pass);
        return vec![format!("{margin}{pass} {} in place  {time}", words::count(rows.len(), "tool"))];
    }
    let mut lines = vec![String::new()];
    lines.extend(table(rows).indent(margin.len()).render(look).lines().map(str::to_owned));
    if count.failed > 0 {
        lines.extend(earlier(rows, margin, look));
    }
    lines.push(String::new());
    lines.push(format!("{margin}{}", count.sentence(took, look)));
    lines
}

fn table(rows: &[ProvisionRow]) -> Table {
    let mut table = Table::new(["tool", "version", "from", "size", "time"]).right(3).right(4);
    for row in rows {
        let (from, size, time) = match &row.outcome {
            ProvisionOutcome::Ready => (Cell::dim("in place"), String::new(), String::new()),
            ProvisionOutcome::Installed { from, fetched, took }
            | ProvisionOutcome::Stored { from, fetched, took } => {
                (Cell::from(from.as_str()), fetched.to_string(), words::duration(*took))
            }
            ProvisionOutcome::Failed { .. } => (Cell::bad("failed"), String::new(), String::new()),
        };
        let (name, version) = (Cell::strong(row.artifact.as_str()), Cell::from(row.version.as_str()));
        table.row([name, version, from, Cell::dim(size), Cell::dim(time)]);
    }
    table
}

/// The sources that failed, and why; for a tool without sources, its own failure.
fn earlier(rows: &[ProvisionRow], margin: &str, look: &Look) -> Vec<String> {
    let mut reasons: Vec<(&str, &str, String)> = Vec::new();
    for row in rows {
        let name = row.artifact.as_str();
        reasons
            .extend(row.earlier.iter().map(|source| (name, source.from.as_str(), source.failure.one_line())));
        if let ProvisionOutcome::Failed { failure } = &row.outcome
            && row.earlier.is_empty()
        {
            reasons.push((name, "", failure.one_line()));
        }
    }
    if reasons.is_empty() {
        return Vec::new();
    }
    let names = reasons.iter().map(|(name, ..)| text::width(name)).max().unwrap_or(0);
    let sources = reasons.iter().map(|(_, from, _)| text::width(from)).max().unwrap_or(0);
    let mut lines = vec![String::new(), format!("{margin}{}", look.paint.dim("sources that failed"))];
    for (name, from, reason) in reasons {
        let start = format!("{margin}{}  {}  ", text::pad(name, names), text::pad(from, sources));
        let wrapped = text::hanging(&start, &text::clean(&reason), look.columns());
        lines.extend(wrapped.iter().map(|line| look.paint.dim(line)));
    }
    lines
}

#[derive(Default)]
struct Count {
    ready: usize,
    installed: usize,
    stored: usize,
    failed: usize,
    fetched: u64,
}

impl Count {
    fn of(rows: &[ProvisionRow]) -> Self {
        rows.iter().fold(Self::default(), |mut count, row| {
            match &row.outcome {
                ProvisionOutcome::Ready => count.ready += 1,
                ProvisionOutcome::Failed { .. } => count.failed += 1,
                ProvisionOutcome::Installed { fetched, .. } => {
                    count.installed += 1;
                    count.fetched = count.fetched.saturating_add(fetched.0);
                }
                ProvisionOutcome::Stored { fetched, .. } => {
                    count.stored += 1;
                    count.fetched = count.fetched.saturating_add(fetched.0);
                }
            }
            count
        })
    }

    /// `✔ 3 installed, 5 in place  211 MB in 14.2 s`
    fn sentence(&self, took: Duration, look: &Look) -> String {
        let parts = [
            (self.installed, "installed"),
            (self.stored, "stored"),
            (self.ready, "in place"),
            (self.failed, "failed"),
        ];
        let words: Vec<String> = parts
            .iter()
            .filter(|(number, _)| *number > 0)
            .map(|(number, what)| format!("{number} {what}"))
            .collect();
        let symbol = if self.failed == 0 {
            look.paint.good(look.symbols.pass)
        } else {
            look.paint.bad(look.symbols.fail)
        };
        let effort = format!("{} in {}", ByteSize(self.fetched), words::duration(took));
        format!("{symbol} {}  {}", words.join(", "), look.paint.dim(&effort))
    }
}
