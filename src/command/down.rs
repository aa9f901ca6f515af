//! `meshlab down`: end what runs, and whatever an interrupted run left.

use crate::cli::{DownArgs, Settings};
use crate::event::{Event, SharedReporter};
use crate::failure::Result;
use crate::runtime::host;
use crate::state::RunDir;

/// Takes down the lab on the address, or all labs.
pub async fn run(args: &DownArgs, settings: &Settings, reporter: &SharedReporter) -> Result<()> {
    let state_dir = &settings.dirs.state;
    let mut runs =
        if args.all { RunDir::all(state_dir)? } else { vec![RunDir::new(state_dir, settings.address)] };
    if args.all {
        // Processes whose lab's folder was deleted still carry its name.
        let known: Vec<_> = runs.iter().map(RunDir::address).collect();
        let lost = host::marked_addresses(state_dir)?.into_iter().filter(|address| !known.contains(address));
        runs.extend(lost.map(|address| RunDir::new(state_dir, address)));
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
        if !run.exists() && host::find_members(&run, None)?.is_empty() {
            run.remove(lock)?;
            continue;
        }
        found = true;
        outcome = outcome.and(super::lab::take_down(&run, lock, reporter).await);
    }
    if !found && outcome.is_ok() {
        let place = if args.all { "any address".to_owned() } else { settings.address.to_string() };
        reporter.report(Event::Note { text: format!("nothing is running on {place}") });
    }
    outcome
}
