//! The command line: the global flags, and the settings they decide together with variables and the settings file.
#![allow(clippy::doc_markdown, reason = "these comments are the help texts, which show no backticks")]

mod arguments;
mod call;
mod resolve;

use camino::Utf8PathBuf;
use clap::{ArgAction, Args, Parser};

pub(crate) use arguments::arguments;
pub(crate) use resolve::resolve;

use super::verb::Verb;
use crate::core::model::LabAddress;
use crate::core::settings::{ColorChoice, RuntimeChoice};

const AFTER_HELP: &str = "\
Exit codes:
  0         done
  1         failed
  2         wrong usage, a wrong setting, or a wrong lab file
  3         a lab's check failed, or `why` found a hop where the call stops
  4         a digest did not match, or an archive is unsafe
  5         with --offline: a file is not in the cache
  6         the machine lacks something (`meshlab doctor` shows what)
  7         deps.lock is out of date
  8         a deadline passed
  130, 143  stopped by SIGINT or SIGTERM, after what was started has been stopped

Environment variables (an option overrides a variable, a variable overrides config.toml):
  MESHLAB_CACHE_DIR   downloaded files [default: $XDG_CACHE_HOME/meshlab, else ~/.cache/meshlab]
  MESHLAB_DATA_DIR    unpacked tools [default: $XDG_DATA_HOME/meshlab, else ~/.local/share/meshlab]
  MESHLAB_STATE_DIR   running labs, logs, progress [default: $XDG_STATE_HOME/meshlab, else
                      ~/.local/state/meshlab]
  MESHLAB_CONFIG_DIR  folder of config.toml [default: $XDG_CONFIG_HOME/meshlab, else
                      ~/.config/meshlab]
  MESHLAB_OFFLINE     1: same as --offline
  MESHLAB_LOCKED      1: same as --locked
  MESHLAB_JOBS        same as --jobs
  MESHLAB_RUNTIME     same as --runtime
  MESHLAB_ADDRESS     same as --address
  MESHLAB_MIRROR      base URL of a mirror; it is tried first for every file
  MESHLAB_LOG         level of the debug log to print: error, warn, info, debug or trace
  HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY, DOCKER_HOST, NO_COLOR and CI are respected.";

/// A reproducible service-mesh lab: real Consul, Nomad and Envoy, pinned, cached, offline.
#[derive(Debug, Parser)]
#[command(
    name = "meshlab",
    version,
    disable_help_subcommand = true,
    max_term_width = 100,
    arg_required_else_help = true,
    after_long_help = AFTER_HELP
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// Flags of every command.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(next_help_heading = "Global options")]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of its own on the command line")]
pub(crate) struct GlobalArgs {
    /// Connect to no other machine
    #[arg(long, global = true)]
    pub(crate) offline: bool,
    /// Fail if deps.lock would have to change
    #[arg(long, global = true)]
    pub(crate) locked: bool,
    /// Print data on stdout and events on stderr as JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Print only errors and data
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Print the main lines of the debug log; -vv prints all of them
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Do not ask, and do not wait for Enter
    #[arg(short, long, global = true)]
    pub(crate) yes: bool,
    /// Number of files to download or unpack at the same time, from 1 to 64 [default: 4]
    #[arg(short, long, global = true, value_name = "N")]
    pub(crate) jobs: Option<usize>,
    /// Run as if started in this folder
    #[arg(short = 'C', long = "directory", global = true, value_name = "DIR")]
    pub(crate) directory: Option<Utf8PathBuf>,
    /// Address of the lab [default: 127.0.0.1 for processes, 10.10.10.150 for containers]
    #[arg(long, global = true, value_name = "IP")]
    pub(crate) address: Option<LabAddress>,
    /// When to use colour
    #[arg(long, global = true, value_enum, default_value = "auto", value_name = "WHEN")]
    pub(crate) color: ColorChoice,
    /// Lock file to use [default: ./deps.lock if it exists, else the built-in one]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) lock: Option<Utf8PathBuf>,
    /// Where components run [default: auto]
    #[arg(long, global = true, value_enum, value_name = "RUNTIME")]
    pub(crate) runtime: Option<RuntimeChoice>,
}
