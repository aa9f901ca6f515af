//! CPU and memory of components over time, in bounded memory.
//!
//! Invariant: averages and peaks come from every sample. Only the curves of a long run get coarser.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::core::numbers::histogram::as_float;

/// The limit of components. Further ones are counted together as [`OTHERS`].
const MAX_COMPONENTS: usize = 64;
const OTHERS: &str = "(others)";

/// What one component used between two samples.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Reading {
    /// User and system time.
    pub cpu: Duration,
    /// Memory at the second sample, in bytes (PSS).
    pub memory: u64,
    /// Whether `memory` has the RSS of a process, because its PSS was not readable.
    pub is_resident: bool,
    /// Processes at the second sample.
    pub processes: usize,
}

/// CPU and memory of all components over time.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Timeline {
    /// The number of samples.
    pub samples: usize,
    /// The end of each point's time span, in seconds since the start.
    pub seconds: Vec<f64>,
    /// The components, busiest first.
    pub components: Vec<ComponentUsage>,
}

impl Timeline {
    /// A note for the reader on how memory is counted.
    pub fn memory_note(&self) -> String {
        let resident: Vec<&str> = self
            .components
            .iter()
            .filter(|one| one.memory_is_resident)
            .map(|one| one.name.as_str())
            .collect();
        if resident.is_empty() {
            return MEMORY_NOTE.to_owned();
        }
        format!(
            "{MEMORY_NOTE} Exceptions: {}. Their PSS is not readable, so it is RSS, which counts shared pages in full for each process.",
            resident.join(", ")
        )
    }
}

const MEMORY_NOTE: &str =
    "Memory is PSS: a page that several processes share counts in equal parts for each of them.";

/// CPU and memory of one component over time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComponentUsage {
    /// The component's name.
    pub name: String,
    /// The highest number of processes in a sample.
    pub processes: usize,
    /// CPU as a share of one core: 1.0 is one busy core. The average is over the whole run.
    pub cpu: Usage,
    /// Memory in bytes. The average is over the samples that have the component.
    pub memory: Usage,
    /// Whether `memory` has the RSS of a process, because its PSS was not readable.
    pub memory_is_resident: bool,
    /// CPU at each point. `None` if the component did not run.
    pub cpu_curve: Vec<Option<f64>>,
    /// The highest memory in each point's time span. `None` if the component did not run.
    pub memory_curve: Vec<Option<f64>>,
}

/// Average and peak.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Usage {
    /// The average of all samples.
    pub average: f64,
    /// The highest sample.
    pub peak: f64,
}

/// Collects readings into a bounded number of points.
#[derive(Debug)]
pub struct TimelineRecorder {
    max_points: usize,
    /// How many samples one point has.
    samples_per_point: usize,
    /// How many samples the last point has so far.
    samples_in_last: usize,
    samples: usize,
    /// End and length of each point's time span, in seconds.
    points: Vec<(f64, f64)>,
    components: BTreeMap<String, ComponentRecord>,
}

#[derive(Debug, Default)]
struct ComponentRecord {
    /// CPU seconds and bytes of each point. Shorter than `points` if the component has ended.
    curve: Vec<Option<(f64, f64)>>,
    cpu: f64,
    cpu_peak: f64,
    memory_sum: f64,
    memory_peak: f64,
    is_resident: bool,
    seen: usize,
    processes: usize,
}

impl TimelineRecorder {
    /// Keeps at most `max_points` points. When there are more, pairs of points are joined.
    pub fn new(max_points: usize) -> Self {
        Self {
            max_points: max_points.max(2),
            samples_per_point: 1,
            samples_in_last: 0,
            samples: 0,
            points: Vec::new(),
            components: BTreeMap::new(),
        }
    }

    /// Adds the readings of a time span that ended at `at`, since the start, and lasted `elapsed`.
    pub fn record(&mut self, at: Duration, elapsed: Duration, readings: &BTreeMap<String, Reading>) {
        let (at, elapsed) = (at.as_secs_f64(), elapsed.as_secs_f64());
        if elapsed <= 0.0 {
            return;
        }
        if let Some(last) = self.points.last_mut().filter(|_| self.samples_in_last < self.samples_per_point) {
            *last = (at, last.1 + elapsed);
            self.samples_in_last += 1;
        } else {
            if self.points.len() >= self.max_points {
                self.halve();
            }
            self.points.push((at, elapsed));
            self.samples_in_last = 1;
        }
        self.samples += 1;
        let point = self.points.len() - 1;
        for (name, reading) in readings {
            let is_known = self.components.contains_key(name) || self.components.len() < MAX_COMPONENTS;
            let record =
                self.components.entry(if is_known { name.clone() } else { OTHERS.to_owned() }).or_default();
            record.add(point, elapsed, reading);
        }
    }

    /// Joins pairs of points.
    fn halve(&mut self) {
        self.points = self
            .points
            .chunks(2)
            .map(|pair| (pair.last().map_or(0.0, |point| point.0), pair.iter().map(|point| point.1).sum()))
            .collect();
        for record in self.components.values_mut() {
            record.curve =
                record.curve.chunks(2).map(|pair| pair.iter().flatten().copied().reduce(joined)).collect();
        }
        self.samples_per_point *= 2;
    }

    /// The result, busiest components first.
    pub fn finish(self) -> Timeline {
        let total: f64 = self.points.iter().map(|point| point.1).sum();
        let mut components: Vec<ComponentUsage> = self
            .components
            .into_iter()
            .map(|(name, record)| record.finish(name, &self.points, total))
            .collect();
        components.sort_by(|one, other| {
            other.cpu.average.total_cmp(&one.cpu.average).then(one.name.cmp(&other.name))
        });
        Timeline {
            samples: self.samples,
            seconds: self.points.iter().map(|point| point.0).collect(),
            components,
        }
    }
}

/// Joins two samples: the sum of CPU seconds, the maximum of memory.
fn joined(one: (f64, f64), other: (f64, f64)) -> (f64, f64) {
    (one.0 + other.0, one.1.max(other.1))
}

impl ComponentRecord {
    fn add(&mut self, index: usize, elapsed: f64, reading: &Reading) {
        let now = (reading.cpu.as_secs_f64(), as_float(reading.memory));
        if self.curve.len() <= index {
            self.curve.resize(index + 1, None);
        }
        if let Some(point) = self.curve.get_mut(index) {
            *point = Some(point.map_or(now, |before| joined(before, now)));
        }
        self.cpu += now.0;
        self.cpu_peak = self.cpu_peak.max(now.0 / elapsed);
        self.memory_sum += now.1;
        self.memory_peak = self.memory_peak.max(now.1);
        self.is_resident |= reading.is_resident;
        self.seen += 1;
        self.processes = self.processes.max(reading.processes);
    }

    fn finish(mut self, name: String, points: &[(f64, f64)], total: f64) -> ComponentUsage {
        self.curve.resize(points.len(), None);
        let share = |(used, point): (&Option<(f64, f64)>, &(f64, f64))| used.map(|used| used.0 / point.1);
        ComponentUsage {
            name,
            processes: self.processes,
            cpu: Usage { average: self.cpu / total.max(f64::MIN_POSITIVE), peak: self.cpu_peak },
            memory: Usage {
                average: self.memory_sum / as_float(self.seen.max(1) as u64),
                peak: self.memory_peak,
            },
            memory_is_resident: self.is_resident,
            cpu_curve: self.curve.iter().zip(points).map(share).collect(),
            memory_curve: self.curve.iter().map(|used| used.map(|used| used.1)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(millis: u64, memory: u64) -> Reading {
        Reading { cpu: Duration::from_millis(millis), memory, is_resident: false, processes: 1 }
    }

    fn record(recorder: &mut TimelineRecorder, sample: u64, readings: &[(&str, Reading)]) {
        let readings = readings.iter().map(|(name, reading)| ((*name).to_owned(), *reading)).collect();
        recorder.record(Duration::from_millis(250 * sample), Duration::from_millis(250), &readings);
    }

    #[test]
    fn averages_peaks_and_gaps() {
        let mut recorder = TimelineRecorder::new(100);
        record(&mut recorder, 1, &[("a", reading(250, 10)), ("b", reading(0, 5))]);
        record(&mut recorder, 2, &[("b", reading(0, 7))]);
        record(&mut recorder, 3, &[("a", reading(125, 30)), ("b", reading(25, 6))]);
        record(&mut recorder, 4, &[]);
        let timeline = recorder.finish();
        assert_eq!(timeline.seconds, [0.25, 0.5, 0.75, 1.0]);
        let names: Vec<&str> = timeline.components.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        let a = &timeline.components[0];
        assert_eq!(a.cpu, Usage { average: 0.375, peak: 1.0 });
        assert_eq!(a.memory, Usage { average: 20.0, peak: 30.0 });
        assert_eq!(a.cpu_curve, [Some(1.0), None, Some(0.5), None]);
        assert_eq!(a.memory_curve, [Some(10.0), None, Some(30.0), None]);
    }

    #[test]
    fn curves_of_a_long_run_get_coarser() {
        let samples = 1001;
        let mut recorder = TimelineRecorder::new(10);
        for sample in 1..=samples {
            record(&mut recorder, sample, &[("a", reading(if sample == 500 { 250 } else { 25 }, sample))]);
        }
        let timeline = recorder.finish();
        let a = &timeline.components[0];
        assert!(timeline.seconds.len() <= 10 && a.cpu_curve.len() == timeline.seconds.len(), "{timeline:?}");
        assert_eq!((timeline.samples, timeline.seconds.last()), (1001, Some(&250.25)));
        let average = (0.1 * 1000.0 + 1.0) / 1001.0;
        assert!((a.cpu.average - average).abs() < 1e-9 && (a.cpu.peak - 1.0).abs() < 1e-9, "{a:?}");
        assert!(a.memory_curve.iter().flatten().any(|memory| (memory - 1001.0).abs() < 1e-9));
        assert!(a.cpu_curve.iter().flatten().all(|cpu| (0.0999..0.2).contains(cpu)), "{a:?}");
    }

    #[test]
    fn the_number_of_components_is_limited() {
        let mut recorder = TimelineRecorder::new(10);
        let many: BTreeMap<String, Reading> =
            (0..200).map(|number| (format!("c{number}"), reading(25, 1))).collect();
        recorder.record(Duration::from_millis(250), Duration::from_millis(250), &many);
        let timeline = recorder.finish();
        assert_eq!(timeline.components.len(), MAX_COMPONENTS + 1);
        let cpu: f64 = timeline.components.iter().map(|one| one.cpu.average).sum();
        assert!((cpu - 20.0).abs() < 1e-6, "{cpu}");
    }

    #[test]
    fn a_recorder_without_readings_is_empty() {
        assert_eq!(TimelineRecorder::new(0).finish(), Timeline::default());
    }
}
