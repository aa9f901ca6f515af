//! The command line: definitions only. `command` does the work with resolved [`Settings`].
#![allow(clippy::doc_markdown, reason = "these comments are the help texts, which show no backticks")]

mod call;
mod image;
mod lab;
mod load;
mod resolve;
mod store;
mod svc;

use camino::Utf8PathBuf;
use clap::{ArgAction, Args, Parser, Subcommand};

pub use image::*;
pub use lab::*;
pub use load::LoadArgs;
pub use resolve::resolve;
pub use store::*;
pub use svc::{FaultArgs, SampleArgs, SampleService, ServeArgs, arguments};

use crate::core::model::LabAddress;
use crate::core::settings::{ColorChoice, RuntimeChoice};

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
#[derive(Debug, Clone, PartialEq, Eq, Args)]
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
    /// Where the lab lives: a loopback address, or for containers a private one [default: 127.0.0.1 or 10.10.10.150]
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
    /// The way from one service to another through the mesh, hop by hop, and where it stops
    Why(WhyArgs),
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
    /// Container images, put together from pinned artifacts
    #[command(subcommand)]
    Image(ImageCommand),
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
    /// Shake hands by TLS without a certificate: who is there, and what it says
    Tls {
        /// The host's address
        host: std::net::IpAddr,
        /// The port
        port: u16,
    },
    /// Register services with Consul, or remove them
    Register(crate::samples::register::RegisterArgs),
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
    /// Call a URL many times, and tell how that went and who answered
    Load(LoadArgs),
    /// Make an instance of a sample service slow or failing, or tell what is wrong with it
    Fault {
        /// The instance itself, http://address:port
        url: url::Url,
        /// What goes wrong from now on
        #[command(flatten)]
        fault: FaultArgs,
        /// Nothing goes wrong any more
        #[arg(long, conflicts_with_all = ["delay", "fail", "share", "health"])]
        clear: bool,
    },
    /// Open the doors of a lab that has a network of its own
    Doors {
        /// The lab's address, outside and inside
        #[arg(long, value_name = "IP")]
        of: LabAddress,
        /// A port inside that opens when all doors are open
        #[arg(long, value_name = "PORT")]
        ready: u16,
        /// The ports
        ports: Vec<u16>,
    },
    /// Be the first process of a machine of containers, until told to end
    Hold,
    /// Run a command line for as long as standard input is open
    Leash {
        /// The command line
        line: String,
    },
    /// End the tasks of a Nomad that is gone
    Sweep,
    /// End a program that somebody ran inside, with all that it started
    End {
        /// Its process id
        session: i32,
    },
    /// Empty a lab's folder, and remove the control groups of its tasks
    Clear {
        /// The folder, below one for each lab
        folder: Utf8PathBuf,
    },
    /// The services of the calculator lab.
    #[command(flatten)]
    Sample(SampleService),
}
