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
    /// The work is known.
    Planned {
        /// The platform.
        platform: Platform,
        /// The number of artifacts that are installed already.
        ready: usize,
        /// The artifacts to provide.
        wanted: Vec<ArtifactName>,
    },
    /// A download begins; again for another source.
    FetchStarted {
        /// The artifact.
        artifact: ArtifactName,
        /// The file.
        file: FileName,
        /// The source: `mirror`, `url`, `pip`, `apt` or `go`.
        from: String,
        /// The file's length, where known.
        #[serde(rename = "bytes")]
        size: Option<ByteSize>,
        /// Bytes of an earlier run, which are not fetched again.
        #[serde(rename = "resumed_bytes")]
        resumed: ByteSize,
    },
    /// Progress of a download, at most five times per second and file.
    FetchProgress {
        /// The artifact.
        artifact: ArtifactName,
        /// The file.
        file: FileName,
        /// Bytes so far, with those of an earlier run.
        #[serde(rename = "done_bytes")]
        done: ByteSize,
    },
    /// A file is verified and in the store.
    FetchFinished {
        /// The artifact.
        artifact: ArtifactName,
        /// The file.
        file: FileName,
        /// The file's length.
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
    /// An artifact waits for another meshlab, or for another part of this run.
    Waiting {
        /// The artifact.
        artifact: ArtifactName,
        /// What is held.
        #[serde(flatten)]
        claim: Claimed,
        /// The process id of that meshlab, where known.
        pid: Option<u32>,
    },
    /// A source failed; the next one is tried, if there is one.
    SourceFailed {
        /// The artifact.
        artifact: ArtifactName,
        /// The source: `mirror`, `url`, `pip`, `apt` or `go`.
        from: String,
        /// Why.
        failure: Failure,
    },
    /// Archives are unpacked.
    Unpacking {
        /// The artifact.
        artifact: ArtifactName,
    },
    /// An artifact is installed.
    Installed {
        /// The artifact.
        artifact: ArtifactName,
        /// Its version.
        version: String,
        /// The source: `cache`, `mirror`, `url`, `pip`, `apt` or `go`.
        from: String,
        /// In milliseconds.
        #[serde(rename = "millis", serialize_with = "millis")]
        took: Duration,
    },
    /// An artifact for another platform is in the store; it is not installed.
    Stored {
        /// The artifact.
        artifact: ArtifactName,
        /// Its version.
        version: String,
        /// The source: `cache`, `mirror`, `url`, `pip`, `apt` or `go`.
        from: String,
        /// In milliseconds.
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
    /// The work has ended.
    Finished {
        /// One row for each artifact, in the order of the lock.
        rows: Vec<ProvisionRow>,
        /// In milliseconds.
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

/// The result for one artifact.
#[derive(Debug, Clone, Serialize)]
pub struct ProvisionRow {
    /// The artifact.
    pub artifact: ArtifactName,
    /// Its version.
    pub version: String,
    /// The result.
    pub outcome: ProvisionOutcome,
    /// Sources that failed before.
    pub earlier: Vec<SourceFailure>,
}

/// The result for an artifact.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum ProvisionOutcome {
    /// It was installed before.
    Ready,
    /// It is installed.
    Installed {
        /// The source: `cache`, `mirror`, `url`, `pip`, `apt` or `go`.
        from: String,
        /// The size of what was downloaded.
        #[serde(rename = "fetched_bytes")]
        fetched: ByteSize,
        /// In milliseconds.
        #[serde(rename = "millis", serialize_with = "millis")]
        took: Duration,
    },
    /// Its files are in the store; it is not installed.
    Stored {
        /// The source: `cache`, `mirror`, `url`, `pip`, `apt` or `go`.
        from: String,
        /// The size of what was downloaded.
        #[serde(rename = "fetched_bytes")]
        fetched: ByteSize,
        /// In milliseconds.
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
    /// The source: `mirror`, `url`, `pip`, `apt` or `go`.
    pub from: String,
    /// Why.
    pub failure: Failure,
}
