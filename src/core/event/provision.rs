//! Artifacts being fetched, built and installed.

use std::time::Duration;

use serde::Serialize;

use super::millis;
use crate::core::failure::Failure;
use crate::core::model::{ArtifactName, ByteSize, FileName, Platform};

/// Artifacts being fetched, built and installed.
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
        #[serde(rename = "bytes")]
        size: Option<ByteSize>,
        /// Bytes of an earlier run, which are not fetched again.
        #[serde(rename = "resumed_bytes")]
        resumed: ByteSize,
    },
    /// Bytes have arrived.
    FetchProgress {
        /// The artifact.
        artifact: ArtifactName,
        /// The file.
        file: FileName,
        /// Bytes so far, those of an earlier run included.
        #[serde(rename = "done_bytes")]
        done: ByteSize,
    },
    /// The file is in the store, verified.
    FetchFinished {
        /// The artifact.
        artifact: ArtifactName,
        /// The file.
        file: FileName,
        /// Its length.
        #[serde(rename = "bytes")]
        size: ByteSize,
    },
    /// A Go build proceeds.
    BuildProgress {
        /// The artifact.
        artifact: ArtifactName,
        /// How far it is.
        #[serde(flatten)]
        build: BuildStage,
    },
    /// Waits for another meshlab, or another part of this run, that holds what is needed.
    Waiting {
        /// The artifact.
        artifact: ArtifactName,
        /// What is held.
        #[serde(flatten)]
        claim: Claimed,
        /// The process that holds it, where known.
        pid: Option<u32>,
    },
    /// A source failed; the next one is tried, if there is one.
    SourceFailed {
        /// The artifact.
        artifact: ArtifactName,
        /// Which source: `mirror`, `url`, `pip`, `apt` or `go`.
        from: String,
        /// Why.
        failure: Failure,
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
    /// An artifact's files are in the store, and that is all that was wanted: they are for another machine.
    Stored {
        /// The artifact.
        artifact: ArtifactName,
        /// Its version.
        version: String,
        /// Where they came from: `cache`, `mirror`, `url`, `pip`, `apt` or `go`.
        from: String,
        /// From the first byte asked for to the last one stored, in milliseconds.
        #[serde(rename = "millis", serialize_with = "millis")]
        took: Duration,
    },
    /// An artifact cannot be provided.
    Failed {
        /// The artifact.
        artifact: ArtifactName,
        /// Why.
        failure: Failure,
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

/// How far a Go build is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "build", rename_all = "kebab-case")]
pub enum BuildStage {
    /// Modules are fetched.
    FetchingModules {
        /// How many so far.
        modules: u64,
        /// The last one.
        last: Option<String>,
    },
    /// Packages are compiled.
    Compiling {
        /// How many so far.
        packages: u64,
        /// Of how many.
        of: u64,
        /// The last one.
        last: String,
    },
    /// The program is linked.
    Linked {
        /// How many packages were compiled.
        packages: u64,
    },
}

/// What one run holds at a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "claim", rename_all = "kebab-case")]
pub enum Claimed {
    /// A file of the cache.
    File {
        /// Its name.
        file: FileName,
    },
    /// The artifact's folder.
    Artifact,
    /// Go's folders: one build at a time.
    GoBuild,
    /// apt's package lists.
    PackageLists,
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
        #[serde(rename = "fetched_bytes")]
        fetched: ByteSize,
        /// How long it took, in milliseconds.
        #[serde(rename = "millis", serialize_with = "millis")]
        took: Duration,
    },
    /// Its files were stored, and not installed.
    Stored {
        /// Where they came from: `cache`, `mirror`, `url`, `pip`, `apt` or `go`.
        from: String,
        /// Bytes fetched.
        #[serde(rename = "fetched_bytes")]
        fetched: ByteSize,
        /// How long it took, in milliseconds.
        #[serde(rename = "millis", serialize_with = "millis")]
        took: Duration,
    },
    /// It cannot be provided.
    Failed {
        /// Why.
        failure: Failure,
    },
}

/// A source that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SourceFailure {
    /// Which: `mirror`, `url`, `pip`, `apt` or `go`.
    pub from: String,
    /// Why.
    pub failure: Failure,
}
