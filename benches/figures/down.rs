//! How long it takes until nothing is left of the whole environment.

use std::time::Instant;

use crate::Result;
use crate::environment::Environment;
use crate::report::{Figure, Target, Unit};
use crate::stats::Collector;

/// The first one to be taken down may be one that another figure has used.
pub(crate) fn measure(runs: usize, mut used: Option<Environment>) -> Result<Vec<Figure>> {
    let mut wall = Collector::default();
    for _ in 0..runs {
        let environment = match used.take() {
            Some(environment) => environment,
            None => Environment::start()?,
        };
        let started = Instant::now();
        environment.meshlab(&["down"])?;
        wall.add(started.elapsed().as_secs_f64());
        environment.require_nothing_left()?;
    }
    Ok(vec![Figure {
        name: "down",
        what: "the whole environment, all jobs running".to_owned(),
        unit: Unit::Seconds,
        meshlab: wall.samples()?,
        alternative: None,
        beside: Vec::new(),
        target: Target::Value(2.0),
    }])
}
