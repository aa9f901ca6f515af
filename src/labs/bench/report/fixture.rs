//! Example reports for tests.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{BenchReport, LabFacts};
use crate::core::numbers::histogram::Distribution;
use crate::labs::bench::block::{Errors, Measurement, WrongAnswer};
use crate::labs::bench::compare::Comparison;
use crate::labs::bench::machine::MachineInfo;
use crate::labs::bench::plan::{WrkLoad, compute, direct_and_mesh};
use crate::labs::bench::timeline::{Reading, TimelineRecorder};
use crate::labs::bench::wrk::Wrk;

fn measurement(seconds: u64, base: u64) -> Measurement {
    let rows: Vec<(u64, u64)> =
        (0..40).map(|step| (base + base * step * step / 60, 4000 / (step + 1))).collect();
    let latencies = Distribution::new(rows);
    Measurement {
        duration: Duration::from_millis(seconds * 1000 + 37),
        requests: latencies.count() - 300,
        bytes: 2_345_678,
        errors: Errors::default(),
        first_wrong: None,
        latencies,
        exact: true,
    }
}

/// A run without errors, with a comparison.
pub(crate) fn report() -> BenchReport {
    let address = "127.0.0.1".parse().unwrap();
    let (load, target) = (WrkLoad::new("60s", 5, None).unwrap(), compute(address).unwrap());
    let mut recorder = TimelineRecorder::new(100);
    for sample in 1..=40_u64 {
        let names = [
            "frontendJob/frontend",
            "addsvcJob/add-svc",
            "envoyJob/envoy-add-svc",
            "consul",
            "nomad",
            "lb",
            "wrk",
        ];
        let readings: BTreeMap<String, Reading> = (1..)
            .zip(names)
            .map(|(number, name)| {
                let cpu = Duration::from_millis(10 * ((sample + number) % 7) * 4 / number);
                (
                    name.to_owned(),
                    Reading {
                        cpu,
                        memory: number * 11_000_000 + sample * 100_000,
                        is_resident: false,
                        processes: if name == "nomad" { 14 } else { 1 },
                    },
                )
            })
            .collect();
        recorder.record(Duration::from_millis(250 * sample), Duration::from_millis(250), &readings);
    }
    let mut comparison = Comparison::new(load.round(), direct_and_mesh(address).unwrap());
    for turn in comparison.turns() {
        comparison.sides[turn].rounds.push(measurement(10, if turn == 0 { 90 } else { 310 }));
    }
    BenchReport {
        measured_at: 1_770_000_000,
        command: "meshlab bench --duration 60s --connections 5 --compare direct".to_owned(),
        machine: MachineInfo {
            processor: Some("Example CPU @ 2.00GHz".to_owned()),
            cores: 2,
            memory: 8_000_000_000,
            system: "Linux 6.1.0, x86_64".to_owned(),
        },
        lab: LabFacts {
            id: "2-calculator".parse().unwrap(),
            address,
            runtime: "host".to_owned(),
            tools: vec![("consul".to_owned(), "1.22.7".to_owned()), ("wrk".to_owned(), "4.1.0".to_owned())],
        },
        load,
        wrk: Wrk::command_line(&target, &load),
        target,
        measurement: measurement(60, 2100),
        resources: recorder.finish(),
        comparison: Some(comparison),
    }
}

/// A report with errors, and with text that could break a page or a terminal.
pub(crate) fn report_with_errors() -> BenchReport {
    let mut report = report();
    report.comparison = None;
    report.measurement.errors = Errors { connect: 1, read: 2, write: 0, timeout: 3, status: 40, wrong: 5 };
    report.measurement.first_wrong = Some(WrongAnswer {
        status: 502,
        body: "<script>alert('x')</script>\u{1b}[31m & \"more\"".to_owned(),
    });
    report.lab.tools.push(("<b>".to_owned(), "\"'&".to_owned()));
    report.resources.components[0].name = "</title><script>\u{1b}[2J".to_owned();
    report.command = "meshlab bench </code>".to_owned();
    report
}
