//! Measures CPU and memory of a lab's components from /proc, in a thread of its own.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsStr;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use procfs::process::{Process, Stat};
use tokio::sync::oneshot;

use super::component::{Membership, ProcessFacts, ServiceGroup, groups, membership};
use super::timeline::{Reading, Timeline, TimelineRecorder};
use crate::machine::state::RunDir;

/// The sampling interval.
pub const INTERVAL: Duration = Duration::from_millis(250);

/// Every so many samples, all processes are assigned to components again: a process may change by exec, and new services
/// are recorded.
const SAMPLES_PER_REVIEW: usize = 8;

/// Each process's memory is read in one of so many samples. The kernel walks all pages of the process for it, up to 50 ms
/// for a gigabyte, and this spreads the work.
const SAMPLES_PER_MEMORY_READ: usize = 8;

/// Points per curve: five minutes of samples. Curves of longer runs are coarser.
const MAX_POINTS: usize = 1200;

/// The minimum interval between two samples: the kernel counts CPU time in steps of 10 ms.
const MIN_INTERVAL: Duration = Duration::from_millis(50);

/// The component that Nomad's helper processes count for.
const NOMAD: &str = "nomad";

/// Samples a lab's components until `finish`, drop or the time limit.
#[derive(Debug)]
pub struct Sampler {
    stop: mpsc::Sender<()>,
    thread: JoinHandle<Timeline>,
}

impl Sampler {
    /// Starts to sample, for at most `limit`. Returns after the first sample, so that everything after it is counted.
    /// `own_name` is the name of this process in the result.
    pub async fn start(run: RunDir, own_name: &str, limit: Duration) -> Self {
        let (stop, stopped) = mpsc::channel();
        let (started, has_started) = oneshot::channel();
        let own_name = own_name.to_owned();
        let thread = std::thread::spawn(move || sample(&run, own_name, limit, started, &stopped));
        // An error means that the thread has already ended.
        let _ = has_started.await;
        Self { stop, thread }
    }

    /// Takes a last sample and returns the result.
    pub fn finish(self) -> Timeline {
        drop(self.stop);
        self.thread.join().unwrap_or_default()
    }
}

fn sample(
    run: &RunDir,
    own_name: String,
    limit: Duration,
    started: oneshot::Sender<()>,
    stopped: &mpsc::Receiver<()>,
) -> Timeline {
    let mut recorder = TimelineRecorder::new(MAX_POINTS);
    let mut processes = Processes::new(run, own_name);
    processes.sample();
    let _ = started.send(());
    let start = Instant::now();
    let mut last = start;
    let mut next = last + INTERVAL;
    loop {
        let wait = next.min(start + limit).saturating_duration_since(Instant::now());
        let is_stopped = stopped.recv_timeout(wait) != Err(RecvTimeoutError::Timeout);
        let now = Instant::now();
        let is_over = is_stopped || now >= start + limit;
        let elapsed = now - last;
        if !is_over || elapsed >= MIN_INTERVAL {
            let readings = processes.sample();
            recorder.record(now - start, elapsed, &readings);
            last = now;
        }
        if is_over {
            return recorder.finish();
        }
        // On a busy machine, late samples are skipped.
        next = (next + INTERVAL).max(now + MIN_INTERVAL);
    }
}

/// The processes of the lab, and of the machine, as of the last sample.
struct Processes<'a> {
    run: &'a RunDir,
    own: i32,
    own_name: String,
    tick: Duration,
    page: u64,
    groups: Vec<ServiceGroup>,
    known: HashMap<i32, Known>,
    samples: usize,
}

/// A process as of the last sample.
struct Known {
    /// Start time in clock ticks since boot.
    started: u64,
    /// Whether it was in an earlier sample, too.
    seen_before: bool,
    membership: Membership,
    /// CPU time so far, in clock ticks.
    cpu: u64,
    memory: Memory,
}

/// The memory of one process, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Memory {
    /// PSS: a page that several processes share counts in equal parts for each.
    Proportional(u64),
    /// RSS: a shared page counts in full for each process.
    Resident(u64),
}

impl Memory {
    /// PSS, or RSS if this user may not read PSS.
    fn of(pid: i32, stat: &Stat, page: u64) -> Self {
        let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"));
        let proportional = rollup.ok().as_deref().and_then(proportional);
        proportional.map_or_else(|| Self::Resident(stat.rss.saturating_mul(page)), Self::Proportional)
    }
}

/// The bytes of the line `Pss:   1234 kB` in `smaps_rollup`.
fn proportional(rollup: &str) -> Option<u64> {
    let size = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kilobytes: u64 = size.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    kilobytes.checked_mul(1024)
}

impl Known {
    fn is_outside_the_lab(&self) -> bool {
        self.seen_before && self.membership == Membership::Other
    }
}

impl<'a> Processes<'a> {
    fn new(run: &'a RunDir, own_name: String) -> Self {
        let rate = u32::try_from(procfs::ticks_per_second()).unwrap_or(100).max(1);
        Self {
            run,
            own: i32::try_from(std::process::id()).unwrap_or_default(),
            own_name,
            tick: Duration::from_secs(1) / rate,
            page: procfs::page_size(),
            groups: Vec::new(),
            known: HashMap::new(),
            samples: 0,
        }
    }

    /// What each component has used since the last sample.
    fn sample(&mut self) -> BTreeMap<String, Reading> {
        let is_first = self.samples == 0;
        let is_review = self.samples.is_multiple_of(SAMPLES_PER_REVIEW);
        self.samples += 1;
        if is_review {
            self.groups = groups(self.run.load().as_ref());
        }
        let pids = pids();
        let mut readings: BTreeMap<String, Reading> = BTreeMap::new();
        for pid in &pids {
            let known = self.known.get(pid);
            if !is_review && known.is_some_and(Known::is_outside_the_lab) {
                continue;
            }
            // The process may have ended meanwhile.
            let Some((process, stat)) = read(*pid) else { continue };
            let before = self.known.get(pid).filter(|known| known.started == stat.starttime);
            // A new process has used all its CPU time since the last sample. A process that was seen between fork and exec
            // may look like one outside the lab: its membership is decided again in the next sample.
            let cpu_before = before.map(|known| known.cpu).or((!is_first).then_some(0));
            let membership = match before {
                Some(known) if !is_review && known.seen_before => known.membership.clone(),
                _ => self.membership(*pid, &process, &stat),
            };
            let cpu = stat.utime.saturating_add(stat.stime);
            let is_due = (self.samples + pid.unsigned_abs() as usize).is_multiple_of(SAMPLES_PER_MEMORY_READ);
            // RSS is part of every sample. PSS is read when it is due, and again after the first sample: by then, the process
            // may run another program.
            let memory = match before {
                Some(Known { seen_before: true, memory: memory @ Memory::Proportional(_), .. })
                    if !is_due =>
                {
                    *memory
                }
                Some(Known { seen_before: true, memory: Memory::Resident(_), .. }) if !is_due => {
                    Memory::Resident(stat.rss.saturating_mul(self.page))
                }
                _ if membership == Membership::Other => Memory::Resident(0),
                _ => Memory::of(*pid, &stat, self.page),
            };
            if let Some(name) = component(&membership, &stat) {
                let used = cpu.saturating_sub(cpu_before.unwrap_or(cpu));
                let reading = readings.entry(name).or_default();
                reading.cpu += self.tick.saturating_mul(u32::try_from(used).unwrap_or(u32::MAX));
                let (Memory::Proportional(bytes) | Memory::Resident(bytes)) = memory;
                reading.memory = reading.memory.saturating_add(bytes);
                reading.is_resident |= matches!(memory, Memory::Resident(_));
                reading.processes += 1;
            }
            let seen_before = before.is_some();
            self.known.insert(*pid, Known { started: stat.starttime, seen_before, membership, cpu, memory });
        }
        let alive: HashSet<i32> = pids.into_iter().collect();
        self.known.retain(|pid, _| alive.contains(pid));
        readings
    }

    fn membership(&self, pid: i32, process: &Process, stat: &Stat) -> Membership {
        if pid == self.own {
            return Membership::Component(self.own_name.clone());
        }
        let facts = ProcessFacts {
            group: stat.pgrp,
            started: stat.starttime,
            environment: process.environ().unwrap_or_default(),
            arguments: process.cmdline().unwrap_or_default(),
        };
        // Children of this process are tools, not part of it.
        let parent = self.known.get(&stat.ppid).filter(|_| stat.ppid != self.own);
        let mark = OsStr::new(self.run.root().as_str());
        membership(&facts, mark, &self.groups, parent.map(|parent| &parent.membership))
    }
}

/// The component that a process counts for, if it belongs to the lab.
fn component(membership: &Membership, stat: &Stat) -> Option<String> {
    match membership {
        Membership::Component(name) => Some(name.clone()),
        Membership::Helper(_) => Some(NOMAD.to_owned()),
        // Read each time: the leader changes its name by exec.
        Membership::Unnamed => {
            let leader = if stat.pid == stat.pgrp { None } else { read(stat.pgrp) };
            Some(leader.map_or_else(|| stat.comm.clone(), |(_, leader)| leader.comm))
        }
        Membership::Other => None,
    }
}

/// Reads a process, unless it has ended.
fn read(pid: i32) -> Option<(Process, Stat)> {
    let process = Process::new(pid).ok()?;
    let stat = process.stat().ok()?;
    (!matches!(stat.state, 'Z' | 'X')).then_some((process, stat))
}

/// The pids of all processes in ascending order: mostly parents before children.
fn pids() -> Vec<i32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut pids: Vec<i32> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    pids.sort_unstable();
    pids
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command, Stdio};

    use camino::Utf8Path;

    use super::*;
    use crate::core::numbers::histogram::as_float;
    use crate::core::until::assert_soon_blocking;
    use crate::machine::state::RUN_DIR_VARIABLE;

    struct KillOnDrop(Child);

    impl Drop for KillOnDrop {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    fn process(run: &RunDir, script: &str, task: &str) -> KillOnDrop {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]).env_clear().env(RUN_DIR_VARIABLE, run.root());
        if !task.is_empty() {
            command.env("NOMAD_JOB_NAME", "job").env("NOMAD_TASK_NAME", task);
        }
        KillOnDrop(command.stdin(Stdio::null()).spawn().unwrap())
    }

    #[test]
    fn memory_is_pss_or_else_rss() {
        let rollup =
            "55d0-7ffc ---p 00000000 00:00 0 [rollup]\nRss:  900 kB\nPss:  300 kB\nPss_Dirty: 1 kB\n";
        assert_eq!(proportional(rollup), Some(300 * 1024));
        assert_eq!(proportional("Rss: 900 kB\n"), None);
        let own = i32::try_from(std::process::id()).unwrap();
        let (_, stat) = read(own).unwrap();
        let memory = Memory::of(own, &stat, procfs::page_size());
        assert!(matches!(memory, Memory::Proportional(100_000..)), "{memory:?}");
        let gone = Memory::of(i32::MAX, &stat, procfs::page_size());
        assert!(matches!(gone, Memory::Resident(100_000..)), "{gone:?}");
    }

    #[tokio::test]
    async fn busy_and_idle_components_are_measured() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir::new(Utf8Path::from_path(folder.path()).unwrap(), "127.0.0.1".parse().unwrap());
        let other = RunDir::new(Utf8Path::from_path(folder.path()).unwrap(), "127.0.0.2".parse().unwrap());
        let _idle = process(&run, "exec sleep 60", "idle");
        let _outside = process(&other, "exec sleep 60", "outside");
        let sampler = Sampler::start(run.clone(), "me", Duration::from_mins(1)).await;
        // A process that starts between two samples.
        let busy = process(&run, "while :; do :; done", "busy");
        assert_soon_blocking(|| cpu_seconds(&busy.0) >= 0.5);
        let timeline = sampler.finish();
        let component = |name: &str| timeline.components.iter().find(|one| one.name == name);
        let (busy, idle) = (component("job/busy").unwrap(), component("job/idle").unwrap());
        let used = busy.cpu.average * timeline.seconds.last().unwrap();
        assert!((0.4..5.0).contains(&used), "{timeline:?}");
        assert!(idle.cpu.average < 0.05 && idle.memory.peak > 100_000.0, "{timeline:?}");
        assert!(component("me").is_some() && component("job/outside").is_none(), "{timeline:?}");
    }

    #[tokio::test]
    async fn sampling_ends_at_the_time_limit() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir::new(Utf8Path::from_path(folder.path()).unwrap(), "127.0.0.1".parse().unwrap());
        let sampler = Sampler::start(run, "me", Duration::from_millis(300)).await;
        assert_soon_blocking(|| sampler.thread.is_finished());
        assert!(sampler.finish().samples >= 1);
    }

    fn cpu_seconds(child: &Child) -> f64 {
        let process = Process::new(i32::try_from(child.id()).unwrap()).unwrap();
        let stat = process.stat().unwrap();
        as_float(stat.utime + stat.stime) / as_float(procfs::ticks_per_second())
    }
}
