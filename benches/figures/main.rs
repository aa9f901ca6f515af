//! The figures that meshlab promises, measured beside what a person would do by hand: `cargo bench --bench figures`.
//!
//! Each figure runs meshlab and its alternative in turns (A B A B ...), so that whatever else the machine does hits
//! both. Everything is on loopback, bounded in time, and taken down again.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark talks to a terminal")]

mod child;
mod containers;
mod down;
mod environment;
mod fetch;
mod first_click;
mod first_echo;
mod fixture;
mod help;
mod idle;
mod images;
mod interrupt;
mod labs;
mod machine;
mod mesh_overhead;
mod nginx;
mod place;
mod provision;
mod repo_throughput;
mod report;
mod static_mtls;
mod stats;
mod workspace;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use environment::Environment;
use machine::Machine;
use report::{Figure, Report};
use workspace::Workspace;

/// Whatever went wrong, in words.
type Fault = Box<dyn std::error::Error>;
type Result<T, E = Fault> = std::result::Result<T, E>;

/// The binary that is measured.
const MESHLAB: &str = env!("CARGO_BIN_EXE_meshlab");
/// Very short runs are cheap and noisy: so many times more of them.
const MORE_OF_THE_SHORT: usize = 5;

/// Measure what meshlab promises
#[derive(Debug, Parser)]
#[command(name = "figures", bin_name = "cargo bench --bench figures --")]
struct Options {
    /// Measure only this; may be given several times
    #[arg(long, value_enum, value_name = "NAME")]
    only: Vec<Measurement>,
    /// How often each side runs; ten of a second are measured more often
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
    runs: u16,
    /// Once each: shows that the benchmark works, and little else
    #[arg(long, conflicts_with = "runs")]
    quick: bool,
    /// Also write the figures, with every sample, to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Exit 1 if a target is missed or a figure could not be measured
    #[arg(long)]
    strict: bool,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Measurement {
    FirstEcho,
    ProvisionNoop,
    FetchCore,
    RepoThroughput,
    Help,
    Images,
    Containers,
    FirstClick,
    Idle,
    MeshOverhead,
    Down,
    Labs,
    LabTest,
}

impl Measurement {
    fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    fn run(self, runs: Runs, folder: &Path, shared: &mut Shared) -> Result<Vec<Figure>> {
        match self {
            Self::FirstEcho => first_echo::measure(runs.long, folder),
            Self::ProvisionNoop => provision::measure(runs.short),
            Self::FetchCore => fetch::measure(runs.long, folder),
            Self::RepoThroughput => repo_throughput::measure(runs.long, folder),
            Self::Help => help::measure(runs.short),
            Self::Images => images::measure(runs.long, folder),
            Self::Containers => containers::measure(runs.long, folder),
            Self::FirstClick => first_click::measure(runs.long, !runs.quick),
            Self::Idle => idle::measure(runs.long, runs.idle, shared.environment()?),
            Self::MeshOverhead => mesh_overhead::measure(runs.short, shared.environment()?),
            Self::Labs => labs::measure(runs.long, !runs.quick, folder),
            Self::LabTest => labs::test(!runs.quick, folder),
            Self::Down => down::measure(runs.long, shared.0.take()),
        }
    }
}

/// How often each side runs.
#[derive(Clone, Copy)]
struct Runs {
    long: usize,
    short: usize,
    quick: bool,
    idle: Duration,
}

/// The environment that more than one figure looks at: it takes seconds to start.
#[derive(Default)]
struct Shared(Option<Environment>);

impl Shared {
    fn environment(&mut self) -> Result<&Environment> {
        match &mut self.0 {
            Some(environment) => Ok(environment),
            empty => Ok(empty.insert(Environment::start()?)),
        }
    }
}

fn main() -> ExitCode {
    if let Some(code) = child::measure_if_asked() {
        return code;
    }
    let options = Options::parse();
    if !options.bench {
        // `cargo test --all-targets` runs this too.
        println!("figures are measured by `cargo bench --bench figures`");
        return ExitCode::SUCCESS;
    }
    match measure(&options) {
        Ok(code) => code,
        Err(fault) => {
            eprintln!("{fault}");
            interrupt::code().map_or(ExitCode::FAILURE, ExitCode::from)
        }
    }
}

fn measure(options: &Options) -> Result<ExitCode> {
    interrupt::watch()?;
    let workspace = Workspace::claim()?;
    let runs = usize::from(options.runs);
    let runs = if options.quick {
        Runs { long: 1, short: 1, quick: true, idle: Duration::from_secs(3) }
    } else {
        let short = runs * MORE_OF_THE_SHORT;
        Runs { long: runs, short, quick: false, idle: Duration::from_secs(10) }
    };
    let machine = Machine::observe();
    eprintln!("{machine}");
    if let Some(warning) = machine.warning() {
        eprintln!("warning: {warning}");
    }
    let mut report = Report::new(machine);
    let mut shared = Shared::default();
    for measurement in Measurement::value_variants() {
        if !options.only.is_empty() && !options.only.contains(measurement) {
            continue;
        }
        let name = measurement.name();
        eprintln!("measuring {name}");
        match measurement.run(runs, workspace.path(), &mut shared) {
            Err(fault) if interrupt::code().is_some() => return Err(format!("stopped: {fault}").into()),
            Ok(figures) => report.add(figures),
            Err(fault) => report.failed(&name, &fault),
        }
    }
    drop(shared);
    println!("\n{report}");
    if let Some(path) = &options.json {
        std::fs::write(path, format!("{:#}\n", report.json()))
            .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    }
    Ok(if options.strict && !report.all_met() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
