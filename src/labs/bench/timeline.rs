//! CPU time and memory of named components over time, in bounded memory.
//!
//! Invariant: averages and peaks come from every sample; only the curves get coarser when a run is long.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::core::numbers::histogram::as_float;

/// More components than a table can show; what comes after is counted together.
const MOST_COMPONENTS: usize = 64;
const OTHERS: &str = "(others)";

/// What one component used between two looks.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Reading {
    /// User and system time.
    pub cpu: Duration,
    /// Memory at the second look, in bytes. A page that processes share counts in equal parts for each (PSS).
    pub memory: u64,
    /// Whether PSS of a process was not readable: its pages count in full (RSS).
    pub is_resident: bool,
    /// Processes at the second look.
    pub processes: usize,
}

/// Curves and figures of all components, on one time axis.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Timeline {
    /// How many looks were taken.
    pub samples: usize,
    /// The end of each point's stretch of time, in seconds since the start.
    pub seconds: Vec<f64>,
    /// The components, busiest first.
    pub components: Vec<Component>,
}

impl Timeline {
    /// How memory is counted, in a sentence or two.
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
            "{MEMORY_NOTE} Not so for {}: PSS is not readable, so it is RSS, and shared pages count in full for each process.",
            resident.join(", ")
        )
    }
}

const MEMORY_NOTE: &str =
    "Memory is PSS: a page that several processes share counts in equal parts for each of them.";

/// One component's curves and figures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Component {
    /// Its name.
    pub name: String,
    /// The most processes it had at once.
    pub processes: usize,
    /// CPU as a share of one core: 1.0 is one core busy all the time. The average is over the whole run.
    pub cpu: Usage,
    /// Memory in bytes. The average is over the looks at which it was there.
    pub memory: Usage,
    /// Whether `memory` is RSS, because PSS was not readable: pages that processes share count in full for each.
    pub memory_is_resident: bool,
    /// CPU at each point; nothing where it was not there.
    pub cpu_curve: Vec<Option<f64>>,
    /// Memory at each point, the most within its stretch of time.
    pub memory_curve: Vec<Option<f64>>,
}

/// Average and peak of one figure.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Usage {
    /// The average.
    pub average: f64,
    /// The highest single look.
    pub peak: f64,
}

/// Takes readings and keeps a bounded number of points.
#[derive(Debug)]
pub struct Recorder {
    most_points: usize,
    /// How many looks one point stands for.
    fold: usize,
    /// How many looks the last point has.
    filled: usize,
    samples: usize,
    /// End and length of each point's stretch of time, in seconds.
    points: Vec<(f64, f64)>,
    components: BTreeMap<String, Record>,
}

#[derive(Debug, Default)]
struct Record {
    /// CPU seconds and bytes per point, from the first point on; shorter than `points` if it is gone.
    curve: Vec<Option<(f64, f64)>>,
    cpu: f64,
    cpu_peak: f64,
    memory_sum: f64,
    memory_peak: f64,
    is_resident: bool,
    seen: usize,
    processes: usize,
}

impl Recorder {
    /// Keeps at most `most_points` points per component; when there are more, two become one.
    pub fn new(most_points: usize) -> Self {
        Self {
            most_points: most_points.max(2),
            fold: 1,
            filled: 0,
            samples: 0,
            points: Vec::new(),
            components: BTreeMap::new(),
        }
    }

    /// Takes what was used in a stretch of time that ended `at` and lasted `elapsed`.
    pub fn record(&mut self, at: Duration, elapsed: Duration, readings: &BTreeMap<String, Reading>) {
        let (at, elapsed) = (at.as_secs_f64(), elapsed.as_secs_f64());
        if elapsed <= 0.0 {
            return;
        }
        if let Some(last) = self.points.last_mut().filter(|_| self.filled < self.fold) {
            *last = (at, last.1 + elapsed);
            self.filled += 1;
        } else {
            if self.points.len() >= self.most_points {
                self.halve();
            }
            self.points.push((at, elapsed));
            self.filled = 1;
        }
        self.samples += 1;
        let place = self.points.len() - 1;
        for (name, reading) in readings {
            let is_known = self.components.contains_key(name) || self.components.len() < MOST_COMPONENTS;
            let record =
                self.components.entry(if is_known { name.clone() } else { OTHERS.to_owned() }).or_default();
            record.take(place, elapsed, reading);
        }
    }

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
        self.fold *= 2;
    }

    /// The curves and figures of everything that was recorded.
    pub fn finish(self) -> Timeline {
        let total: f64 = self.points.iter().map(|point| point.1).sum();
        let mut components: Vec<Component> = self
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

/// CPU adds up; of memory the most counts.
fn joined(one: (f64, f64), other: (f64, f64)) -> (f64, f64) {
    (one.0 + other.0, one.1.max(other.1))
}

impl Record {
    fn take(&mut self, place: usize, elapsed: f64, reading: &Reading) {
        let now = (reading.cpu.as_secs_f64(), as_float(reading.memory));
        if self.curve.len() <= place {
            self.curve.resize(place + 1, None);
        }
        if let Some(point) = self.curve.get_mut(place) {
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

    fn finish(mut self, name: String, points: &[(f64, f64)], total: f64) -> Component {
        self.curve.resize(points.len(), None);
        let share = |(used, point): (&Option<(f64, f64)>, &(f64, f64))| used.map(|used| used.0 / point.1);
        Component {
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

    fn record(recorder: &mut Recorder, look: u64, readings: &[(&str, Reading)]) {
        let readings = readings.iter().map(|(name, reading)| ((*name).to_owned(), *reading)).collect();
        recorder.record(Duration::from_millis(250 * look), Duration::from_millis(250), &readings);
    }

    #[test]
    fn averages_peaks_and_gaps() {
        let mut recorder = Recorder::new(100);
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
    fn a_long_run_gets_coarser_and_keeps_its_figures() {
        let looks = 1001;
        let mut recorder = Recorder::new(10);
        for look in 1..=looks {
            record(&mut recorder, look, &[("a", reading(if look == 500 { 250 } else { 25 }, look))]);
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
    fn there_are_never_too_many_components() {
        let mut recorder = Recorder::new(10);
        let many: BTreeMap<String, Reading> =
            (0..200).map(|number| (format!("c{number}"), reading(25, 1))).collect();
        recorder.record(Duration::from_millis(250), Duration::from_millis(250), &many);
        let timeline = recorder.finish();
        assert_eq!(timeline.components.len(), MOST_COMPONENTS + 1);
        let cpu: f64 = timeline.components.iter().map(|one| one.cpu.average).sum();
        assert!((cpu - 20.0).abs() < 1e-6, "{cpu}");
    }

    #[test]
    fn nothing_recorded_is_no_fault() {
        assert_eq!(Recorder::new(0).finish(), Timeline::default());
    }
}
