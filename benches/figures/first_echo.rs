//! How long until the first echo came through both Envoys, everything starting cold: lab 1, and a script by hand.

use std::fs::File;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::child::{Running, first, last_lines};
use crate::environment::await_free;
use crate::provision::{provide, tool};
use crate::report::{Figure, Target, Unit};
use crate::stats::Collector;
use crate::{MESHLAB, Result};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/first-echo.sh");
const CLAIM: &str = "64 random bytes come back through both Envoys";
const DEADLINE: Duration = Duration::from_mins(1);
/// What either side listens on.
const PORTS: [u16; 14] =
    [8300, 8301, 8302, 8500, 8502, 8503, 8600, 9090, 9191, 19000, 19001, 21000, 21001, 21002];

pub(crate) fn measure(runs: usize, folder: &Path) -> Result<Vec<Figure>> {
    provide(&["consul", "envoy"])?;
    let bins = ["consul", "envoy"].map(|name| tool(name).map(|tool| tool.bin));
    let [Some(consul), Some(envoy)] = bins else { return Err("consul or envoy is not in place".into()) };
    // Both sides find them in memory, also the one that comes first.
    for program in [consul.join("consul"), envoy.join("envoy"), PathBuf::from(MESHLAB)] {
        std::io::copy(&mut File::open(program)?, &mut std::io::sink())?;
    }
    let (mut ours, mut by_hand) = (Collector::default(), Collector::default());
    for _ in 0..runs {
        ours.add(lab(folder)?);
        by_hand.add(script(folder, &[consul.as_path(), envoy.as_path()])?);
    }
    Ok(vec![Figure {
        name: "first-echo",
        what: "through both Envoys, all cold".to_owned(),
        unit: Unit::Seconds,
        meshlab: ours.samples()?,
        alternative: Some(("benches/first-echo.sh, with the same consul and envoy", by_hand.samples()?)),
        beside: Vec::new(),
        target: Target::Ratio(0.25),
    }])
}

/// Runs lab 1 until that check has passed; the rest of the lab is cut short.
fn lab(folder: &Path) -> Result<f64> {
    let folder = tempfile::tempdir_in(folder)?;
    wait_for_ports()?;
    let mut command = Command::new(MESHLAB);
    command
        .args(["--json", "--offline", "lab", "1"])
        .current_dir(folder.path())
        .env("MESHLAB_STATE_DIR", folder.path().join("state"))
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let started = Instant::now();
    let mut lab = Running::start(&mut command)?;
    let events = Running::lines(lab.child().stderr.take().ok_or("no standard error")?);
    let passed = first(&events, DEADLINE, |line| {
        serde_json::from_str::<Value>(line).is_ok_and(|event| {
            event["lab"] == "check-passed"
                && event["claim"].as_str().is_some_and(|claim| claim.starts_with(CLAIM))
        })
    });
    let ended = lab.end();
    let passed = passed.map_err(|said| format!("`meshlab lab 1`: {}", last_lines(&said)))?;
    // It answers SIGTERM by an orderly take-down, unless it was done already.
    let code = ended?.code();
    if ![Some(143), Some(0)].contains(&code) {
        return Err(format!("`meshlab lab 1` ended with {code:?}").into());
    }
    Ok((passed - started).as_secs_f64())
}

/// Runs the script until it says so.
fn script(folder: &Path, bins: &[&Path]) -> Result<f64> {
    let folder = tempfile::tempdir_in(folder)?;
    wait_for_ports()?;
    let system = ["/usr/local/bin", "/usr/bin", "/bin"].map(Path::new);
    let path = bins.iter().copied().chain(Path::new(MESHLAB).parent()).chain(system);
    let mut command = Command::new("sh");
    command
        .arg(SCRIPT)
        .current_dir(folder.path())
        .env("PATH", std::env::join_paths(path)?)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit());
    let started = Instant::now();
    let mut script = Running::start(&mut command)?;
    let lines = Running::lines(script.child().stdout.take().ok_or("no standard output")?);
    let passed = first(&lines, DEADLINE, |line| line.trim() == "echo");
    script.end()?;
    let logs = || {
        let log = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap_or_default();
        ["consul.log", "envoy-client.log"].map(|name| last_lines(&log(name))).join(" | ")
    };
    let passed = passed.map_err(|said| format!("{SCRIPT}: {said} {}", logs()))?;
    Ok((passed - started).as_secs_f64())
}

/// Waits until nobody holds a port that is needed: the run before, or somebody else's lab.
fn wait_for_ports() -> Result<()> {
    await_free(DEADLINE, Ipv4Addr::LOCALHOST, &PORTS)
}
