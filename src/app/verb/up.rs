//! `meshlab up`: the single-VM environment without a lab's steps; run again, it mends what has ended.

use std::process::ExitCode;
use std::time::Instant;

use clap::Args;

use super::{Context, Execution, Run};
use crate::artifacts::lockfile::Lock;
use crate::core::event::{Event, RuntimeEvent, SharedReporter};
use crate::core::failure::{Failure, Result};
use crate::core::settings::Settings;
use crate::core::signals::interrupted;
use crate::core::until::DEFAULT_DEADLINE;
use crate::labs::{Catalog, Lab, Launcher};

/// Start a lab's environment: Consul, Nomad, the package repository, the load balancer
#[derive(Debug, Args)]
pub(crate) struct UpArgs {
    /// Lab whose jobs, packages and mesh configuration to use: id, name, or unique prefix
    #[arg(long, default_value = "2-calculator", value_name = "LAB")]
    lab: String,
}

impl Run for UpArgs {
    const KEEPS_LOG: bool = true;
    const IN_LAB_NETNS: bool = true;
    /// It takes down what it has started.
    const EXECUTION: Execution = Execution::HandlesSignals;

    async fn run(self, context: &Context) -> Result<ExitCode> {
        run(&self, &context.settings, &context.lock()?, &context.reporter).await?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Starts what does not run. What was begun from nothing is taken down again if it does not come up.
async fn run(args: &UpArgs, settings: &Settings, lock: &Lock, reporter: &SharedReporter) -> Result<()> {
    let launcher = Launcher::choose(settings, lock, reporter).await?;
    let settings = &launcher.settings;
    let lab = Catalog::find(&settings.work_dir)?.lab(&args.lab, settings.address)?;
    if lab.environment.is_none() {
        return Err(Failure::usage(format!("lab {} has no environment", lab.id))
            .hint("`meshlab up` without --lab brings the calculator's up"));
    }
    launcher.enter_netns(&lab).await?;
    let run = launcher.run();
    let mut run_lock = run.lock().await?;
    let resumed = match run.load().filter(|state| state.kept) {
        Some(state) if state.lab == lab.id => true,
        Some(state) => {
            return Err(Failure::failed(format!("lab {} is running on {}", state.lab, run.address())).hint(
                format!(
                    "`meshlab down` ends it; --address {} brings this one up beside it",
                    run.address().alternative()
                ),
            ));
        }
        None => {
            run_lock = launcher.clear_leftovers(run_lock).await?;
            false
        }
    };
    let outcome = tokio::select! {
        outcome = bring_up(lab, resumed, &launcher, reporter) => outcome,
        interruption = interrupted() => Err(interruption),
    };
    if outcome.is_err() && !resumed {
        let taken_down = launcher.undo(run_lock).await;
        return outcome.and(taken_down);
    }
    outcome
}

async fn bring_up(lab: Lab, resumed: bool, launcher: &Launcher<'_>, reporter: &SharedReporter) -> Result<()> {
    let started = Instant::now();
    let mut session = if resumed {
        let components = launcher.provision(&lab).await?;
        launcher.resume(lab, components).await?
    } else {
        let components = launcher.provision_to_start(&lab).await?;
        launcher.start(lab, components).await?
    };
    let changed = session.bring_up_all(DEFAULT_DEADLINE).await?;
    session.keep()?;
    reporter.report(Event::Runtime(RuntimeEvent::EnvironmentReady {
        address: launcher.settings.address,
        kind: launcher.backend.kind(),
        reason: launcher.reason.clone(),
        changed,
        took: started.elapsed(),
    }));
    Ok(())
}
