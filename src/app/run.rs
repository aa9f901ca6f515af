//! One call of `meshlab`, from its arguments to its exit status.

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{CommandFactory as _, Parser as _};

use super::cli::{Cli, arguments, resolve};
use super::diagnosis::Diagnosis;
use super::ui::{self, Console};
use super::verb::{Context, Execution, Runnable};
use crate::core::failure::{Failure, Result};
use crate::core::settings::{Environment, Settings};
use crate::machine::host::netns;
use crate::machine::state::RunDir;

/// Threads of the async runtime. Hashing and unpacking have threads of their own; these only move bytes.
const WORKERS: usize = 2;

/// Runs the verb that `line` names, and prints why it fails.
pub fn run(line: impl IntoIterator<Item = OsString>) -> ExitCode {
    let environment = Environment::of_process();
    let line = arguments(line);
    let cli = match Cli::try_parse_from(&line) {
        Ok(cli) => cli,
        // Help and version go to standard output.
        Err(error) if error.use_stderr() && line.iter().any(|argument| argument == "--json") => {
            let failure = Failure::usage(error.to_string().trim().trim_start_matches("error: "));
            return early_failure(&failure, true, &environment);
        }
        Err(error) => error.exit(),
    };
    let verb = cli.verb.into_runnable();
    let settings = match resolve(&cli.global, environment.clone(), verb.needs_home()) {
        Ok(settings) => settings,
        Err(failure) => return early_failure(&failure, cli.global.json, &environment),
    };
    let console = Arc::new(Console::new(&settings));
    let diagnosis = match begin_diagnosis(verb.as_ref(), &settings, &console) {
        Ok(diagnosis) => diagnosis,
        Err(failure) => return early_failure(&failure, cli.global.json, &environment),
    };
    let outcome = execute(verb, settings, &console);
    if let Some(diagnosis) = diagnosis {
        diagnosis.end(outcome.as_ref().map(drop));
    }
    outcome.unwrap_or_else(|failure| {
        console.failure(&failure);
        failure.kind().exit_code().into()
    })
}

/// Begins the debug log. A verb that uses no folder of meshlab's, such as a lab's own service, has none.
fn begin_diagnosis(
    verb: &dyn Runnable,
    settings: &Settings,
    console: &Arc<Console>,
) -> Result<Option<Diagnosis>> {
    verb.needs_home().then(|| Diagnosis::start(settings, console, verb.keeps_log())).transpose()
}

/// Prints a failure that came before there were settings.
fn early_failure(failure: &Failure, json: bool, environment: &Environment) -> ExitCode {
    ui::print_early_failure(failure, json, environment);
    failure.kind().exit_code().into()
}

fn execute(verb: Box<dyn Runnable>, settings: Settings, console: &Arc<Console>) -> Result<ExitCode> {
    if verb.in_lab_netns() {
        enter_lab_netns(&settings)?;
    }
    let mut builder = match verb.execution() {
        Execution::Blocking => tokio::runtime::Builder::new_current_thread(),
        Execution::Cancellable | Execution::HandlesSignals => {
            let mut builder = tokio::runtime::Builder::new_multi_thread();
            builder.worker_threads(WORKERS).enable_all();
            builder
        }
    };
    let runtime = builder.build().map_err(|error| Failure::failed("cannot start").seen(&error))?;
    let context = Context::new(settings, Arc::clone(console), Cli::command);
    let outcome = runtime.block_on(verb.run(&context));
    // A thread that waits for standard input or a slow disk must not keep the program from ending.
    runtime.shutdown_background();
    outcome
}

/// Executes this program again in the network namespace of the running lab, if that has its own and this process is not
/// in it.
fn enter_lab_netns(settings: &Settings) -> Result<()> {
    let Some(state) = RunDir::of(settings).load() else { return Ok(()) };
    let Some(process) = netns::process_in(&state) else { return Ok(()) };
    let again = settings.re_exec(state.runtime)?;
    netns::enter(process)?;
    match netns::re_exec(again)? {}
}
