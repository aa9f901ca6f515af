//! Events: typed data about what happens. The engine reports them, and `ui` alone words them.
//!
//! Invariant: an event is plain data and complete. A reporter keeps what it needs; the engine never reads it back.

mod bench;
mod bundle;
#[cfg(test)]
mod docs;
mod image;
mod jobs;
mod lab;
mod note;
mod provision;
mod runtime;
#[cfg(test)]
pub(crate) mod samples;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

pub use bench::BenchEvent;
pub use bundle::{BundleEvent, BundleVerb};
pub use image::ImageEvent;
pub use jobs::{AllocationName, JobEvent, JobWait, TaskTrouble, Unmet};
pub use lab::{LabEvent, StepSummary, Trial};
pub use note::{Note, Warning, WrongAnswer};
pub use provision::{BuildStage, Claimed, ProvisionEvent, ProvisionOutcome, ProvisionRow, SourceFailure};
pub use runtime::{Access, Ready, ReadyState, Removed, RuntimeEvent, RuntimeReason};

use crate::core::failure::Failure;

/// Takes events, from several tasks at once. Must not block for long.
pub trait Reporter: Send + Sync {
    /// Takes the next event.
    fn report(&self, event: Event);
}

/// A reporter that many tasks share.
pub type SharedReporter = Arc<dyn Reporter>;

/// Anything that happens while a command runs.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// Something a person should know that is not an error.
    Note(Note),
    /// Something that may cause trouble later.
    Warning(Warning),
    /// A line of the debug log, with `-v` or `MESHLAB_LOG`.
    Log(LogLine),
    /// Artifacts being fetched, built and installed.
    Provision(ProvisionEvent),
    /// A running lab.
    Lab(LabEvent),
    /// Components starting and stopping outside of a lab's steps.
    Runtime(RuntimeEvent),
    /// Nomad jobs starting and stopping.
    Jobs(JobEvent),
    /// Container images being loaded into Docker or written to an archive.
    Image(ImageEvent),
    /// The package repository.
    Repo(RepoEvent),
    /// A load test.
    Bench(BenchEvent),
    /// Export or import of a bundle.
    Bundle(BundleEvent),
}

/// A line of the debug log.
#[derive(Debug, Clone, Serialize)]
pub struct LogLine {
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: &'static str,
    /// The module that wrote it, such as `meshlab::core::http`.
    pub target: String,
    /// What happened, and its fields as `name=value`.
    pub text: String,
}

/// The package repository.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "repo", rename_all = "kebab-case")]
pub enum RepoEvent {
    /// The repository accepts requests.
    Listening {
        /// The address.
        address: SocketAddr,
        /// The number of the lock's files in the store.
        files: usize,
    },
    /// The repository answered a request.
    Served {
        /// The method.
        method: String,
        /// The path, at most 200 characters of it; others than ASCII as `?`.
        path: String,
        /// The HTTP status.
        status: u16,
        /// The length of the body that was sent.
        bytes: u64,
        /// From the request's last byte to the answer's last byte.
        micros: u64,
    },
}

pub(crate) fn millis<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

/// A reporter that drops all events.
#[derive(Debug, Default, Clone, Copy)]
pub struct Silent;

impl Reporter for Silent {
    fn report(&self, _: Event) {}
}

/// A failure as JSON.
#[derive(Debug, Clone, Serialize)]
pub struct FailureReport<'a> {
    /// Always `error`.
    pub event: &'static str,
    /// What failed, and why.
    #[serde(flatten)]
    pub failure: &'a Failure,
}

impl<'a> From<&'a Failure> for FailureReport<'a> {
    fn from(failure: &'a Failure) -> Self {
        Self { event: "error", failure }
    }
}
