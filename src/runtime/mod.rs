//! Where components run. `host` starts them as processes of this machine.

pub mod docker;
pub mod host;
pub mod ports;
pub mod readiness;

use std::collections::BTreeMap;

use readiness::Readiness;

/// A component to start, in plain words: nothing here depends on where it runs.
#[derive(Debug, Clone)]
pub struct ServiceSpec {
    /// Its name, unique in the lab.
    pub name: String,
    /// The command line, as a person would type it.
    pub command: String,
    /// Where it answers, for `status`.
    pub listens: Vec<String>,
    /// What makes it ready.
    pub ready: Readiness,
}

/// The environment of everything that a lab starts: clean, then this.
pub type CommandEnvironment = BTreeMap<String, String>;
