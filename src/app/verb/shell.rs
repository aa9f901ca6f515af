//! `meshlab shell`: a shell, or one command, that finds the lab's tools and addresses.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use camino::Utf8PathBuf;
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::{Context, Execution, Run, runtime};
use crate::app::ui::{self, RawTerminal};
use crate::artifacts::lockfile::Lock;
use crate::artifacts::tool::Tools;
use crate::core::event::{Event, Note, SharedReporter};
use crate::core::failure::{Failure, Result};
use crate::core::model::{Platform, RuntimeKind};
use crate::core::settings::Settings;
use crate::core::signals::interrupted;
use crate::labs::{environment, inside_environment, secret_environment};
use crate::machine::WIDTH_VARIABLE;
use crate::machine::docker::{self, Visit};
use crate::machine::state::{RunDir, RunState};

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

/// On the machine of containers, runs to its end there; else takes this process's place, and returns only if the command
/// cannot be started. Returns the command's exit status.
async fn run(args: &ShellArgs, settings: &Settings, lock: &Lock, reporter: &SharedReporter) -> Result<u8> {
    let run = RunDir::of(settings);
    let state = run.load();
    if args.command.is_empty() {
        let lab = state.as_ref().map(|state| state.lab.clone());
        reporter.report(Event::Note(Note::ShellOpened { lab, address: run.address() }));
    }
    match state {
        Some(state) if state.runtime == RuntimeKind::Docker && !settings.inside => {
            inside(args, settings, &run, &state).await
        }
        state => here(args, settings, lock, &run, state.as_ref()).map(|()| 0),
    }
}

async fn inside(args: &ShellArgs, settings: &Settings, run: &RunDir, state: &RunState) -> Result<u8> {
    let daemon = docker::require(runtime::docker_host(settings)).await?;
    let mut variables = inside_environment(run, &state.path, &settings.dirs);
    variables.extend(secret_environment(run));
    variables.remove(WIDTH_VARIABLE);
    let mut command = args.command.clone();
    if command.is_empty() {
        command.push("/bin/sh".to_owned());
        variables.insert("PS1".to_owned(), "\\h:\\w\\$ ".to_owned());
    }
    let raw = RawTerminal::enter();
    let (sizes, terminal) = mpsc::channel(1);
    if raw.is_some() {
        let terminal_kind = settings.environment.var("TERM").unwrap_or("xterm");
        variables.insert("TERM".to_owned(), terminal_kind.to_owned());
    }
    let visit = Visit { command, environment: &variables, terminal: raw.as_ref().map(|_| terminal) };
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
        ended = docker::visit(&daemon, run, visit, interrupted(), tokio::io::stdin(), ui::print_bytes) => ended,
        () = watch_size => Ok(0),
    }
}

fn here(
    args: &ShellArgs,
    settings: &Settings,
    lock: &Lock,
    run: &RunDir,
    state: Option<&RunState>,
) -> Result<()> {
    let path = match state {
        Some(state) => state.path.clone(),
        None => installed(settings, lock)?,
    };
    let path = [path, own_folder()].concat();
    let user = &settings.environment;
    let (program, arguments) = match args.command.split_first() {
        Some((program, arguments)) => (program.clone(), arguments.to_vec()),
        None => (user.var("SHELL").unwrap_or("/bin/sh").to_owned(), Vec::new()),
    };
    let mut variables = environment(run, &path, &settings.dirs);
    variables.extend(secret_environment(run));
    // The user's own programs stay within reach, behind the lab's.
    if let (Some(lab), Some(own)) = (variables.remove("PATH"), user.var("PATH")) {
        variables.insert("PATH".to_owned(), format!("{lab}:{own}"));
    }
    variables.remove("LANG");
    variables.remove(WIDTH_VARIABLE);
    let mut command = Command::new(&program);
    command.args(arguments).envs(&variables);
    // Where the lab's files are, as inside the machine of containers.
    if state.is_some() {
        command.current_dir(run.work());
    }
    let error = command.exec();
    let failure = Failure::failed(format!("cannot run {program}")).seen(&error);
    Err(match error.kind() {
        std::io::ErrorKind::NotFound => failure.hint("`meshlab provision` installs consul, nomad and envoy"),
        _ => failure,
    })
}

/// Where this program lies: in the shell it calls itself `meshlab` too.
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
