//! What happens, told as it happens. The engine reports events; `ui` alone turns them into text.
//!
//! Invariant: an event is plain data, complete in itself. A reporter keeps what it needs; the engine never asks back.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::failure::Failure;
use crate::model::{ArtifactName, ByteSize, FileName, LabAddress, LabId, Platform, StepId};

/// Takes events. Called from several tasks at once; must not block for long.
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
    Note {
        /// One sentence.
        text: String,
    },
    /// Something that may hurt later.
    Warning {
        /// One sentence.
        text: String,
    },
    /// Getting artifacts.
    Provision(ProvisionEvent),
    /// A lab at work.
    Lab(LabEvent),
    /// Components starting and stopping outside of a lab's steps.
    Runtime(RuntimeEvent),
    /// The package repository at work.
    Repo(RepoEvent),
}

/// Getting artifacts.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "provision", rename_all = "kebab-case")]
pub enum ProvisionEvent {
    /// What has to be done is known.
    Planned {
        /// For which platform.
        platform: Platform,
        /// Artifacts that are in place already.
        ready: usize,
        /// Artifacts to get.
        wanted: Vec<ArtifactName>,
    },
    /// A file's bytes begin to arrive. Also sent again when another source is tried.
    FetchStarted {
        /// The artifact.
        artifact: ArtifactName,
        /// The file.
        file: FileName,
        /// From where: `mirror`, `url`, `pip`, `apt` or `go`.
        from: String,
        /// Its length, where known.
        size: Option<ByteSize>,
        /// Bytes that an earlier run left and that are used again.
        resumed: ByteSize,
    },
    /// Bytes have arrived.
    FetchProgress {
        /// The artifact.
        artifact: ArtifactName,
        /// The file.
        file: FileName,
        /// Bytes so far, resumed ones included.
        done: ByteSize,
    },
    /// The file is in the store, verified.
    FetchFinished {
        /// The artifact.
        artifact: ArtifactName,
        /// The file.
        file: FileName,
        /// Its length.
        size: ByteSize,
    },
    /// A Go module is being built; sent for each package that was compiled.
    BuildProgress {
        /// The artifact.
        artifact: ArtifactName,
        /// Packages compiled so far.
        done: u64,
        /// Packages in all.
        total: u64,
        /// What is being done now: `fetching modules`, or the package that was compiled.
        doing: String,
    },
    /// Waiting for another meshlab that works on the same thing.
    Waiting {
        /// The artifact.
        artifact: ArtifactName,
        /// For what.
        reason: String,
    },
    /// A source could not deliver; the next one is tried, if there is one.
    SourceFailed {
        /// The artifact.
        artifact: ArtifactName,
        /// Which source: `mirror`, `url`, `pip`, `apt` or `go`.
        from: String,
        /// Why, in one line.
        reason: String,
    },
    /// An archive is being unpacked.
    Unpacking {
        /// The artifact.
        artifact: ArtifactName,
    },
    /// A tool is in place.
    Installed {
        /// The artifact.
        artifact: ArtifactName,
        /// Its version.
        version: String,
        /// Where it came from: `cache`, `mirror`, `url`, `pip`, `apt` or `go`.
        from: String,
        /// From the first byte asked for to the tool in place, in milliseconds.
        #[serde(rename = "millis", serialize_with = "millis")]
        took: Duration,
    },
    /// An artifact could not be had.
    Failed {
        /// The artifact.
        artifact: ArtifactName,
        /// Why, in one line.
        reason: String,
    },
    /// All done (or failed); the summary can be drawn.
    Finished {
        /// One row per artifact, in the order of the lock.
        rows: Vec<ProvisionRow>,
        /// All in all, in milliseconds.
        #[serde(rename = "millis", serialize_with = "millis")]
        took: Duration,
    },
}

/// What became of one artifact.
#[derive(Debug, Clone, Serialize)]
pub struct ProvisionRow {
    /// The artifact.
    pub artifact: ArtifactName,
    /// Its version.
    pub version: String,
    /// What became of it.
    pub outcome: ProvisionOutcome,
    /// Sources that failed before, and why.
    pub earlier: Vec<SourceFailure>,
}

/// What became of an artifact.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum ProvisionOutcome {
    /// It was there already, with the locked digest.
    Ready,
    /// It was installed.
    Installed {
        /// Where it came from: `cache`, `mirror`, `url`, `pip`, `apt` or `go`.
        from: String,
        /// Bytes fetched.
        fetched: ByteSize,
        /// How long it took, in milliseconds.
        #[serde(rename = "millis", serialize_with = "millis")]
        took: Duration,
    },
    /// It could not be had.
    Failed {
        /// Why, in one line.
        reason: String,
    },
}

/// A source that could not deliver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SourceFailure {
    /// Which: `mirror`, `url`, `pip`, `apt` or `go`.
    pub from: String,
    /// Why, in one line.
    pub reason: String,
}

/// A lab at work.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "lab", rename_all = "kebab-case")]
pub enum LabEvent {
    /// The lab begins.
    Started {
        /// Which.
        id: LabId,
        /// Its title.
        title: String,
        /// What it is about, Markdown.
        summary: String,
        /// `host` or `docker`.
        runtime: String,
        /// Why this runtime, in a few words.
        runtime_reason: String,
        /// Where it listens.
        address: LabAddress,
        /// Name and version of each tool that takes part.
        tools: Vec<(String, String)>,
        /// How many steps will run.
        steps: usize,
    },
    /// A step begins.
    StepStarted {
        /// From 1.
        number: usize,
        /// Of how many.
        of: usize,
        /// Its name.
        step: StepId,
        /// Its title.
        title: String,
        /// The explanation, Markdown.
        text: String,
    },
    /// A command is about to run, exactly as shown.
    Command {
        /// The command line.
        command: String,
        /// Name of the service it starts, if it stays in the background.
        service: Option<String>,
    },
    /// A line the command wrote.
    Output {
        /// Without the line's end.
        line: String,
        /// Whether it went to standard error.
        error: bool,
    },
    /// More lines than are shown came; the log has them all.
    OutputCut {
        /// How many were left out.
        lines: usize,
    },
    /// The command ended, or the service is ready.
    CommandFinished {
        /// Since it was started, in milliseconds.
        #[serde(rename = "millis", serialize_with = "millis")]
        took: Duration,
        /// For a service: its name. Services that follow one another start together, and end up ready in their order.
        service: Option<String>,
        /// For a service: what was observed that makes it ready.
        ready: Option<String>,
    },
    /// A check begins.
    CheckStarted {
        /// What must hold, as a sentence.
        claim: String,
    },
    /// A check does not hold yet and is tried again.
    CheckWaiting {
        /// What must hold.
        claim: String,
        /// What was observed last.
        observed: String,
    },
    /// A check holds.
    CheckPassed {
        /// What holds.
        claim: String,
        /// The evidence, in a line or several.
        evidence: Vec<String>,
        /// How long until it held, in milliseconds.
        #[serde(rename = "millis", serialize_with = "millis")]
        took: Duration,
    },
    /// A check did not hold by its deadline.
    CheckFailed {
        /// What should have held.
        claim: String,
        /// What was expected.
        expected: String,
        /// What was observed last.
        observed: String,
    },
    /// A step is done.
    StepFinished {
        /// From 1.
        number: usize,
        /// Its name.
        step: StepId,
        /// Whether all its checks held.
        passed: bool,
        /// How long it took without the reader's pauses, in milliseconds.
        #[serde(rename = "millis", serialize_with = "millis")]
        took: Duration,
    },
    /// The lab is over.
    Finished {
        /// Which.
        id: LabId,
        /// Number, name, title, time and verdict of each step that ran.
        steps: Vec<StepSummary>,
        /// Whether all held.
        passed: bool,
        /// What was learned, Markdown, one item each.
        learned: Vec<String>,
        /// Whether the components were left running.
        kept: bool,
        /// All in all without the reader's pauses, in milliseconds.
        #[serde(rename = "millis", serialize_with = "millis")]
        took: Duration,
    },
}

/// One line of a lab's summary.
#[derive(Debug, Clone, Serialize)]
pub struct StepSummary {
    /// From 1.
    pub number: usize,
    /// The step.
    pub step: StepId,
    /// Its title.
    pub title: String,
    /// Whether its checks held.
    pub passed: bool,
    /// How many checks held.
    pub checks: usize,
    /// How long it took, in milliseconds.
    #[serde(rename = "millis", serialize_with = "millis")]
    pub took: Duration,
}

/// Components starting and stopping.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "runtime", rename_all = "kebab-case")]
pub enum RuntimeEvent {
    /// A component is being stopped.
    Stopping {
        /// Its name.
        name: String,
    },
    /// The take-down is complete.
    TakenDown {
        /// What was removed, in words.
        removed: Vec<String>,
        /// How long it took, in milliseconds.
        #[serde(rename = "millis", serialize_with = "millis")]
        took: Duration,
    },
}

/// The package repository at work.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "repo", rename_all = "kebab-case")]
pub enum RepoEvent {
    /// It answers from now on.
    Listening {
        /// Where.
        address: SocketAddr,
        /// How many of the lock's files are in the store.
        files: usize,
    },
    /// A request was answered.
    Served {
        /// The method, in plain characters.
        method: String,
        /// The path that was asked for, in plain characters, perhaps cut.
        path: String,
        /// The status.
        status: u16,
        /// How many bytes of the body were sent.
        bytes: u64,
        /// From the request's last byte read to the answer's last byte handed to the system.
        micros: u64,
    },
}

fn millis<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

/// A reporter that keeps nothing.
#[derive(Debug, Default, Clone, Copy)]
pub struct Silent;

impl Reporter for Silent {
    fn report(&self, _: Event) {}
}

/// A failure as a program reads it.
#[derive(Debug, Clone, Serialize)]
pub struct FailureReport<'a> {
    /// Always `error`.
    pub event: &'static str,
    /// What failed, on what.
    pub message: &'a str,
    /// Label and text of each fact.
    pub details: Vec<(&'a str, &'a str)>,
    /// What to do.
    pub hint: Option<&'a str>,
    /// The exit code.
    pub exit: u8,
}

impl<'a> From<&'a Failure> for FailureReport<'a> {
    fn from(failure: &'a Failure) -> Self {
        Self {
            event: "error",
            message: failure.message(),
            details: failure.details().iter().map(|fact| (fact.label.as_str(), fact.text.as_str())).collect(),
            hint: failure.hint_text(),
            exit: failure.kind().exit_code(),
        }
    }
}
