//! What every call costs, and how large the binary is.

use std::time::Duration;

use crate::child::{measured, stop_watch};
use crate::report::{Figure, Target, Unit};
use crate::stats::{Collector, Samples};
use crate::{MESHLAB, Result};

const DEADLINE: Duration = Duration::from_secs(10);

pub(crate) fn measure(runs: usize) -> Result<Vec<Figure>> {
    let (mut ours, mut floor) = (Collector::default(), Collector::default());
    for _ in 0..runs {
        let mut command = stop_watch(DEADLINE, MESHLAB)?;
        command.arg("--help");
        ours.add(measured(command)?.wall);
        floor.add(measured(stop_watch(DEADLINE, "true")?)?.wall);
    }
    let size = std::fs::metadata(MESHLAB)?.len();
    let size = Samples::new(vec![u32::try_from(size)?.into()]).ok_or("no size")?;
    Ok(vec![
        Figure {
            name: "help",
            what: "`meshlab --help`".to_owned(),
            unit: Unit::Seconds,
            meshlab: ours.samples()?,
            alternative: Some(("`true`, the floor of starting any program", floor.samples()?)),
            beside: Vec::new(),
            target: Target::Value(0.010),
        },
        Figure {
            name: "help",
            what: "size of the release binary".to_owned(),
            unit: Unit::Bytes,
            meshlab: size,
            alternative: None,
            beside: Vec::new(),
            target: Target::Value(20e6),
        },
    ])
}
