//! `meshlab shell`: a shell, or one command, that finds the lab's tools and addresses.

use std::process::ExitCode;

use camino::Utf8PathBuf;
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::{Context, Execution, Run};
use crate::app::ui::{self, RawTerminal};
use crate::artifacts::lockfile::Lock;
use crate::artifacts::tool::Tools;
use crate::core::event::{Event, Note, SharedReporter};
use crate::core::failure::Result;
use crate::core::model::Platform;
use crate::core::settings::Settings;
use crate::core::signals::interrupted;
use crate::labs::{command_variables, token_variables};
use crate::machine::state::RunDir;
use crate::machine::{Visit, choose};

/// Open a shell, or run one command, with the lab's PATH, addresses and tokens
#[derive(Debug, Args)]
pub(crate) struct ShellArgs {
    /// Command to run instead of an interactive shell
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

impl Run for ShellArgs {
    const IN_LAB_NETNS: bool = true;
    /// It ends the command in the container.
    const EXECUTION: Execution = Execution::HandlesSignals;

    async fn run(self, context: &Context) -> Result<ExitCode> {
        run(&self, &context.settings, &context.lock()?, &context.reporter).await.map(ExitCode::from)
    }
}

/// Runs the shell or the command where the lab's components run, and returns its exit status. Without a lab, and for a lab of
/// processes, it replaces this process.
async fn run(args: &ShellArgs, settings: &Settings, lock: &Lock, reporter: &SharedReporter) -> Result<u8> {
    let run = RunDir::of(settings);
    let state = run.load();
    if args.command.is_empty() {
        let lab = state.as_ref().map(|state| state.lab.clone());
        reporter.report(Event::Note(Note::ShellOpened { lab, address: run.address() }));
    }
    // A process inside the lab's machine is where the shell belongs already.
    let backend = match &state {
        Some(_) if !settings.inside => choose::of_lab(&run, settings).await?,
        _ => choose::this_machine(&run),
    };
    let path = match state {
        Some(state) => state.path,
        None => [installed(settings, lock)?, own_folder()].concat(),
    };
    let mut variables = command_variables(&run, &path, &settings.dirs);
    variables.extend(token_variables(&run));
    let raw = if backend.placement().relays_terminal { RawTerminal::enter() } else { None };
    let (sizes, terminal) = mpsc::channel(1);
    let visit = Visit {
        command: args.command.clone(),
        environment: variables,
        user: &settings.environment,
        terminal: raw.as_ref().map(|_| terminal),
        interrupted: Box::pin(interrupted()),
        input: Box::new(tokio::io::stdin()),
        on_output: &mut ui::print_bytes,
    };
    let watch_size = async {
        let mut changes = signal(SignalKind::window_change()).ok();
        loop {
            if let Some(size) = raw.as_ref().and_then(|_| RawTerminal::size()) {
                let _ = sizes.send(size).await;
            }
            match &mut changes {
                Some(changes) => drop(changes.recv().await),
                None => std::future::pending().await,
            }
        }
    };
    tokio::select! {
        ended = backend.enter(visit) => ended,
        () = watch_size => Ok(0),
    }
}

/// The folder of this program, so that `meshlab` is found in the shell.
fn own_folder() -> Vec<Utf8PathBuf> {
    let own = std::env::current_exe().ok().and_then(|path| Utf8PathBuf::from_path_buf(path).ok());
    own.iter().filter_map(|path| path.parent()).map(ToOwned::to_owned).collect()
}

fn installed(settings: &Settings, lock: &Lock) -> Result<Vec<Utf8PathBuf>> {
    let tools = Tools::new(&settings.dirs.data);
    let platform = Platform::current()?;
    let found = lock.artifacts.iter().filter_map(|artifact| tools.find(artifact, platform));
    Ok(found.map(|tool| tool.bin_dir()).collect())
}
