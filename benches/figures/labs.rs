//! Every lab from its first step to its last, as containers and as processes side by side: how long it takes, and whether it
//! passes each time, on a machine that is busy with the other.

use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::place::Place;
use crate::report::{Figure, Target, Unit};
use crate::stats::{Collector, Samples};
use crate::{Fault, Result, interrupt};

/// For one lab, in seconds, without waiting for a reader.
const MOST: f64 = 60.0;

/// The labs that measure load in one of their steps, and what they may take.
const WITH_LOAD: [&str; 2] = ["2-calculator", "6-mixed-languages"];
const MOST_WITH_LOAD: f64 = 120.0;

/// For the test of all of them, in seconds.
const MOST_FOR_TEST: f64 = 900.0;

/// What the places are, in their order.
const KINDS: [&str; 2] = ["containers", "processes"];

/// All labs, or the first one to show that it works.
pub(crate) fn measure(runs: usize, all: bool, folder: &Path) -> Result<Vec<Figure>> {
    let places = Place::both(folder);
    let names = names(&places[0])?;
    let measured = if all { names.len() } else { 1 };
    let mut labs: Vec<(String, [Collector; 2])> =
        names.into_iter().take(measured).map(|name| (name, Default::default())).collect();
    let mut failed = 0_u32;
    for round in 1..=runs {
        for (name, collectors) in &mut labs {
            let outcomes = side_by_side(&places, &["--quiet", "lab", name]);
            for ((outcome, collector), kind) in outcomes.into_iter().zip(collectors).zip(KINDS) {
                match outcome {
                    Ok(took) => collector.add(took.as_secs_f64()),
                    Err(fault) if interrupt::code().is_some() => return Err(fault.into()),
                    Err(fault) => {
                        eprintln!("{name} as {kind}, round {round}: {fault}");
                        failed += 1;
                    }
                }
            }
        }
        eprintln!("round {round} of {runs}, failed so far: {failed}");
    }
    let all = runs * labs.len() * places.len();
    let mut failures = Collector::default();
    failures.add(failed.into());
    let mut figures = vec![Figure {
        name: "labs",
        what: format!("failed, of {all} in both places"),
        unit: Unit::Count,
        meshlab: failures.samples()?,
        alternative: None,
        beside: Vec::new(),
        target: Target::Value(0.0),
    }];
    for (name, [containers, processes]) in labs {
        let most = if WITH_LOAD.contains(&name.as_str()) { MOST_WITH_LOAD } else { MOST };
        figures.push(figure("labs", name, containers.samples()?, processes.samples()?, most));
    }
    Ok(figures)
}

fn side_by_side(places: &[Place; 2], arguments: &[&str]) -> [Result<Duration, String>; 2] {
    thread::scope(|scope| {
        let run = |place| move || Place::meshlab(place, arguments).map_err(|fault: Fault| fault.to_string());
        let threads = places.each_ref().map(|place| scope.spawn(run(place)));
        threads.map(|thread| thread.join().unwrap_or_else(|_| Err("its thread panicked".to_owned())))
    })
}

/// `meshlab lab test` of all labs, where each step runs, is undone and runs again; of the first one to show that it works.
pub(crate) fn test(all: bool, folder: &Path) -> Result<Vec<Figure>> {
    let places = Place::both(folder);
    let names = names(&places[0])?;
    let tested = if all { names.len() } else { 1 };
    let mut arguments = vec!["--quiet", "lab", "test"];
    arguments.extend(names.iter().take(tested).map(String::as_str));
    let [containers, processes] = places.map(|place| {
        let mut collector = Collector::default();
        collector.add(place.meshlab(&arguments)?.as_secs_f64());
        collector.samples()
    });
    let what = format!("{tested} of {} labs", names.len());
    Ok(vec![figure("lab-test", what, containers?, processes?, MOST_FOR_TEST)])
}

fn figure(name: &'static str, what: String, containers: Samples, processes: Samples, most: f64) -> Figure {
    Figure {
        name,
        what,
        unit: Unit::Seconds,
        meshlab: containers,
        alternative: Some(("the same as processes of this machine (--runtime host)", processes)),
        beside: Vec::new(),
        target: Target::Value(most),
    }
}

/// All labs, in order.
fn names(place: &Place) -> Result<Vec<String>> {
    let output = place.command(&["--json", "lab", "list"]).output()?;
    let list: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let labs = list["labs"].as_array().ok_or("`meshlab lab list` lists nothing")?;
    Ok(labs.iter().filter_map(|lab| lab["id"].as_str()).map(str::to_owned).collect())
}
