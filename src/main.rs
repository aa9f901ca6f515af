//! The meshlab command.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a stand-in: the real main draws through ui")]

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser as _;
use meshlab::cli::{Cli, Command, Environment, Settings, SvcCommand};
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
    let work = async {
        match &cli.command {
            Command::Provision(args) => command::provision::run(args, &settings, &lock, &reporter).await,
            Command::Deps(verb) => command::deps::run(verb, &settings, &lock).await,
            Command::Clean(args) => command::clean::run(args, &settings, &reporter).await,
            Command::Lab(args) => {
                command::lab::run(&args.run, &settings, &lock, &reporter).await.map(nothing)
            }
            Command::Svc(SvcCommand::Echo { listen }) => {
                meshlab::svc::echo::serve(*listen, |line| println!("{line}")).await.map(nothing)
            }
            Command::Svc(SvcCommand::Nc { host, port }) => {
                meshlab::svc::nc::run((*host, *port).into()).await.map(nothing)
            }
            Command::Svc(SvcCommand::Get { url, only, matching }) => {
                meshlab::svc::get::run(url, only, matching).await.map(|text| println!("{text}")).map(nothing)
            }
            _ => Err(Failure::usage("this build has no such command")),
        }
    };
    let outcome = runtime.block_on(async {
        tokio::select! {
            outcome = work => outcome,
            interruption = meshlab::signals::interrupted() => Err(interruption),
        }
    });
    // What still blocks a thread is abandoned, as a kill would do: it may take seconds, and all of it can be redone.
    runtime.shutdown_background();
    outcome
}

fn nothing((): ()) -> Output {
    Output { human: String::new(), json: serde_json::Value::Null }
}
