//! `meshlab down`: end what runs, and whatever an interrupted run left.

use std::process::ExitCode;

use clap::Args;

use super::{Context, Run};
use crate::core::event::{Event, Note, SharedReporter, Warning};
use crate::core::failure::Result;
use crate::core::settings::Settings;
use crate::labs::take_down;
use crate::machine::choose;
use crate::machine::state::RunDir;

/// Stop the running lab, and clean up after an interrupted run
#[derive(Debug, Args)]
pub(crate) struct DownArgs {
    /// Stop the labs on every address, not only on --address
    #[arg(long)]
    all: bool,
}

impl Run for DownArgs {
    const KEEPS_LOG: bool = true;
    async fn run(self, context: &Context) -> Result<ExitCode> {
        run(&self, &context.settings, &context.reporter).await?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Takes down the lab on the address, or all labs.
async fn run(args: &DownArgs, settings: &Settings, reporter: &SharedReporter) -> Result<()> {
    let state_dir = &settings.dirs.state;
    let mut runs = if args.all { RunDir::all(state_dir)? } else { vec![RunDir::of(settings)] };
    let mut elsewhere = Vec::new();
    if args.all || choose::is_undecided(settings) {
        // Processes and containers whose lab's folder was deleted still carry its name.
        let known: Vec<_> = runs.iter().map(RunDir::address).collect();
        let (mut lost, failure) = choose::labs_without_folder(settings).await?;
        if let Some(failure) = failure {
            reporter.report(Event::Warning(Warning::ContainersNotSearched { failure }));
        }
        if !args.all {
            (lost, elsewhere) = lost.into_iter().partition(|address| choose::is_default_address(*address));
        }
        lost.retain(|address| !known.contains(address));
        runs.extend(lost.into_iter().map(|address| RunDir::new(state_dir, address)));
    }
    let mut found = false;
    let mut outcome = Ok(());
    for run in runs {
        let lock = match run.lock().await {
            Ok(lock) => lock,
            Err(failure) => {
                // The others are taken down all the same.
                outcome = outcome.and(Err(failure.hint("end that one first: press Ctrl-C there")));
                continue;
            }
        };
        if !choose::is_anything_there(&run, settings).await? {
            run.remove(lock)?;
            continue;
        }
        found = true;
        let taken_down = match choose::of_lab(&run, settings).await {
            Ok(backend) => take_down(backend.as_ref(), lock, reporter).await,
            Err(failure) => Err(failure),
        };
        outcome = outcome.and(taken_down);
    }
    if !found && outcome.is_ok() {
        let address = (!args.all).then_some(settings.address);
        reporter.report(Event::Note(Note::NothingRuns { address }));
        if let Some(address) = elsewhere.first() {
            reporter.report(Event::Note(Note::RunsElsewhere { address: *address }));
        }
    }
    outcome
}
