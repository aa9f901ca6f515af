//! CPU and memory of a lab's components while something else happens: a thread that looks at /proc.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsStr;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use procfs::process::{Process, Stat};
use tokio::sync::oneshot;

use super::component::{Facts, Group, Membership, groups, membership};
use super::timeline::{Reading, Recorder, Timeline};
use crate::machine::state::RunDir;

/// How often the components are looked at.
pub const INTERVAL: Duration = Duration::from_millis(250);

/// Processes can change what they are, by exec, and services are recorded as they start: every so many looks,
/// everything is looked at anew.
const LOOKS_PER_REVIEW: usize = 8;

/// To read a process's memory, the kernel walks all of its pages: up to 50 ms for a gigabyte. Each process is read in one of
/// so many looks, which spreads the work.
const LOOKS_PER_MEMORY_READ: usize = 8;

/// Five minutes of looks; beyond that, curves get coarser.
const MOST_POINTS: usize = 1200;

/// A look that comes sooner after the one before tells nothing: CPU time is counted in steps of 10 ms.
const LEAST_INTERVAL: Duration = Duration::from_millis(50);

/// Helpers of Nomad are counted with it.
const NOMAD: &str = "nomad";

/// Looks at a lab's components until it is finished or dropped, or its time is over.
#[derive(Debug)]
pub struct Sampler {
    stop: mpsc::Sender<()>,
    thread: JoinHandle<Timeline>,
}

impl Sampler {
    /// Starts looking, for no longer than `limit`: returns after the first look, so that all that comes then is counted.
    /// `own_name` is what this very process is called in the result.
    pub async fn start(run: RunDir, own_name: &str, limit: Duration) -> Self {
        let (stop, stopped) = mpsc::channel();
        let (begun, has_begun) = oneshot::channel();
        let own_name = own_name.to_owned();
        let thread = std::thread::spawn(move || watch(&run, own_name, limit, begun, &stopped));
        // Where the thread has ended already there is nothing to wait for.
        let _ = has_begun.await;
        Self { stop, thread }
    }

    /// Takes a last look and says what was seen.
    pub fn finish(self) -> Timeline {
        drop(self.stop);
        self.thread.join().unwrap_or_default()
    }
}

fn watch(
    run: &RunDir,
    own_name: String,
    limit: Duration,
    begun: oneshot::Sender<()>,
    stopped: &mpsc::Receiver<()>,
) -> Timeline {
    let mut recorder = Recorder::new(MOST_POINTS);
    let mut watcher = Watcher::new(run, own_name);
    watcher.look();
    let _ = begun.send(());
    let start = Instant::now();
    let mut last = start;
    let mut next = last + INTERVAL;
    loop {
        let wait = next.min(start + limit).saturating_duration_since(Instant::now());
        let is_stopped = stopped.recv_timeout(wait) != Err(RecvTimeoutError::Timeout);
        let now = Instant::now();
        let is_over = is_stopped || now >= start + limit;
        let elapsed = now - last;
        if !is_over || elapsed >= LEAST_INTERVAL {
            let readings = watcher.look();
            recorder.record(now - start, elapsed, &readings);
            last = now;
        }
        if is_over {
            return recorder.finish();
        }
        // On a machine that is too busy, looks are left out, not crowded together.
        next = (next + INTERVAL).max(now + LEAST_INTERVAL);
    }
}

struct Watcher<'a> {
    run: &'a RunDir,
    own: i32,
    own_name: String,
    tick: Duration,
    page: u64,
    groups: Vec<Group>,
    known: HashMap<i32, Known>,
    looks: usize,
}

struct Known {
    started: u64,
    /// Whether this is not the first look at it.
    seen_before: bool,
    membership: Membership,
    /// In clock ticks.
    cpu: u64,
    memory: Memory,
}

/// The memory of one process, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Memory {
    /// A page that several processes share counts in equal parts for each of them (PSS).
    Proportional(u64),
    /// A shared page counts in full for each process (RSS).
    Resident(u64),
}

impl Memory {
    /// PSS, or RSS where the kernel does not let this user read the other.
    fn of(pid: i32, stat: &Stat, page: u64) -> Self {
        let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"));
        let proportional = rollup.ok().as_deref().and_then(proportional);
        proportional.map_or_else(|| Self::Resident(stat.rss.saturating_mul(page)), Self::Proportional)
    }
}

/// The bytes in the line `Pss:   1234 kB` of smaps_rollup.
fn proportional(rollup: &str) -> Option<u64> {
    let size = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kilobytes: u64 = size.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    kilobytes.checked_mul(1024)
}

impl Known {
    fn is_surely_a_stranger(&self) -> bool {
        self.seen_before && self.membership == Membership::Stranger
    }
}

impl<'a> Watcher<'a> {
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
            looks: 0,
        }
    }

    /// What each component used since the look before.
    fn look(&mut self) -> BTreeMap<String, Reading> {
        let is_first = self.looks == 0;
        let is_review = self.looks.is_multiple_of(LOOKS_PER_REVIEW);
        self.looks += 1;
        if is_review {
            self.groups = groups(self.run.load().as_ref());
        }
        let pids = pids();
        let mut readings: BTreeMap<String, Reading> = BTreeMap::new();
        for pid in &pids {
            let known = self.known.get(pid);
            if !is_review && known.is_some_and(Known::is_surely_a_stranger) {
                continue;
            }
            // One that ends while it is looked at is no fault.
            let Some((process, stat)) = read(*pid) else { continue };
            let before = self.known.get(pid).filter(|known| known.started == stat.starttime);
            // What a newcomer used, it used since the last look. One that was seen between fork and exec was taken for a
            // stranger then, and is asked again at the next look: what it used since counts as well.
            let cpu_before = before.map(|known| known.cpu).or((!is_first).then_some(0));
            let membership = match before {
                Some(known) if !is_review && known.seen_before => known.membership.clone(),
                _ => self.membership(*pid, &process, &stat),
            };
            let cpu = stat.utime.saturating_add(stat.stime);
            let is_due = (self.looks + pid.unsigned_abs() as usize).is_multiple_of(LOOKS_PER_MEMORY_READ);
            // RSS is at hand at each look. By exec, one that was seen once may have become another program.
            let memory = match before {
                Some(Known { seen_before: true, memory: memory @ Memory::Proportional(_), .. })
                    if !is_due =>
                {
                    *memory
                }
                Some(Known { seen_before: true, memory: Memory::Resident(_), .. }) if !is_due => {
                    Memory::Resident(stat.rss.saturating_mul(self.page))
                }
                _ if membership == Membership::Stranger => Memory::Resident(0),
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
        let facts = Facts {
            group: stat.pgrp,
            started: stat.starttime,
            environment: process.environ().unwrap_or_default(),
            arguments: process.cmdline().unwrap_or_default(),
        };
        // A child of this very process is no part of it: it is a tool at work.
        let parent = self.known.get(&stat.ppid).filter(|_| stat.ppid != self.own);
        let mark = OsStr::new(self.run.root().as_str());
        membership(&facts, mark, &self.groups, parent.map(|parent| &parent.membership))
    }
}

/// What a process counts for; nothing if it is none of the lab's.
fn component(membership: &Membership, stat: &Stat) -> Option<String> {
    match membership {
        Membership::Component(name) => Some(name.clone()),
        Membership::Helper(_) => Some(NOMAD.to_owned()),
        // Asked each time: by exec, the leader becomes what it was started for.
        Membership::Unnamed => {
            let leader = if stat.pid == stat.pgrp { None } else { read(stat.pgrp) };
            Some(leader.map_or_else(|| stat.comm.clone(), |(_, leader)| leader.comm))
        }
        Membership::Stranger => None,
    }
}

/// A process that is alive.
fn read(pid: i32) -> Option<(Process, Stat)> {
    let process = Process::new(pid).ok()?;
    let stat = process.stat().ok()?;
    (!matches!(stat.state, 'Z' | 'X')).then_some((process, stat))
}

/// All processes, parents mostly before their children.
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

    struct Ended(Child);

    impl Drop for Ended {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    fn process(run: &RunDir, script: &str, task: &str) -> Ended {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]).env_clear().env(RUN_DIR_VARIABLE, run.root());
        if !task.is_empty() {
            command.env("NOMAD_JOB_NAME", "job").env("NOMAD_TASK_NAME", task);
        }
        Ended(command.stdin(Stdio::null()).spawn().unwrap())
    }

    #[test]
    fn shared_pages_count_in_parts() {
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
    async fn a_busy_component_and_an_idle_one_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir::new(Utf8Path::from_path(folder.path()).unwrap(), "127.0.0.1".parse().unwrap());
        let other = RunDir::new(Utf8Path::from_path(folder.path()).unwrap(), "127.0.0.2".parse().unwrap());
        let _idle = process(&run, "exec sleep 60", "idle");
        let _stranger = process(&other, "exec sleep 60", "stranger");
        let sampler = Sampler::start(run.clone(), "me", Duration::from_mins(1)).await;
        // One that comes while the others are looked at.
        let busy = process(&run, "while :; do :; done", "busy");
        assert_soon_blocking(|| cpu_seconds(&busy.0) >= 0.5);
        let timeline = sampler.finish();
        let component = |name: &str| timeline.components.iter().find(|one| one.name == name);
        let (busy, idle) = (component("job/busy").unwrap(), component("job/idle").unwrap());
        let used = busy.cpu.average * timeline.seconds.last().unwrap();
        assert!((0.4..5.0).contains(&used), "{timeline:?}");
        assert!(idle.cpu.average < 0.05 && idle.memory.peak > 100_000.0, "{timeline:?}");
        assert!(component("me").is_some() && component("job/stranger").is_none(), "{timeline:?}");
    }

    #[tokio::test]
    async fn time_is_limited_without_anybody_to_stop_it() {
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
