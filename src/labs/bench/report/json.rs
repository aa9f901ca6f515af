//! The JSON report.

use serde_json::{Map, Value, json};

use super::BenchReport;
use crate::core::numbers::histogram::PERCENTILES;
use crate::labs::bench::block::Measurement;
use crate::labs::bench::compare::{Comparison, percentile_ratio, ratio};

/// The version of the JSON report. It grows with every incompatible change.
const SCHEMA: u32 = 1;

pub(super) fn report(report: &BenchReport) -> Value {
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
        "least": latencies.min(),
        "mean": spread.map(|(mean, _)| mean),
        "deviation": spread.map(|(_, deviation)| deviation),
        "percentiles": percentiles,
        "most": latencies.max(),
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
        "first_error": measurement.first_wrong,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labs::bench::report::fixture;

    #[test]
    fn the_json_report_has_every_figure() {
        let data = report(&fixture::report());
        assert_eq!(data["schema"], 1);
        assert_eq!(data["load"], json!({"seconds": 60, "connections": 5, "threads": 5}));
        assert_eq!(data["target"]["method"], "POST");
        assert_eq!(data["lab"]["tools"]["consul"], "1.22.7");
        let latency = &data["result"]["latency"];
        assert_eq!(latency["percentiles"]["p50"], 2100 + 2100 * 16 / 60);
        assert_eq!(latency["filled_in"], 300);
        let rows = latency["distribution"].as_array().unwrap();
        assert_eq!(
            rows.iter().map(|row| row[1].as_u64().unwrap()).sum::<u64>(),
            latency["count"].as_u64().unwrap()
        );
        let resources = &data["resources"];
        assert_eq!(resources["seconds"].as_array().unwrap().len(), 40);
        assert_eq!(resources["components"][0]["cpu_curve"].as_array().unwrap().len(), 40);
        let mesh = &data["comparison"]["sides"][1];
        assert_eq!(mesh["ratio"]["to"], "direct");
        assert!(mesh["ratio"]["latency"]["p50"].as_f64().unwrap() > 3.0, "{}", mesh["ratio"]);
        assert_eq!(mesh["rounds"].as_array().unwrap().len(), 3);
        assert_eq!(data["comparison"]["sides"][0]["ratio"], Value::Null);
    }
}
