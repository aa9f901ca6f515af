//! Provisioning: what the other figures need, and what it costs when there is nothing to do.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::child::{Running, measured, stop_watch};
use crate::report::{Figure, Target, Unit};
use crate::stats::Collector;
use crate::{MESHLAB, Result};

const DEADLINE: Duration = Duration::from_mins(1);
/// What is got where not even this is in place; the rest of the core set may take minutes to build.
const LEAST: [&str; 3] = ["consul", "envoy", "nginx"];

/// `meshlab`, away from any deps.lock and labs/ of a working folder: the built-in ones count.
pub(crate) fn meshlab(arguments: &[&str]) -> Command {
    let mut command = Command::new(MESHLAB);
    command.args(arguments).current_dir("/");
    command
}

/// Gets these into place, by whatever source works here. Minutes, where Consul has to be built; once.
pub(crate) fn provide(names: &[&str]) -> Result<()> {
    if names.iter().all(|name| tool(name).is_some()) {
        return Ok(());
    }
    let mut command = meshlab(&["provision"]);
    let status = Running::start(command.args(names).stdout(Stdio::null()))?.wait()?;
    if status.success() { Ok(()) } else { Err(format!("cannot provision {}", names.join(", ")).into()) }
}

/// Where a tool was unpacked, and the folder of its commands.
pub(crate) struct Tool {
    pub(crate) bin: PathBuf,
}

/// A tool that is in place, if it is.
pub(crate) fn tool(name: &str) -> Option<Tool> {
    let output = meshlab(&["--json", "deps", "path", name]).stderr(Stdio::null()).output().ok()?;
    let said: Value = serde_json::from_slice(&output.stdout).ok()?;
    Some(Tool { bin: said["bin"].as_str()?.into() })
}

/// Tools of a profile that are in place, and whether that is all of them.
fn ready(profile: &str) -> Result<(Vec<String>, bool)> {
    let output = meshlab(&["--json", "provision", "--dry-run", "--profile", profile]).output()?;
    let plan: Value = serde_json::from_slice(&output.stdout)?;
    let all = plan["artifacts"].as_array().ok_or("the plan has no artifacts")?;
    let ready: Vec<String> = all
        .iter()
        .filter(|artifact| artifact["state"] == "ready")
        .filter_map(|artifact| artifact["artifact"].as_str().map(str::to_owned))
        .collect();
    let complete = ready.len() == all.len();
    Ok((ready, complete))
}

pub(crate) fn measure(runs: usize) -> Result<Vec<Figure>> {
    provide(&LEAST)?;
    let (core, complete) = ready("core")?;
    // Where the core set is not complete, whatever is there of any other set stands in for the rest.
    let names = if complete { core } else { ready("all")?.0 };
    let set = if complete { ", the core set" } else { "" };
    let what = format!("nothing to do, {} tools{set}", names.len());
    let (mut wall, mut resident) = (Collector::default(), Collector::default());
    for _ in 0..runs {
        let mut command = stop_watch(DEADLINE, MESHLAB)?;
        command.current_dir("/").arg("provision").args(if complete { &[] } else { names.as_slice() });
        let seen = measured(command)?;
        wall.add(seen.wall);
        resident.add(seen.resident);
    }
    Ok(vec![
        Figure {
            name: "provision-noop",
            what: what.clone(),
            unit: Unit::Seconds,
            meshlab: wall.samples()?,
            alternative: None,
            beside: Vec::new(),
            target: Target::Value(0.050),
        },
        Figure {
            name: "provision-noop",
            what: "largest resident set".to_owned(),
            unit: Unit::Bytes,
            meshlab: resident.samples()?,
            alternative: None,
            beside: Vec::new(),
            target: Target::Value(30e6),
        },
    ])
}
