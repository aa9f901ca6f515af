//! The environment as containers beside the same as processes: brought up with the images loaded, brought up again with
//! nothing to do, and taken down with all jobs running.

use std::path::Path;

use crate::Result;
use crate::place::Place;
use crate::report::{Figure, Target, Unit};
use crate::stats::Collector;

pub(crate) fn measure(runs: usize, folder: &Path) -> Result<Vec<Figure>> {
    let [containers, processes] = Place::both(folder);
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
