//! The meshlab command.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a stand-in: the real main draws through ui")]

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser as _;
use meshlab::cli::{Cli, Command, Environment, Settings};
use meshlab::command::{self, Output};
use meshlab::event::{Event, FailureReport, Reporter, SharedReporter};
use meshlab::failure::{Failure, Result};
use meshlab::lockfile::{EMBEDDED, Lock};

struct Lines;

impl Reporter for Lines {
    fn report(&self, event: Event) {
        eprintln!("{}", serde_json::to_string(&event).unwrap_or_default());
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let json = cli.global.json;
    match run(&cli) {
        Ok(output) if json => println!("{}", output.json),
        Ok(output) => print!("{}", output.human),
        Err(failure) => {
            eprintln!("{}", serde_json::to_string(&FailureReport::from(&failure)).unwrap_or_default());
            return ExitCode::from(failure.kind().exit_code());
        }
    }
    ExitCode::SUCCESS
}

fn run(cli: &Cli) -> Result<Output> {
    let settings = Settings::resolve(&cli.global, Environment::of_process())?;
    let lock = match &settings.lock {
        Some(path) => Lock::parse(&fs_err::read_to_string(path)?, path.as_str())?,
        None => Lock::parse(EMBEDDED, "built in")?,
    };
    let reporter: SharedReporter = Arc::new(Lines);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match &cli.command {
            Command::Provision(args) => command::provision::run(args, &settings, &lock, &reporter).await,
            Command::Deps(verb) => command::deps::run(verb, &settings, &lock).await,
            Command::Clean(args) => command::clean::run(args, &settings, &reporter).await,
            _ => Err(Failure::usage("this build has no such command")),
        }
    })
}
