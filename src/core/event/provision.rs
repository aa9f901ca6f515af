//! Getting artifacts, as it happens.

use std::time::Duration;

use serde::Serialize;

use super::millis;
use crate::core::model::{ArtifactName, ByteSize, FileName, Platform};

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
    /// Its files were stored, and not installed.
    Stored {
        /// Where they came from: `cache`, `mirror`, `url`, `pip`, `apt` or `go`.
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
