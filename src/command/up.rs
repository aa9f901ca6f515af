//! `meshlab up`: the single-VM environment without a lab's steps; run again, it mends what has ended.

use std::time::{Duration, Instant};

use crate::cli::{RuntimeChoice, Settings, UpArgs};
use crate::event::{Event, RuntimeEvent, SharedReporter};
use crate::failure::{Failure, Result};
use crate::lab::{Catalog, Lab, Session};
use crate::lockfile::Lock;
use crate::runtime::ports;
use crate::signals::interrupted;
use crate::state::RunDir;
use crate::vm::Component;

/// How long one component may take to be ready.
const PATIENCE: Duration = Duration::from_mins(1);

/// Starts what does not run. What was begun from nothing is taken down again if it does not come up.
pub async fn run(args: &UpArgs, settings: &Settings, lock: &Lock, reporter: &SharedReporter) -> Result<()> {
    let lab = Catalog::find(&settings.work_dir)?.lab(&args.lab)?.at(settings.address);
    if settings.runtime == RuntimeChoice::Docker {
        return Err(super::lab::no_containers());
    }
    if lab.environment.is_none() {
        return Err(Failure::usage(format!("lab {} has no environment", lab.id))
            .hint("`meshlab up` without --lab brings the calculator's up"));
    }
    let run = RunDir::new(&settings.dirs.state, settings.address);
    let mut run_lock = run.lock()?;
    let resumed = match run.load().filter(|state| state.kept) {
        Some(state) if state.lab == lab.id => true,
        Some(state) => {
            return Err(Failure::failed(format!("lab {} is running on {}", state.lab, run.address()))
                .hint("`meshlab down` ends it; --address 127.0.0.2 brings this one up beside it"));
        }
        None => {
            run_lock = super::lab::clear_leftovers(&run, run_lock, reporter).await?;
            false
        }
    };
    let outcome = tokio::select! {
        outcome = bring_up(lab, &run, resumed, settings, lock, reporter) => outcome,
        interruption = interrupted() => Err(interruption),
    };
    if outcome.is_err() && !resumed {
        let taken_down = super::lab::undo(&run, run_lock, reporter).await;
        return outcome.and(taken_down);
    }
    outcome
}

async fn bring_up(
    lab: Lab,
    run: &RunDir,
    resumed: bool,
    settings: &Settings,
    lock: &Lock,
    reporter: &SharedReporter,
) -> Result<()> {
    let started = Instant::now();
    if !resumed {
        ports::require_free(run.address(), &lab.ports)?;
    }
    let components = super::lab::components(&lab, settings, lock, reporter).await?;
    let mut session = if resumed {
        Session::resume(lab, run, &components, &settings.dirs, reporter.clone())?
    } else {
        ports::require_free(run.address(), &lab.ports)?;
        Session::prepare(lab, run, components, &settings.dirs, reporter.clone())?
    };
    // Nomad looks for Consul once, when it starts: the others come first.
    let mut changed = false;
    for together in [&[Component::Consul, Component::Repo, Component::Lb][..], &[Component::Nomad][..]] {
        changed |= session.bring_up(together, PATIENCE).await?;
    }
    session.keep()?;
    let what = if changed { "the environment is up" } else { "the environment was up already" };
    reporter.report(Event::Runtime(RuntimeEvent::Done {
        what: what.to_owned(),
        detail: format!(
            "on {}; next: `meshlab jobs start`, `meshlab click`, `meshlab status`, `meshlab down`",
            run.address()
        ),
        took: started.elapsed(),
    }));
    Ok(())
}
