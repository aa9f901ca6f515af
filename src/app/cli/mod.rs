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
  2         wrong usage
  3         a check of a lab failed
  4         a digest did not match, or an archive is unsafe
  5         not in the cache, and offline
  6         the machine lacks something (see `meshlab doctor`)
  7         the lock is out of date
  8         a deadline passed
  130, 143  interrupted by SIGINT or SIGTERM, after an orderly take-down

Environment variables (a flag wins over a variable, a variable over config.toml):
  MESHLAB_CACHE_DIR   downloaded files by digest [default: $XDG_CACHE_HOME/meshlab]
  MESHLAB_DATA_DIR    unpacked tools [default: $XDG_DATA_HOME/meshlab]
  MESHLAB_STATE_DIR   running labs, logs, progress [default: $XDG_STATE_HOME/meshlab]
  MESHLAB_CONFIG_DIR  folder of config.toml [default: $XDG_CONFIG_HOME/meshlab]
  MESHLAB_OFFLINE     1 is --offline
  MESHLAB_LOCKED      1 is --locked
  MESHLAB_JOBS        --jobs
  MESHLAB_RUNTIME     --runtime
  MESHLAB_ADDRESS     --address
  MESHLAB_MIRROR      base URL to try first for every file
  NO_COLOR, CI, DOCKER_HOST, HTTPS_PROXY and NO_PROXY have their usual meaning.";

/// A reproducible service-mesh lab: real Consul, Nomad and Envoy, pinned, cached, offline.
#[derive(Debug, Parser)]
#[command(
    name = "meshlab",
    version,
    disable_help_subcommand = true,
    max_term_width = 100,
    arg_required_else_help = true,
    after_help = AFTER_HELP
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
    /// Never open a connection to another machine
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
    /// Print more detail (-vv for even more)
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Answer yes to every question, and do not wait for Enter
    #[arg(short, long, global = true)]
    pub(crate) yes: bool,
    /// Number of downloads and unpackings at once, from 1 to 64 [default: 4]
    #[arg(short, long, global = true, value_name = "N")]
    pub(crate) jobs: Option<usize>,
    /// Run as if started in this folder
    #[arg(short = 'C', long = "directory", global = true, value_name = "DIR")]
    pub(crate) directory: Option<Utf8PathBuf>,
    /// Address of the lab: loopback, or private for containers [default: 127.0.0.1 or 10.10.10.150]
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
