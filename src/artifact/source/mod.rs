//! Ways to get the files of an artifact.

pub(crate) mod apt;
pub(crate) mod bring;
pub(crate) mod client;
pub(crate) mod go;
pub(crate) mod pip;
#[cfg(test)]
mod real_clients;
mod turn;

use camino::Utf8Path;

use super::store::Store;
use crate::cli::Environment;
use crate::event::SharedReporter;
use crate::lockfile::{Artifact, LockedFile, Source};

/// What a source is asked to do.
pub(crate) struct Job<'a> {
    pub artifact: &'a Artifact,
    pub source: &'a Source,
    /// Files of the source that the store lacks.
    pub missing: Vec<&'a LockedFile>,
    pub store: &'a Store,
    /// An empty folder on the cache's file system, removed afterwards.
    pub work: &'a Utf8Path,
    pub environment: &'a Environment,
    pub reporter: &'a SharedReporter,
    /// The tree of the pinned Go toolchain, for `go` sources.
    pub toolchain: Option<&'a Utf8Path>,
}
