//! The meshlab command.
#![allow(clippy::all, clippy::pedantic, clippy::print_stderr, clippy::print_stdout)]
use clap::Parser;
use meshlab::cli::*;
use meshlab::event::*;
struct P(std::time::Instant);
impl Reporter for P {
    fn report(&self, e: Event) {
        eprintln!("{:>7.3} {}", self.0.elapsed().as_secs_f64(), serde_json::to_string(&e).unwrap());
    }
}
#[tokio::main]
async fn main() {
    let cli = Cli::parse();
    let settings = Settings::resolve(&cli.global, Environment::of_process()).unwrap();
    let lock = meshlab::lockfile::Lock { origin: String::new(), artifacts: vec![] };
    let r: SharedReporter = std::sync::Arc::new(P(std::time::Instant::now()));
    let out = match &cli.command {
        Command::Lab(a) => meshlab::command::lab::run(&a.run, &settings, &lock, &r).await,
        Command::Svc(SvcCommand::Echo { listen }) => {
            meshlab::svc::echo::serve(*listen, |l| println!("{l}")).await
        }
        Command::Svc(SvcCommand::Nc { host, port }) => meshlab::svc::nc::run((*host, *port).into()).await,
        Command::Svc(SvcCommand::Get { url, only, matching }) => {
            meshlab::svc::get::run(url, only, matching).await.map(|t| println!("{t}"))
        }
        _ => Ok(()),
    };
    if let Err(f) = out {
        eprintln!("{f:#?}");
        std::process::exit(f.kind().exit_code().into());
    }
}
