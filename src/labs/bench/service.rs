//! Figures of each sample service on its own, for `meshlab bench --services`: found by the `meta` of its Nomad job.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use hyper::Method;
use serde::Serialize;
use serde_json::Value;

use super::block::Measurement;
use super::plan::{EXPRESSION, RESULT, Target};
use super::timeline::Timeline;
use crate::core::failure::Result;
use crate::core::numbers::histogram::as_float;

/// A Nomad task whose job names its language and address (`meta`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeasuredService {
    /// The Nomad job.
    pub job: String,
    /// The task, which has the name of the service.
    pub task: String,
    /// The language with its version, for example `Java 17`.
    pub language: String,
    /// The address on which it listens.
    pub address: SocketAddr,
    /// The size of all artifacts of its task group, in bytes.
    pub package: u64,
}

/// The figures of a service.
#[derive(Debug, Clone, PartialEq)]
pub struct Cost {
    /// The service.
    pub service: MeasuredService,
    /// Time from the start of its process to its first answer.
    pub start: Duration,
    /// The result of the load test.
    pub measurement: Measurement,
    /// CPU time per call, in microseconds.
    pub cpu: f64,
    /// Peak memory, in bytes.
    pub memory: f64,
}

/// The services of a Nomad job. `sizes` has the size of each package by its path in the package repository.
pub fn services(job: &Value, sizes: &BTreeMap<String, u64>) -> Vec<MeasuredService> {
    let text =
        |value: &Value, pointer: &str| value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let list = |value: &Value, name: &str| value.get(name).and_then(Value::as_array).cloned();
    let mut found = Vec::new();
    for group in list(job, "TaskGroups").unwrap_or_default() {
        let tasks = list(&group, "Tasks").unwrap_or_default();
        let artifacts = tasks.iter().flat_map(|task| list(task, "Artifacts").unwrap_or_default());
        let package =
            artifacts.filter_map(|artifact| size_of(&text(&artifact, "/GetterSource")?, sizes)).sum();
        let service = |task: &Value| {
            Some(MeasuredService {
                job: text(job, "/ID")?,
                task: text(task, "/Name")?,
                language: text(task, "/Meta/language")?,
                address: text(task, "/Meta/address")?.parse().ok()?,
                package,
            })
        };
        found.extend(tasks.iter().filter_map(service));
    }
    found
}

/// The size of the package at `http://.../<package>/<file>`.
fn size_of(source: &str, sizes: &BTreeMap<String, u64>) -> Option<u64> {
    let mut parts = source.rsplitn(3, '/');
    let (file, package) = (parts.next()?, parts.next()?);
    sizes.get(&format!("{package}/{file}")).copied()
}

impl MeasuredService {
    /// Its component name in a [`Timeline`].
    pub fn component(&self) -> String {
        format!("{}/{}", self.job, self.task)
    }

    /// The call for its load test. `None` if it is not a service of the calculator.
    pub fn target(&self) -> Result<Option<Target>> {
        let name = format!("{} in {}", self.task, self.language);
        let execute = |l: u32| {
            let path = format!("/api/v1/execute/?l={l}&r=1");
            Target::new(&name, Method::GET, self.address, &path, None, "2")
        };
        match self.task.as_str() {
            "add-svc" => execute(1).map(Some),
            "sub-svc" => execute(3).map(Some),
            "frontend" => {
                let body = serde_json::json!({ "expression": EXPRESSION }).to_string();
                let answer = format!("{{\"result\":{RESULT}}}");
                Target::new(&name, Method::POST, self.address, "/api/v1/compute", Some(body), &answer)
                    .map(Some)
            }
            _ => Ok(None),
        }
    }
}

impl Cost {
    /// The figures of one load test.
    pub fn of(
        service: MeasuredService,
        start: Duration,
        measurement: Measurement,
        resources: &Timeline,
    ) -> Self {
        let name = service.component();
        let used = resources.components.iter().find(|component| component.name == name);
        let seconds = resources.seconds.last().copied().unwrap_or_default();
        let calls = as_float(measurement.requests.max(1));
        Self {
            cpu: used.map_or(0.0, |used| used.cpu.average * seconds * 1e6 / calls),
            memory: used.map_or(0.0, |used| used.memory.peak),
            service,
            start,
            measurement,
        }
    }

    /// The figures as JSON.
    pub fn json(&self) -> Value {
        #[derive(Serialize)]
        struct Row<'a> {
            service: &'a str,
            language: &'a str,
            job: &'a str,
            address: SocketAddr,
            package_bytes: u64,
            start_millis: u64,
            memory_bytes: f64,
            cpu_micros_per_call: f64,
            p50_micros: Option<u64>,
            p99_micros: Option<u64>,
            calls: u64,
            calls_per_second: f64,
            errors: u64,
        }
        let latencies = &self.measurement.latencies;
        serde_json::to_value(Row {
            service: &self.service.task,
            language: &self.service.language,
            job: &self.service.job,
            address: self.service.address,
            package_bytes: self.service.package,
            start_millis: u64::try_from(self.start.as_millis()).unwrap_or(u64::MAX),
            memory_bytes: self.memory,
            cpu_micros_per_call: self.cpu,
            p50_micros: latencies.percentile(50.0),
            p99_micros: latencies.percentile(99.0),
            calls: self.measurement.requests,
            calls_per_second: self.measurement.rate(),
            errors: self.measurement.errors.total(),
        })
        .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::labs::bench::timeline::{ComponentUsage, Usage};

    fn job() -> Value {
        let artifact =
            |path: &str| json!({"GetterSource": format!("http://127.0.0.1:8088/public/pkgs/{path}")});
        let meta = json!({"language": "Java 17", "address": "127.0.0.1:9090"});
        json!({"ID": "addsvcJob", "TaskGroups": [
            {"Tasks": [
                {"Name": "compile", "Artifacts": [artifact("java/java-17.tar"), artifact("add-svc/Add.java")]},
                {"Name": "add-svc", "Artifacts": null, "Meta": meta},
            ]},
            {"Tasks": [
                {"Name": "other", "Meta": {"language": "C"}, "Artifacts": [artifact("c/c")]},
                {"Name": "none", "Meta": null},
            ]},
        ]})
    }

    #[test]
    fn a_service_has_the_artifacts_of_its_group() {
        let sizes = [("java/java-17.tar", 100), ("add-svc/Add.java", 7), ("c/c", 1)];
        let sizes = sizes.map(|(path, size)| (path.to_owned(), size)).into();
        let found = services(&job(), &sizes);
        let [service] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((service.component().as_str(), service.package), ("addsvcJob/add-svc", 107));
        let target = service.target().unwrap().unwrap();
        assert_eq!(target.url.as_str(), "http://127.0.0.1:9090/api/v1/execute/?l=1&r=1");
        assert_eq!(services(&json!({}), &sizes), []);
        let strange = MeasuredService { task: "dashboard".to_owned(), ..service.clone() };
        assert_eq!(strange.target().unwrap(), None);
    }

    #[test]
    fn cpu_is_divided_by_the_calls() {
        let service = services(&job(), &BTreeMap::new()).remove(0);
        let component = |name: &str| ComponentUsage {
            name: name.to_owned(),
            processes: 1,
            cpu: Usage { average: 0.5, peak: 1.0 },
            memory: Usage { average: 10.0, peak: 20.0 },
            memory_is_resident: false,
            cpu_curve: Vec::new(),
            memory_curve: Vec::new(),
        };
        let resources = Timeline {
            samples: 8,
            seconds: vec![1.0, 2.0],
            components: vec![component("x/y"), component("addsvcJob/add-svc")],
        };
        let measurement = Measurement { requests: 1000, ..Measurement::default() };
        let cost = Cost::of(service, Duration::from_millis(310), measurement, &resources);
        assert!((cost.cpu - 1000.0).abs() < 1e-9 && (cost.memory - 20.0).abs() < 1e-9, "{cost:?}");
        assert_eq!(cost.json()["start_millis"], 310);
    }
}
