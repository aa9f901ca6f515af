//! Fetching the core set into an empty store: meshlab, and curl, sha256sum and unzip one after the other. Both from
//! one server, onto one file system.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::child::{Measured, measured, stop_watch};
use crate::fixture::{CoreSet, Packed};
use crate::nginx::Nginx;
use crate::provision::{provide, tool};
use crate::report::{Figure, Target, Unit};
use crate::stats::Collector;
use crate::{MESHLAB, Result};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/fetch-core.sh");
const DEADLINE: Duration = Duration::from_mins(2);

pub(crate) fn measure(runs: usize, folder: &Path) -> Result<Vec<Figure>> {
    provide(&["consul", "envoy", "nginx"])?;
    let (set, nginx) = prepare(folder)?;
    let nginx = Nginx::start(&nginx, folder)?;
    let sums = set.write_sums(folder)?;
    let lock = set.write_lock(folder, &nginx.base())?;
    let (mut ours, mut by_hand, mut resident) =
        (Collector::default(), Collector::default(), Collector::default());
    for _ in 0..runs {
        let seen = in_folder(&folder.join("meshlab"), |into| meshlab(&set, &lock, into))?;
        ours.add(seen.wall);
        resident.add(seen.resident);
        by_hand
            .add(in_folder(&folder.join("by-hand"), |into| script(&set, &nginx.base(), &sums, into))?.wall);
    }
    let what = format!("{} files, {} MB, empty store", set.files.len(), set.size() / 1_000_000);
    Ok(vec![
        Figure {
            name: "fetch-core",
            what,
            unit: Unit::Seconds,
            meshlab: ours.samples()?,
            alternative: Some(("benches/fetch-core.sh, with curl, sha256sum and unzip", by_hand.samples()?)),
            beside: Vec::new(),
            target: Target::Ratio(0.6),
        },
        Figure {
            name: "fetch-core",
            what: "largest resident set".to_owned(),
            unit: Unit::Bytes,
            meshlab: resident.samples()?,
            alternative: None,
            beside: Vec::new(),
            target: Target::Value(60e6),
        },
    ])
}

/// The files to serve, in `folder/served`, and the nginx that is to serve them.
fn prepare(folder: &Path) -> Result<(CoreSet, PathBuf)> {
    let program = |name: &str| tool(name).map(|tool| tool.bin.join(name));
    let needed = |name: &str| program(name).ok_or_else(|| format!("{name} is not in place"));
    let served = folder.join("served");
    fs::create_dir(&served)?;
    let (envoy, nginx) = (needed("envoy")?, needed("nginx")?);
    let mut files = vec![
        Packed::zip(&needed("consul")?, &served)?,
        Packed::raw(&envoy, &served)?,
        Packed::zip(&envoy, &served)?,
        Packed::zip(&nginx, &served)?,
    ];
    if let Some(nomad) = program("nomad") {
        files.push(Packed::zip(&nomad, &served)?);
    }
    Ok((CoreSet { files }, nginx))
}

/// One run in a new folder, with nothing left to write from before; the folder is removed again.
fn in_folder(into: &Path, run: impl FnOnce(&Path) -> Result<Measured>) -> Result<Measured> {
    fs::create_dir(into)?;
    rustix::fs::sync();
    let seen = run(into);
    fs::remove_dir_all(into)?;
    seen
}

fn meshlab(set: &CoreSet, lock: &Path, into: &Path) -> Result<Measured> {
    let mut command = watched(MESHLAB, into)?;
    for name in ["CACHE", "DATA", "STATE", "CONFIG"] {
        command.env(format!("MESHLAB_{name}_DIR"), into.join(name.to_lowercase()));
    }
    command.arg("--quiet").arg("--lock").arg(lock).arg("provision");
    let seen = measured(command)?;
    let tools = fs::read_dir(into.join("data/tools"))?.filter_map(std::result::Result::ok);
    let trees: Vec<_> = tools.map(|tool| tool.path().join("tree")).collect();
    let there = |packed: &Packed| trees.iter().any(|tree| holds(tree, packed));
    complete(set, there).map(|()| seen)
}

fn script(set: &CoreSet, base: &str, sums: &Path, into: &Path) -> Result<Measured> {
    let mut command = watched("sh", into)?;
    command.arg(SCRIPT).arg(base).arg(sums);
    let seen = measured(command)?;
    let there = |packed: &Packed| {
        holds(into, packed) || holds(&into.join(format!("{}-unpacked", packed.command)), packed)
    };
    complete(set, there).map(|()| seen)
}

/// A command with an environment of its own: no proxy, no mirror, nothing of the user's.
fn watched(program: &str, into: &Path) -> Result<Command> {
    let mut command = stop_watch(DEADLINE, program)?;
    command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", into).current_dir(into);
    Ok(command)
}

fn holds(folder: &Path, packed: &Packed) -> bool {
    fs::metadata(folder.join(&packed.command)).is_ok_and(|found| found.len() == packed.unpacked as u64)
}

fn complete(set: &CoreSet, there: impl Fn(&Packed) -> bool) -> Result<()> {
    match set.files.iter().find(|packed| !there(packed)) {
        None => Ok(()),
        Some(packed) => Err(format!("{} was not unpacked", packed.command).into()),
    }
}
