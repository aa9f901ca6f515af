//! The settings of one run. A flag overrides a variable, a variable overrides the settings file.
//!
//! Invariant: only this module reads the process's environment variables.

mod dirs;
mod invocation;

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use clap::ValueEnum;
use serde::Deserialize;
use url::Url;

pub use dirs::Dirs;
pub use invocation::Invocation;

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

    /// Creates an environment for tests.
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self(pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
    }

    /// The value of a variable that is set and not empty.
    pub fn var(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// All variables, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// The boolean value of a variable; `None` if it is not set. Fails on any other value.
    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>> {
        match self.var(name) {
            None => Ok(None),
            Some("1" | "true" | "yes" | "on") => Ok(Some(true)),
            Some("0" | "false" | "no" | "off") => Ok(Some(false)),
            Some(other) => {
                Err(Failure::usage(format!("{name} is {other:?}, not a boolean")).hint("set it to 1 or 0"))
            }
        }
    }
}

/// The settings of one run, from flags, variables and the settings file.
#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct Settings {
    /// The folders that meshlab writes to.
    pub dirs: Dirs,
    /// Make no network connections outside this machine (`--offline`).
    pub offline: bool,
    /// Fail if `deps.lock` would change (`--locked`).
    pub locked: bool,
    /// Print data on stdout and events on stderr as JSON (`--json`).
    pub json: bool,
    /// Print only errors and data (`--quiet`).
    pub quiet: bool,
    /// How often `-v` was given.
    pub verbose: u8,
    /// Answer yes to every prompt (`--yes`).
    pub yes: bool,
    /// The number of parallel downloads and unpacks.
    pub jobs: usize,
    /// The address of the lab: as set by the user, else that of a running lab, else the default.
    pub address: LabAddress,
    /// Whether the user set `address`.
    pub is_address_set: bool,
    /// Whether this process runs inside a lab's machine.
    pub inside: bool,
    /// When to use colour.
    pub color: ColorChoice,
    /// Where components run.
    pub runtime: RuntimeChoice,
    /// The lock file of `--lock`; by default the one in the working directory, else the built-in one.
    pub lock: Option<Utf8PathBuf>,
    /// A base URL to try first for every file (`--mirror`).
    pub mirror: Option<Url>,
    /// The working directory (`-C`).
    pub work_dir: Utf8PathBuf,
    /// The environment variables of this process.
    pub environment: Environment,
    /// The command line of this process.
    pub invocation: Invocation,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(clippy::doc_markdown, reason = "these comments are help texts, which show no backticks")]
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
    /// Docker if its daemon answers, else host
    Auto,
    /// Containers
    Docker,
    /// Processes of this machine
    Host,
}

impl RuntimeChoice {
    /// The chosen runtime; `None` for `Auto`.
    pub fn kind(self) -> Option<RuntimeKind> {
        match self {
            Self::Auto => None,
            Self::Docker => Some(RuntimeKind::Docker),
            Self::Host => Some(RuntimeKind::Host),
        }
    }

    pub(crate) fn parse(text: &str) -> Result<Self> {
        <Self as ValueEnum>::from_str(text, false)
            .map_err(|_| Failure::usage(format!("unknown runtime {text:?}")).hint("use auto, docker or host"))
    }
}

/// The variable that is set for every process inside a lab's machine.
pub const INSIDE_VARIABLE: &str = "MESHLAB_INSIDE";
