//! The environment as containers beside the same as processes: brought up with the images loaded, brought up again with
//! nothing to do, and taken down with all jobs running.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Pid;

use crate::child::last_lines;
use crate::interrupt::Registered;
use crate::report::{Figure, Target, Unit};
use crate::stats::Collector;
use crate::{MESHLAB, Result};

/// Away from the addresses where somebody's own labs may be.
const CONTAINERS: &str = "10.231.31.150";
const PROCESSES: &str = "127.0.0.32";

pub(crate) fn measure(runs: usize, folder: &Path) -> Result<Vec<Figure>> {
    let containers = Place { address: CONTAINERS, state: folder.join("c") };
    let processes = Place { address: PROCESSES, state: folder.join("p") };
    // The images are loaded and the tools are in place before anything is measured.
    containers.meshlab(&["up"])?;
    containers.meshlab(&["down"])?;
    let [mut up, mut again, mut down, mut beside] = [(); 4].map(|()| Collector::default());
    for _ in 0..runs {
        up.add(containers.meshlab(&["up"])?.as_secs_f64());
        again.add(containers.meshlab(&["up"])?.as_secs_f64());
        containers.meshlab(&["jobs", "start"])?;
        down.add(containers.meshlab(&["down"])?.as_secs_f64());
        beside.add(processes.meshlab(&["up"])?.as_secs_f64());
        processes.meshlab(&["down"])?;
    }
    let figure = |what: &str, samples, alternative, target| Figure {
        name: "containers",
        what: what.to_owned(),
        unit: Unit::Seconds,
        meshlab: samples,
        alternative,
        beside: Vec::new(),
        target,
    };
    let as_processes = Some(("the same as processes of this machine (--runtime host)", beside.samples()?));
    Ok(vec![
        figure("up to ready, images loaded", up.samples()?, as_processes, Target::Ratio(1.3)),
        figure("up with nothing to do", again.samples()?, None, Target::Value(0.3)),
        figure("down, all jobs running", down.samples()?, None, Target::Value(3.0)),
    ])
}

/// A place for one environment; whatever runs there is taken down when this is dropped.
struct Place {
    address: &'static str,
    state: PathBuf,
}

impl Place {
    /// How long it took. It has deadlines of its own.
    fn meshlab(&self, arguments: &[&str]) -> Result<Duration> {
        let started = Instant::now();
        let child = self.command(arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let registered = Registered::new(Pid::from_child(&child));
        let output = child.wait_with_output()?;
        let took = started.elapsed();
        drop(registered);
        if output.status.success() {
            return Ok(took);
        }
        let said = last_lines(&String::from_utf8_lossy(&output.stderr));
        Err(format!("`meshlab {}`: {}: {said}", arguments.join(" "), output.status).into())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(MESHLAB);
        command
            .args(["--offline", "--address", self.address])
            .args(arguments)
            .current_dir("/")
            .env("MESHLAB_STATE_DIR", &self.state)
            .stdin(Stdio::null());
        command
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Ok(output) = self.command(&["down"]).output()
            && !output.status.success()
        {
            let said = last_lines(&String::from_utf8_lossy(&output.stderr));
            eprintln!("warning: the environment on {} was not taken down: {said}", self.address);
        }
    }
}
