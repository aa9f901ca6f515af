//! What a lab is given: tools, packages, and a place to run.

use camino::Utf8PathBuf;

use crate::artifacts::tool::InstalledTool;
use crate::machine::docker::{Daemon, Plan};
use crate::mesh::vm::Package;

/// The provisioned tools that a lab's commands find.
#[derive(Debug, Clone, Default)]
pub struct Components {
    /// Folders for PATH, first wins.
    pub path: Vec<Utf8PathBuf>,
    /// Name and version of each tool.
    pub tools: Vec<(String, String)>,
    /// The tools' commands, for the lab's package repository.
    pub packages: Vec<Package>,
    /// The tools that it serves whole.
    pub runtimes: Vec<InstalledTool>,
    /// Where all of it runs.
    pub place: Place,
}

/// Where a lab runs, with what that needs.
#[derive(Debug, Clone, Default)]
pub enum Place {
    /// As processes of this machine.
    #[default]
    Host,
    /// As containers.
    Docker {
        /// The daemon that keeps them.
        daemon: Box<Daemon>,
        /// What they are made of.
        plan: Box<Plan>,
    },
}
