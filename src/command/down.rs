//! `meshlab down`: end what runs, and whatever an interrupted run left.

use super::runtime;
use crate::cli::{DownArgs, Settings};
use crate::event::{Event, SharedReporter};
use crate::failure::Result;
use crate::runtime::docker::{self, Found};
use crate::runtime::process;
use crate::state::RunDir;

/// Takes down the lab on the address, or all labs.
pub async fn run(args: &DownArgs, settings: &Settings, reporter: &SharedReporter) -> Result<()> {
    let state_dir = &settings.dirs.state;
    let mut runs =
        if args.all { RunDir::all(state_dir)? } else { vec![RunDir::new(state_dir, settings.address)] };
    if args.all {
        // Processes whose lab's folder was deleted still carry its name.
        let known: Vec<_> = runs.iter().map(RunDir::address).collect();
        let mut lost = process::marked_addresses(state_dir)?;
        if let Found::Usable(daemon) = docker::find(runtime::docker_host(settings)).await? {
            lost.extend(docker::labelled_addresses(&daemon, state_dir).await?);
        }
        lost.sort();
        lost.dedup();
        lost.retain(|address| !known.contains(address));
        runs.extend(lost.into_iter().map(|address| RunDir::new(state_dir, address)));
    }
    let mut found = false;
    let mut outcome = Ok(());
    for run in runs {
        let lock = match run.lock() {
            Ok(lock) => lock,
            Err(failure) => {
                // The others are taken down all the same.
                outcome = outcome.and(Err(failure.hint("end that one first: press Ctrl-C there")));
                continue;
            }
        };
        if !runtime::is_anything_there(&run, settings).await? {
            run.remove(lock)?;
            continue;
        }
        found = true;
        outcome = outcome.and(runtime::take_down(&run, lock, settings, reporter).await);
    }
    if !found && outcome.is_ok() {
        let place = if args.all { "any address".to_owned() } else { settings.address.to_string() };
        reporter.report(Event::Note { text: format!("nothing is running on {place}") });
    }
    outcome
}
