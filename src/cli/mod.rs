//! The command line: definitions only. `command` does the work with resolved [`Settings`].
#![allow(clippy::doc_markdown, reason = "these comments are the help texts, which show no backticks")]

mod settings;
mod svc;

use camino::Utf8PathBuf;
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use serde::Deserialize;

pub use settings::{Dirs, Environment, Settings};
pub use svc::{SampleService, ServeArgs, arguments};

use crate::failure::{Failure, Result};
use crate::lockfile::Profile;
use crate::model::{ArtifactName, LabAddress, Platform};

/// A reproducible service-mesh lab: real Consul, Nomad and Envoy, pinned, cached, offline.
#[derive(Debug, Parser)]
#[command(
    name = "meshlab",
    version,
    disable_help_subcommand = true,
    max_term_width = 100,
    arg_required_else_help = true
)]
pub struct Cli {
    /// What holds for every command.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Flags of every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of its own on the command line")]
pub struct GlobalArgs {
    /// Never open a socket to the outside
    #[arg(long, global = true)]
    pub offline: bool,
    /// Refuse what would need deps.lock to change
    #[arg(long, global = true)]
    pub locked: bool,
    /// Data on stdout and events on stderr as JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// Only errors and data
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// More detail (-vv for still more)
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// Ask nothing, wait for no Enter
    #[arg(short, long, global = true)]
    pub yes: bool,
    /// How many downloads and unpackings run at once
    #[arg(short, long, global = true, value_name = "N")]
    pub jobs: Option<usize>,
    /// Work as if started in this folder
    #[arg(short = 'C', long = "directory", global = true, value_name = "DIR")]
    pub directory: Option<Utf8PathBuf>,
    /// The loopback address the lab lives on
    #[arg(long, global = true, value_name = "IP")]
    pub address: Option<LabAddress>,
    /// When to use colour
    #[arg(long, global = true, value_enum, default_value = "auto", value_name = "WHEN")]
    pub color: ColorChoice,
    /// A deps.lock other than ./deps.lock or the built-in one
    #[arg(long, global = true, value_name = "FILE")]
    pub lock: Option<Utf8PathBuf>,
    /// Where components run
    #[arg(long, global = true, value_enum, value_name = "RUNTIME")]
    pub runtime: Option<RuntimeChoice>,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Where components run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuntimeChoice {
    /// Docker where a daemon answers, else host
    Auto,
    /// Containers
    Docker,
    /// Processes of this machine
    Host,
}

impl RuntimeChoice {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        <Self as ValueEnum>::from_str(text, false).map_err(|_| {
            Failure::usage(format!("no runtime is called {text:?}")).hint("use auto, docker or host")
        })
    }
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Download, verify and unpack pinned tools
    Provision(ProvisionArgs),
    /// Bring the single-VM environment up: Consul, Nomad, the package repository, the load balancer
    Up(UpArgs),
    /// Take down what runs, and whatever an interrupted run left
    Down(DownArgs),
    /// Every component: state, address, version, uptime
    Status,
    /// What components wrote
    Logs(LogsArgs),
    /// A shell, or one command, with the lab's PATH and addresses
    Shell(ShellArgs),
    /// Run a numbered lab, or look into one
    Lab(LabArgs),
    /// The lab's Nomad jobs
    #[command(subcommand)]
    Jobs(JobsCommand),
    /// One compute call through the mesh
    Click(ClickArgs),
    /// One call that fails behind the mesh, and comes back as a failure
    Fault,
    /// Put load on the running calculator and measure it and all components
    Bench(BenchArgs),
    /// The package repository on its own
    #[command(subcommand)]
    Repo(RepoCommand),
    /// What is pinned, and why
    #[command(subcommand)]
    Deps(DepsCommand),
    /// One file that moves a lab to a machine without a network
    #[command(subcommand)]
    Bundle(BundleCommand),
    /// What this machine can do, and how to mend what it can't
    Doctor,
    /// Remove what meshlab stored
    Clean(CleanArgs),
    /// Completions for a shell, on stdout
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// The labs' sample services and small clients
    #[command(subcommand, hide = true)]
    Svc(SvcCommand),
}

/// `meshlab provision`
#[derive(Debug, Args)]
pub struct ProvisionArgs {
    /// Artifacts; without any, those of the profile
    pub names: Vec<ArtifactName>,
    /// A set of artifacts
    #[arg(long, value_enum, value_name = "PROFILE")]
    pub profile: Option<ProfileChoice>,
    /// Which kinds of source may be used
    #[arg(long, value_enum, default_value = "auto", value_name = "SOURCE")]
    pub source: SourceChoice,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// The profiles as the command line names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProfileChoice {
    /// What the numbered labs need
    Core,
    /// Load generation
    Bench,
    /// Runtimes for services in several languages
    Hybrid,
    /// The Elastic stack
    Elk,
    /// Everything
    All,
}

impl ProfileChoice {
    /// The profiles meant by `--profile`, beside names: somebody who names artifacts wants those and nothing else.
    pub fn profiles(choice: Option<Self>, names: &[ArtifactName]) -> Vec<Profile> {
        match choice {
            None if names.is_empty() => vec![Profile::Core],
            None => Vec::new(),
            Some(Self::Core) => vec![Profile::Core],
            Some(Self::Bench) => vec![Profile::Bench],
            Some(Self::Hybrid) => vec![Profile::Hybrid],
            Some(Self::Elk) => vec![Profile::Elk],
            Some(Self::All) => vec![Profile::Core, Profile::Bench, Profile::Hybrid, Profile::Elk],
        }
    }
}

/// Which kinds of source may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SourceChoice {
    /// All, in the lock's order
    Auto,
    /// Only the projects' own release files (and MESHLAB_MIRROR)
    Upstream,
    /// Only package managers (and MESHLAB_MIRROR)
    Registry,
}

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
    #[arg(default_value = crate::command::click::EXPRESSION, allow_hyphen_values = true)]
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

/// `meshlab lab list|show`
#[derive(Debug, Subcommand)]
pub enum LabVerb {
    /// All labs
    List,
    /// What a lab teaches, and its steps
    Show {
        /// The lab, shortened to what is unique
        name: String,
    },
}

/// `meshlab lab NAME`
#[derive(Debug, Args)]
pub struct LabRunArgs {
    /// The lab, shortened to what is unique (`1`, `tcp-echo`)
    pub name: Option<String>,
    /// Leave everything running at the end
    #[arg(long)]
    pub keep: bool,
    /// Show only this step (its number or name); those before it are done without a word
    #[arg(long, value_name = "STEP", conflicts_with = "from")]
    pub step: Option<String>,
    /// Begin with this step; those before it are done without a word
    #[arg(long, value_name = "STEP")]
    pub from: Option<String>,
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

/// `meshlab repo`
#[derive(Debug, Subcommand)]
pub enum RepoCommand {
    /// Serve the store over HTTP until Ctrl-C
    Serve {
        /// Where to listen
        #[arg(long, default_value = "127.0.0.1:8090", value_name = "ADDR")]
        listen: std::net::SocketAddr,
        /// Also serve the packages of this list, a JSON file that `meshlab` wrote
        #[arg(long, value_name = "FILE")]
        packages: Option<Utf8PathBuf>,
    },
}

/// `meshlab deps`
#[derive(Debug, Subcommand)]
pub enum DepsCommand {
    /// Every pinned artifact
    List,
    /// Hash everything stored and unpacked again, and compare it with the lock
    Verify {
        /// Artifacts; without any, all that are installed
        names: Vec<ArtifactName>,
    },
    /// Who needs an artifact, and where it comes from
    Why {
        /// The artifact
        name: ArtifactName,
    },
    /// Where an artifact is unpacked
    Path {
        /// The artifact
        name: ArtifactName,
    },
    /// Fetch, measure and write digests and sizes: the only thing that does
    Lock {
        /// Artifacts; without any, all
        names: Vec<ArtifactName>,
        /// Write nothing; fail if something would change
        #[arg(long)]
        check: bool,
    },
}

/// `meshlab bundle`
#[derive(Debug, Subcommand)]
pub enum BundleCommand {
    /// Write deps.lock and the files of a profile into one file; what is missing is fetched first
    Export(BundleExportArgs),
    /// Verify a bundle, store its files and install this machine's tools
    Import {
        /// The bundle
        file: Utf8PathBuf,
    },
}

/// `meshlab bundle export`
#[derive(Debug, Args)]
pub struct BundleExportArgs {
    /// The bundle; one that is there is replaced at the end
    pub file: Utf8PathBuf,
    /// Artifacts; without any, those of the profile
    pub names: Vec<ArtifactName>,
    /// A set of artifacts
    #[arg(long, value_enum, value_name = "PROFILE")]
    pub profile: Option<ProfileChoice>,
    /// For which machines: linux-x86_64 or linux-arm64; may be given several times; without any, this one
    #[arg(long = "platform", value_name = "PLATFORM")]
    pub platforms: Vec<Platform>,
    /// Put this program in as well: `tar xf FILE meshlab-bundle/meshlab` takes it out
    #[arg(long)]
    pub with_meshlab: bool,
}

/// `meshlab clean`
#[derive(Debug, Clone, Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of its own on the command line")]
pub struct CleanArgs {
    /// Downloaded files
    #[arg(long)]
    pub cache: bool,
    /// Unpacked tools
    #[arg(long)]
    pub tools: bool,
    /// Logs and progress (never of a running lab)
    #[arg(long)]
    pub state: bool,
    /// Say what would be removed, and remove nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Sample services and small clients that the labs' commands use.
#[derive(Debug, Subcommand)]
pub enum SvcCommand {
    /// Send back what comes in
    Echo {
        /// Where to listen
        #[arg(long)]
        listen: std::net::SocketAddr,
    },
    /// Connect, send standard input, print what comes back
    Nc {
        /// The host's address
        host: std::net::IpAddr,
        /// The port
        port: u16,
    },
    /// Register services with Consul, or remove them
    Register(crate::svc::register::RegisterArgs),
    /// Get a URL and print the answer; JSON is printed readably
    Get {
        /// The address
        url: url::Url,
        /// Keep only these members (dots go deeper) of every object of a JSON answer
        #[arg(long, value_delimiter = ',')]
        only: Vec<String>,
        /// Keep only lines that contain one of these texts
        #[arg(long, value_delimiter = ',')]
        matching: Vec<String>,
    },
    /// The services of the calculator lab.
    #[command(flatten)]
    Sample(SampleService),
}
