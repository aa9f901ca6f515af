//! CPU and memory of a lab's components while something else happens: a thread that looks at /proc.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsStr;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use procfs::process::{Process, Stat};

use super::component::{Facts, Group, Membership, groups, membership};
use super::timeline::{Reading, Recorder, Timeline};
use crate::state::RunDir;

/// How often the components are looked at.
pub const INTERVAL: Duration = Duration::from_millis(250);

/// Processes can change what they are, by exec, and services are recorded as they start: every so many looks,
/// everything is looked at anew.
const LOOKS_PER_REVIEW: usize = 8;

/// Five minutes of looks; beyond that, curves get coarser.
const MOST_POINTS: usize = 1200;

/// A look that comes sooner after the one before tells nothing: CPU time is counted in steps of 10 ms.
const LEAST_INTERVAL: Duration = Duration::from_millis(50);

/// Helpers of Nomad are counted with it.
const NOMAD: &str = "nomad";

/// Looks at a lab's components until it is finished or dropped.
#[derive(Debug)]
pub struct Sampler {
    stop: mpsc::Sender<()>,
    thread: JoinHandle<Timeline>,
}

impl Sampler {
    /// Starts looking. `own_name` is what this very process is called in the result.
    pub fn start(run: RunDir, own_name: &str) -> Self {
        let (stop, stopped) = mpsc::channel();
        let own_name = own_name.to_owned();
        let thread = std::thread::spawn(move || watch(&run, own_name, &stopped));
        Self { stop, thread }
    }

    /// Takes a last look and says what was seen.
    pub fn finish(self) -> Timeline {
        drop(self.stop);
        self.thread.join().unwrap_or_default()
    }
}

fn watch(run: &RunDir, own_name: String, stopped: &mpsc::Receiver<()>) -> Timeline {
    let start = Instant::now();
    let mut recorder = Recorder::new(MOST_POINTS);
    let mut watcher = Watcher::new(run, own_name);
    watcher.look();
    let mut last = Instant::now();
    let mut next = last + INTERVAL;
    loop {
        let wait = next.saturating_duration_since(Instant::now());
        let is_over = stopped.recv_timeout(wait) != Err(RecvTimeoutError::Timeout);
        let now = Instant::now();
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
    membership: Membership,
    /// In clock ticks.
    cpu: u64,
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
            let is_stranger = |known: &Known| known.membership == Membership::Stranger;
            if !is_review && self.known.get(pid).is_some_and(is_stranger) {
                continue;
            }
            // One that ends while it is looked at is no fault.
            let Some((process, stat)) = read(*pid) else { continue };
            let before = self.known.get(pid).filter(|known| known.started == stat.starttime);
            let was_member = before.is_some_and(|known| !is_stranger(known));
            // What a newcomer used, it used since the last look.
            let cpu_before =
                before.map_or(if is_first { None } else { Some(0) }, |known| was_member.then_some(known.cpu));
            let membership = match before {
                Some(known) if !is_review => known.membership.clone(),
                _ => self.membership(*pid, &process, &stat),
            };
            let cpu = stat.utime.saturating_add(stat.stime);
            if let Some(name) = self.component(&membership, &stat) {
                let used = cpu.saturating_sub(cpu_before.unwrap_or(cpu));
                let reading = readings.entry(name).or_default();
                reading.cpu += self.tick.saturating_mul(u32::try_from(used).unwrap_or(u32::MAX));
                reading.memory = reading.memory.saturating_add(stat.rss.saturating_mul(self.page));
                reading.processes += 1;
            }
            self.known.insert(*pid, Known { started: stat.starttime, membership, cpu });
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

    fn component(&self, membership: &Membership, stat: &Stat) -> Option<String> {
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
