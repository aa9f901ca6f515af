//! The costs of services in several languages, in one table.

use super::look::Look;
use super::table::{Cell, Table};
use super::text;
use crate::core::numbers::figure;
use crate::core::numbers::histogram::as_float;
use crate::core::numbers::words;
use crate::labs::bench::plan::WrkLoad;
use crate::labs::bench::service::Cost;

const MARGIN: &str = "  ";

/// Only the first of several rows of a service has its name.
pub(super) fn draw(costs: &[Cost], load: &WrkLoad, look: &Look) -> String {
    let header = ["SERVICE", "IN", "PACKAGE", "START", "MEMORY", "CPU/CALL", "p50", "p99"];
    let mut table = Table::new(header).indent(MARGIN.len());
    for column in 2..header.len() {
        table = table.right(column);
    }
    let mut last = "";
    for cost in costs {
        let (service, measurement) = (&cost.service, &cost.measurement);
        let name = if service.task == last { "" } else { service.task.as_str() };
        last = &service.task;
        let micros = |percent: f64| {
            measurement
                .latencies
                .percentile(percent)
                .map_or_else(String::new, |value| figure::micros(as_float(value)))
        };
        table.row([
            Cell::strong(name),
            service.language.clone().into(),
            figure::megabytes(as_float(service.package)).into(),
            words::duration(cost.start).into(),
            figure::megabytes(cost.memory).into(),
            figure::micros(cost.cpu).into(),
            micros(50.0).into(),
            micros(99.0).into(),
        ]);
    }
    let errors: u64 = costs.iter().map(|cost| cost.measurement.errors.total()).sum();
    let mut notes = vec![format!(
        "{} and {} each, straight to the service, after a second to warm up; errors: {errors}",
        words::count(load.effective_connections() as usize, "connection"),
        text::clock(load.duration.duration()),
    )];
    notes.push(
        "package: all that Nomad fetches for it; start: from its process to its first answer".to_owned(),
    );
    notes.push("a call of frontend is sixteen calls through the mesh; its CPU is its own".to_owned());
    let mut shown = table.render(look);
    for note in notes {
        let lines = text::wrap(&note, Some(look.prose().saturating_sub(MARGIN.len())));
        shown.push_str(&text::ended(lines.iter().map(|line| format!("{MARGIN}{}", look.paint.dim(line)))));
    }
    if look.symbols.pass.is_ascii() { shown.replace('µ', "u") } else { shown }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::app::ui::testing::look;
    use crate::core::numbers::histogram::Distribution;
    use crate::labs::bench::block::Measurement;
    use crate::labs::bench::service::MeasuredService;

    fn cost(task: &str, language: &str, package: u64, millis: u64, cpu: f64) -> Cost {
        let measurement = Measurement {
            duration: Duration::from_secs(2),
            requests: 10_000,
            latencies: Distribution::new(vec![(130, 9000), (900, 900), (4210, 100)]),
            ..Measurement::default()
        };
        let service = MeasuredService {
            job: "job".to_owned(),
            task: task.to_owned(),
            language: language.to_owned(),
            address: "127.0.0.1:9090".parse().unwrap(),
            package,
        };
        Cost { service, start: Duration::from_millis(millis), measurement, cpu, memory: 84.5e6 }
    }

    #[test]
    fn languages_stand_below_each_other() {
        let costs = [
            cost("add-svc", "Java 17", 168_100_000, 310, 151.0),
            cost("add-svc", "Rust", 12_300_000, 10, 21.4),
            cost("frontend", "node.js 24", 126_000_000, 70, 1300.0),
        ];
        let load = WrkLoad::new("2s", 1, None).unwrap();
        insta::assert_snapshot!(
            [draw(&costs, &load, &look(80)), draw(&costs, &load, &look(80).ascii())].join("\n")
        );
    }
}
