//! What holds for one run: flag before variable before file.
//!
//! Invariant: the process environment is read here and nowhere else.

mod call;

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use clap::ValueEnum;
use serde::Deserialize;
use url::Url;

pub use call::Call;

use crate::core::failure::{Failure, Result};
use crate::core::model::{LabAddress, RuntimeKind};

/// The environment variables of this process, read once.
#[derive(Debug, Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// Reads the process's environment; variables that are not UTF-8 are left out.
    pub fn of_process() -> Self {
        Self(
            std::env::vars_os()
                .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
                .collect(),
        )
    }

    /// For tests.
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self(pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
    }

    /// The value of a variable that is set and not empty.
    pub fn var(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// For a service, which uses no folder, and which a scheduler may start without HOME.
    #[must_use]
    pub fn with_any_home(mut self) -> Self {
        self.0.entry("HOME".to_owned()).or_insert_with(|| "/".to_owned());
        self
    }

    /// All variables, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Whether a variable is set to something that means yes.
    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>> {
        match self.var(name) {
            None => Ok(None),
            Some("1" | "true" | "yes" | "on") => Ok(Some(true)),
            Some("0" | "false" | "no" | "off") => Ok(Some(false)),
            Some(other) => Err(Failure::usage(format!("{name} is {other:?}")).hint("set it to 1 or 0")),
        }
    }
}

/// The folders meshlab writes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dirs {
    /// Downloaded files by digest.
    pub cache: Utf8PathBuf,
    /// Unpacked tools.
    pub data: Utf8PathBuf,
    /// Running labs, logs, progress.
    pub state: Utf8PathBuf,
    /// The settings file.
    pub config: Utf8PathBuf,
}

/// Everything that flags, variables and the settings file decide together.
#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of its own on the command line")]
pub struct Settings {
    /// The folders meshlab writes to.
    pub dirs: Dirs,
    /// Never open a socket to the outside.
    pub offline: bool,
    /// Refuse what would need the lock to change.
    pub locked: bool,
    /// Data on stdout and events on stderr as JSON.
    pub json: bool,
    /// Only errors and data.
    pub quiet: bool,
    /// More detail.
    pub verbose: u8,
    /// Ask nothing.
    pub yes: bool,
    /// How many downloads and unpackings run at once.
    pub jobs: usize,
    /// Where the lab listens; if nobody said so, where one runs, and else where one would.
    pub address: LabAddress,
    /// Whether somebody said so.
    pub address_given: bool,
    /// Whether this runs inside the machine of a lab's containers.
    pub inside: bool,
    /// When to use colour.
    pub color: ColorChoice,
    /// Where components run.
    pub runtime: RuntimeChoice,
    /// A lock other than the one in the working directory or the built-in one.
    pub lock: Option<Utf8PathBuf>,
    /// A base URL that is tried first for every file.
    pub mirror: Option<Url>,
    /// The working directory (`-C`).
    pub work_dir: Utf8PathBuf,
    /// The process's environment.
    pub environment: Environment,
    /// How this program was called.
    pub call: Call,
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
    /// The runtime, where the choice leaves no doubt.
    pub fn kind(self) -> Option<RuntimeKind> {
        match self {
            Self::Auto => None,
            Self::Docker => Some(RuntimeKind::Docker),
            Self::Host => Some(RuntimeKind::Host),
        }
    }

    pub(crate) fn parse(text: &str) -> Result<Self> {
        <Self as ValueEnum>::from_str(text, false).map_err(|_| {
            Failure::usage(format!("no runtime is called {text:?}")).hint("use auto, docker or host")
        })
    }
}

/// Set for whatever runs inside the machine of a lab's containers.
pub const INSIDE_VARIABLE: &str = "MESHLAB_INSIDE";
