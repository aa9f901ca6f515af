//! How long until the calculator first answers rightly, from nothing running: meshlab, and a script by hand.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::child::{Running, first, last_lines};
use crate::environment::Environment;
use crate::provision::tool;
use crate::report::{Figure, Target, Unit};
use crate::stats::Collector;
use crate::{MESHLAB, Result};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/first-click.sh");
const FILES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/first-click");
const MESH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/labs/2-calculator/mesh.hcl");
const DEADLINE: Duration = Duration::from_mins(3);

/// `nomad job run` waits ten seconds and more for each of six jobs: three runs say enough.
const MOST_OF_THE_SLOW: usize = 3;

/// With `all`, also beside the sample's own way, which takes a minute and a half.
pub(crate) fn measure(runs: usize, all: bool) -> Result<Vec<Figure>> {
    let [mut ours, mut hurried, mut by_hand] = [(); 3].map(|()| Collector::default());
    for run in 0..runs {
        ours.add(meshlab()?);
        hurried.add(script(&["-detach"])?);
        if all && run < MOST_OF_THE_SLOW {
            by_hand.add(script(&[])?);
        }
    }
    let ours = ours.samples()?;
    let what = "from nothing running to 9, files cached".to_owned();
    let mut figures = vec![Figure {
        name: "first-click",
        what: what.clone(),
        unit: Unit::Seconds,
        meshlab: ours.clone(),
        alternative: None,
        beside: vec![(
            "benches/first-click.sh -detach, without access control, checksums, or a look at any job's health",
            hurried.samples()?,
        )],
        target: Target::Value(12.0),
    }];
    if all {
        figures.push(Figure {
            name: "first-click",
            what,
            unit: Unit::Seconds,
            meshlab: ours,
            alternative: Some((
                "benches/first-click.sh: `nomad job run` one after the other, as the sample's own script",
                by_hand.samples()?,
            )),
            beside: Vec::new(),
            target: Target::Ratio(0.5),
        });
    }
    Ok(figures)
}

/// What a person types: `meshlab up && meshlab jobs start && meshlab click`.
fn meshlab() -> Result<f64> {
    let environment = Environment::prepare()?;
    let started = Instant::now();
    environment.meshlab(&["up"])?;
    environment.meshlab(&["jobs", "start"])?;
    let said = environment.meshlab(&["click"])?;
    let took = started.elapsed();
    if !said.contains(" = 9 ") {
        return Err(format!("`meshlab click` says {said}").into());
    }
    Ok(took.as_secs_f64())
}

/// Runs the script until it says so.
fn script(options: &[&str]) -> Result<f64> {
    let environment = Environment::prepare()?;
    let bins = ["consul", "nomad", "envoy", "nginx"].map(|name| tool(name).map(|tool| tool.bin));
    let bins = bins.into_iter().collect::<Option<Vec<_>>>().ok_or("a tool is not in place")?;
    let system = ["/usr/local/bin", "/usr/bin", "/bin"].map(Path::new);
    let path = bins.iter().map(AsRef::as_ref).chain(Path::new(MESHLAB).parent()).chain(system);
    // Below the folder that `down` clears: Nomad mounts something for each task.
    let work = environment.run().root().join("by-hand");
    let temporary = work.join("temporary");
    std::fs::create_dir_all(&temporary)?;
    let mut command = Command::new("sh");
    command
        .args([SCRIPT, &environment.address().to_string(), FILES, MESH])
        .args(options)
        .current_dir(&work)
        .env_clear()
        .env("PATH", std::env::join_paths(path)?)
        .env("TMPDIR", temporary)
        .env("HOME", &work)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit());
    environment.mark(&mut command);
    let started = Instant::now();
    let mut script = Running::start(&mut command)?;
    let lines = Running::lines(script.child().stdout.take().ok_or("no standard output")?);
    let passed = first(&lines, DEADLINE, |line| line.trim() == "9");
    script.end()?;
    let logs = || {
        let log = |name: &str| std::fs::read_to_string(work.join(name)).unwrap_or_default();
        ["consul.log", "nomad.log", "nginx.log"].map(|name| last_lines(&log(name))).join(" | ")
    };
    let passed = passed.map_err(|said| format!("{SCRIPT}: {said} {}", logs()))?;
    Ok((passed - started).as_secs_f64())
}
