//! What a person should know beside the work itself.

use std::net::SocketAddr;

use camino::Utf8PathBuf;
use serde::Serialize;

use crate::core::failure::Failure;
use crate::core::model::{ArtifactName, FileName, LabAddress, LabId, Platform, Slug};

/// Something a person should know that is not an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "note", rename_all = "kebab-case")]
pub enum Note {
    /// An interrupted run left something on an address; it is taken down.
    LeftoversFound {
        /// The address.
        address: LabAddress,
    },
    /// Nothing runs.
    NothingRuns {
        /// The address; `null` for any.
        address: Option<LabAddress>,
    },
    /// Something runs on an address that the command does not cover.
    RunsElsewhere {
        /// The address.
        address: LabAddress,
    },
    /// A shell begins.
    ShellOpened {
        /// The lab that runs on the shell's address, if one does.
        lab: Option<LabId>,
        /// The shell's address.
        address: LabAddress,
    },
    /// A lab continues with the first step that is not done.
    LabContinues {
        /// The step, from 1.
        number: usize,
        /// Its title.
        title: String,
    },
    /// The reader stopped a lab before its end.
    LabStopped {
        /// The step, from 1.
        number: usize,
        /// Of how many.
        of: usize,
        /// Whether the step is done.
        done: bool,
    },
    /// A step is done, and this one is next.
    NextStep {
        /// The lab.
        lab: LabId,
        /// The next step, from 1.
        number: usize,
        /// Its title.
        title: String,
    },
    /// All steps of a lab are done.
    LabDone {
        /// The lab.
        lab: LabId,
        /// How many steps it has.
        steps: usize,
    },
    /// No step of a lab counts as done any more.
    LabReset {
        /// The lab.
        lab: LabId,
    },
    /// A step is undone.
    StepReset {
        /// The lab.
        lab: LabId,
        /// The step, from 1.
        number: usize,
        /// Whether later steps, which may need it, count as done.
        later_done: bool,
    },
    /// A step has no further hint.
    NoMoreHints,
    /// A lab's report is complete.
    ReportWritten {
        /// The file.
        path: Utf8PathBuf,
    },
    /// Docker's images were not listed.
    DockerNotAsked {
        /// Why.
        failure: Failure,
    },
    /// An image differs from its pin in the lock: its tools came from another source.
    ImageNotPinned {
        /// Its name.
        image: Slug,
    },
    /// A bundle was made with another lock than the one in force, which has what this machine needs.
    OtherLock {
        /// Where the lock in force comes from.
        lock: String,
    },
    /// `clean` keeps the state of labs that run.
    StateKept {
        /// Where they run.
        addresses: Vec<LabAddress>,
    },
    /// `clean` keeps a folder that another meshlab builds in.
    BuildFolderKept {
        /// Its path.
        path: Utf8PathBuf,
    },
    /// wrk uses another number of connections than asked for.
    ConnectionsRounded {
        /// Its threads, each with the same number of connections.
        threads: u32,
        /// The number asked for.
        asked: u32,
        /// The number in use.
        used: u32,
    },
}

/// Something that may cause trouble later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "warning", rename_all = "kebab-case")]
pub enum Warning {
    /// A lab failed, and its report could not be written.
    ReportNotWritten {
        /// Why.
        failure: Failure,
    },
    /// Labs in containers are not found: Docker cannot be asked.
    ContainersNotSearched {
        /// Why.
        failure: Failure,
    },
    /// Images that were replaced are still in Docker.
    ReplacedImagesKept {
        /// Why.
        failure: Failure,
    },
    /// The folder of package managers is not cleared.
    BuildFolderNotCleared {
        /// Why.
        failure: Failure,
    },
    /// A file changed in the cache; it is fetched anew.
    CachedFileChanged {
        /// The file.
        file: FileName,
        /// Where it is kept, if it could be moved.
        kept_at: Option<Utf8PathBuf>,
    },
    /// `deps lock` runs offline and measures no file.
    NotMeasured,
    /// A source cannot be measured here and keeps its digests.
    SourceKept {
        /// The artifact or image.
        name: ArtifactName,
        /// The platform.
        platform: Platform,
        /// `image`, or the kind of source.
        kind: String,
        /// Why.
        failure: Failure,
    },
    /// A bundle has an artifact that the lock does not name; it is not stored.
    NotInLock {
        /// The artifact.
        artifact: ArtifactName,
        /// Its version.
        version: String,
        /// The platform.
        platform: Platform,
        /// Where the lock comes from.
        lock: String,
    },
    /// A bundle has other files of an artifact for another platform than the lock pins.
    NotPinned {
        /// The artifact.
        artifact: ArtifactName,
        /// Its version.
        version: String,
        /// The platform.
        platform: Platform,
        /// Where the lock comes from.
        lock: String,
    },
    /// A bundle has nothing for this machine.
    OtherPlatform {
        /// What it is for.
        platforms: Vec<Platform>,
        /// This machine.
        here: Platform,
    },
    /// The package repository can be reached from the network.
    RepositoryOpen {
        /// Where it listens.
        address: SocketAddr,
    },
    /// The package repository does not serve a file that changed.
    FileNotServed {
        /// Which file, and what was seen.
        observed: String,
    },
    /// A sample service dropped lines of its access log: its reader was too slow.
    AccessLogDropped {
        /// How many.
        lines: u64,
    },
    /// A load test got wrong answers.
    WrongAnswers {
        /// The target's name.
        target: String,
        /// How many requests.
        requests: u64,
        /// How many wrong answers.
        wrong: u64,
        /// The first of them, where it was kept.
        first: Option<WrongAnswer>,
    },
    /// This meshlab was built without optimisation, and its services are measured.
    DebugBuild,
}

/// An answer that is not the expected one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WrongAnswer {
    /// The status.
    pub status: u16,
    /// The body's beginning.
    pub body: String,
}
