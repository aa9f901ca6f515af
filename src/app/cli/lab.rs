//! Verbs about labs and the environment under them.
#![allow(clippy::doc_markdown, reason = "these comments are the help texts, which show no backticks")]

use camino::Utf8PathBuf;
use clap::{Args, Subcommand, ValueEnum};

/// `meshlab up`
#[derive(Debug, Args)]
pub struct UpArgs {
    /// The lab whose jobs, packages and mesh configuration it gets
    #[arg(long, default_value = "2-calculator", value_name = "LAB")]
    pub lab: String,
}

/// `meshlab jobs`
#[derive(Debug, Subcommand)]
pub enum JobsCommand {
    /// Start jobs and wait until they are healthy
    Start {
        /// Jobs by name; without any, all of the lab
        names: Vec<String>,
    },
    /// Stop jobs; nothing of them is left in Nomad or Consul
    Stop {
        /// Jobs by name; without any, all of the lab
        names: Vec<String>,
    },
    /// The lab's jobs, and how they are
    List,
}

/// `meshlab click`
#[derive(Debug, Args)]
pub struct ClickArgs {
    /// What is to be computed: integers, + and -
    #[arg(default_value = crate::app::verb::click::EXPRESSION, allow_hyphen_values = true)]
    pub expression: String,
    /// How often
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub count: u32,
    /// The pause between two calls
    #[arg(long, default_value = "0s", value_name = "TIME", value_parser = duration)]
    pub interval: std::time::Duration,
    /// Show every hop of the call, from the logs of all that took part
    #[arg(long, conflicts_with = "count")]
    pub trace: bool,
}

/// `meshlab why`
#[derive(Debug, Args)]
pub struct WhyArgs {
    /// The service that calls, or an API gateway
    pub source: String,
    /// The service that is called
    pub destination: String,
    /// The path of one request: routes and some intentions decide by it
    #[arg(long, value_name = "PATH", value_parser = path)]
    pub path: Option<String>,
    /// The method of that request
    #[arg(long, value_name = "METHOD", default_value = "GET", requires = "path")]
    pub method: String,
}

fn path(text: &str) -> Result<String, String> {
    if text.starts_with('/') { Ok(text.to_owned()) } else { Err("a path begins with /".to_owned()) }
}

/// `250ms`, `5s`, `2m`.
pub(crate) fn duration(text: &str) -> Result<std::time::Duration, String> {
    humantime::parse_duration(text).map_err(|error| error.to_string())
}

/// `meshlab down`
#[derive(Debug, Args)]
pub struct DownArgs {
    /// Labs on every address, not only on --address
    #[arg(long)]
    pub all: bool,
}

/// `meshlab logs`
#[derive(Debug, Args)]
pub struct LogsArgs {
    /// One component; without it, all of them
    pub service: Option<String>,
    /// Go on as lines are written
    #[arg(short, long)]
    pub follow: bool,
    /// How many of the last lines
    #[arg(short = 'n', long, default_value_t = 50, value_name = "LINES")]
    pub lines: usize,
}

/// `meshlab shell`
#[derive(Debug, Args)]
pub struct ShellArgs {
    /// One command instead of an interactive shell
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// `meshlab lab`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, arg_required_else_help = true)]
pub struct LabArgs {
    /// Look into labs instead of running one
    #[command(subcommand)]
    pub verb: Option<LabVerb>,
    /// Run one
    #[command(flatten)]
    pub run: LabRunArgs,
}

/// `meshlab lab VERB`
#[derive(Debug, Subcommand)]
pub enum LabVerb {
    /// All labs
    List,
    /// What a lab teaches, and its steps
    Show {
        /// The lab, shortened to what is unique
        name: String,
    },
    /// Look whether a step of the running lab is done, whoever did it
    Check(StepArgs),
    /// One more hint for a step
    Hint(StepArgs),
    /// Do a step; starts the lab if it does not run, and leaves it running
    Solve(StepArgs),
    /// Undo a step of the running lab; without a step, take the lab down and forget all progress
    Reset(StepArgs),
    /// For authors: every step's checks fail before it, hold after it, fail again after its reset
    Test {
        /// Labs; without any, all
        names: Vec<String>,
    },
    /// For authors: write a small lab that runs, to be changed
    New {
        /// Its name (`rate-limits`), with or without a number
        #[arg(required_unless_present = "guide")]
        name: Option<String>,
        /// Show how labs are written
        #[arg(long, conflicts_with = "name")]
        guide: bool,
    },
}

/// A step of a lab.
#[derive(Debug, Args)]
pub struct StepArgs {
    /// The lab, shortened to what is unique
    pub name: String,
    /// The step, by number or name; without it, the first that is not done
    pub step: Option<String>,
}

/// `meshlab lab NAME`
#[derive(Debug, Args)]
pub struct LabRunArgs {
    /// The lab, shortened to what is unique (`1`, `tcp-echo`)
    pub name: Option<String>,
    /// Leave everything running at the end
    #[arg(long)]
    pub keep: bool,
    /// Show only this step (its number or name); those before it that are not done are done without a word
    #[arg(long, value_name = "STEP", conflicts_with = "from")]
    pub step: Option<String>,
    /// Begin with this step; those before it that are not done are done without a word
    #[arg(long, value_name = "STEP")]
    pub from: Option<String>,
    /// Write a report at the end, however it ends: FILE.html, FILE.json or FILE.xml (JUnit); may be given several times
    #[arg(long = "report", value_name = "FILE")]
    pub reports: Vec<Utf8PathBuf>,
}

/// `meshlab bench`
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// How long: 1s to 1h
    #[arg(long, default_value = "60s", value_name = "TIME")]
    pub duration: String,
    /// Connections that are open at once
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub connections: u32,
    /// Threads of wrk; 5, or as many as there are connections if those are fewer
    #[arg(long, value_name = "N")]
    pub threads: Option<u32>,
    /// Then compare a call through the mesh with the same call...
    #[arg(long, value_enum, value_name = "WITH")]
    pub compare: Option<CompareChoice>,
    /// Start each service of the lab again, and press it on its own: what each language costs
    #[arg(long, conflicts_with_all = ["compare", "reports"])]
    pub services: bool,
    /// Write a report: FILE.html or FILE.json (may be given several times)
    #[arg(long = "report", value_name = "FILE")]
    pub reports: Vec<Utf8PathBuf>,
}

/// What a call through the mesh is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CompareChoice {
    /// Straight to the service
    Direct,
}
