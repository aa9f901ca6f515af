//! The report for programs.

use serde_json::{Map, Value, json};

use super::Report;
use crate::bench::block::Measurement;
use crate::bench::compare::{Comparison, percentile_ratio, ratio};
use crate::bench::histogram::PERCENTILES;

/// Grows when a program that reads it would have to change.
const SCHEMA: u32 = 1;

pub(super) fn report(report: &Report) -> Value {
    let tools: Map<String, Value> =
        report.lab.tools.iter().map(|(name, version)| (name.clone(), json!(version))).collect();
    json!({
        "schema": SCHEMA,
        "meshlab": env!("CARGO_PKG_VERSION"),
        "measured_at": report.measured_at,
        "command": report.command,
        "machine": report.machine,
        "lab": {
            "id": report.lab.id, "address": report.lab.address, "runtime": report.lab.runtime, "tools": tools,
        },
        "load": report.load,
        "target": report.target,
        "wrk": report.wrk,
        "result": result(&report.measurement, true),
        "resources": report.resources,
        "comparison": report.comparison.as_ref().map(comparison),
    })
}

fn result(measurement: &Measurement, with_distribution: bool) -> Value {
    let latencies = &measurement.latencies;
    let spread = latencies.mean_and_deviation();
    let percentiles: Map<String, Value> = PERCENTILES
        .iter()
        .map(|percent| (format!("p{percent}"), json!(latencies.percentile(*percent))))
        .collect();
    let mut latency = json!({
        "unit": "microseconds",
        "count": latencies.count(),
        "filled_in": measurement.filled_in(),
        "exact": measurement.exact,
        "least": latencies.least(),
        "mean": spread.map(|(mean, _)| mean),
        "deviation": spread.map(|(_, deviation)| deviation),
        "percentiles": percentiles,
        "most": latencies.most(),
    });
    if with_distribution && let Some(members) = latency.as_object_mut() {
        members.insert("distribution".to_owned(), json!(latencies));
    }
    json!({
        "seconds": measurement.duration.as_secs_f64(),
        "requests": measurement.requests,
        "right": measurement.right(),
        "right_per_second": measurement.rate(),
        "bytes": measurement.bytes,
        "errors": measurement.errors,
        "first_error": measurement.sample,
        "latency": latency,
    })
}

fn comparison(comparison: &Comparison) -> Value {
    let first = comparison.sides.first().map(|side| (side.target.name.clone(), side.total()));
    let sides: Vec<Value> = comparison
        .sides
        .iter()
        .map(|side| {
            let total = side.total();
            let rounds: Vec<Value> = side.rounds.iter().map(|round| result(round, false)).collect();
            let ratios = first.as_ref().filter(|(name, _)| *name != side.target.name).map(|(name, first)| {
                let latency: Map<String, Value> = PERCENTILES
                    .iter()
                    .map(|percent| (format!("p{percent}"), json!(percentile_ratio(&total, first, *percent))))
                    .collect();
                json!({"to": name, "latency": latency, "right_per_second": ratio(total.rate(), first.rate())})
            });
            json!({"target": side.target, "result": result(&total, true), "rounds": rounds, "ratio": ratios})
        })
        .collect();
    json!({"load": comparison.load, "sides": sides})
}
