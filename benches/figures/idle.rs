//! What meshlab itself uses while the calculator's environment runs and nobody asks it anything.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use meshlab::machine::process::find_members;
use procfs::process::Process;

use crate::environment::Environment;
use crate::report::{Figure, Target, Unit};
use crate::stats::Collector;
use crate::{Result, interrupt};

/// The package repository, and whatever else of meshlab should ever run. Its copies that are the sample's services go by
/// other names.
const OWN: &str = "meshlab";
/// What runs beside it: a name for the figure, and the names of its programs.
const BESIDE: [(&str, &[&str]); 5] = [
    ("the sample's services and its dashboard", &["add-svc", "sub-svc", "frontend", "dashboard"]),
    ("Consul", &["consul"]),
    ("Nomad and its helpers", &["nomad"]),
    ("five Envoys", &["envoy"]),
    ("nginx", &["nginx"]),
];

pub(crate) fn measure(runs: usize, time: Duration, environment: &Environment) -> Result<Vec<Figure>> {
    let mut own = Collector::default();
    let mut beside = BESIDE.map(|(what, _)| (what, Collector::default()));
    for _ in 0..runs {
        let before = ticks(environment)?;
        let started = Instant::now();
        wait(time)?;
        let after = ticks(environment)?;
        let available =
            started.elapsed().as_secs_f64() * f64::from(u32::try_from(procfs::ticks_per_second())?);
        let share = |names: &[&str]| -> Result<f64> {
            let used = after.iter().filter(|(_, (name, _))| names.contains(&name.as_str()));
            let used: u64 =
                used.map(|(id, (_, ticks))| ticks - before.get(id).map_or(0, |(_, ticks)| *ticks)).sum();
            Ok(f64::from(u32::try_from(used)?) / available)
        };
        if !after.values().any(|(name, _)| name == OWN) {
            return Err("no meshlab runs".into());
        }
        own.add(share(&[OWN])?);
        for ((_, names), (_, collector)) in BESIDE.iter().zip(&mut beside) {
            collector.add(share(names)?);
        }
    }
    let beside = beside.into_iter().map(|(what, collector)| Ok((what, collector.samples()?)));
    Ok(vec![Figure {
        name: "idle",
        what: format!("CPU of meshlab itself, {} s of nothing to do", time.as_secs()),
        unit: Unit::Cpu,
        meshlab: own.samples()?,
        alternative: None,
        beside: beside.collect::<Result<_>>()?,
        target: Target::Value(0.01),
    }])
}

/// The CPU time of every process of the environment so far, by process id and start: name, and clock ticks.
fn ticks(environment: &Environment) -> Result<BTreeMap<(i32, u64), (String, u64)>> {
    let state = environment.run().load();
    let members = find_members(environment.run(), state.as_ref())?;
    let known = members.into_iter().filter_map(|member| {
        // One that has just ended is not counted.
        let stat = Process::new(member.pid).and_then(|process| process.stat()).ok()?;
        Some(((member.pid, member.start_ticks), (member.name, stat.utime + stat.stime)))
    });
    Ok(known.collect())
}

fn wait(time: Duration) -> Result<()> {
    interrupt::until(time, || Ok(false))?;
    if interrupt::code().is_some() { Err("nothing was seen to its end".into()) } else { Ok(()) }
}
