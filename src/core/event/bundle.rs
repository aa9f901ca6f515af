//! Export or import of a bundle.

use std::time::Duration;

use serde::Serialize;

use super::millis;
use crate::core::model::{ByteSize, Platform};

/// Export or import of a bundle.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "bundle", rename_all = "kebab-case")]
pub enum BundleEvent {
    /// The files are known.
    Started {
        /// `export` or `import`.
        verb: BundleVerb,
        /// The bundle's path.
        file: String,
        /// The number of artifacts; one for two platforms counts twice.
        artifacts: usize,
        /// The artifacts' platforms.
        platforms: Vec<Platform>,
        /// The size of all files.
        #[serde(rename = "bytes")]
        size: ByteSize,
    },
    /// Progress, at most five times per second.
    Progress {
        /// The artifact of the current file.
        artifact: String,
        /// The size of what is done.
        #[serde(rename = "done_bytes")]
        done: ByteSize,
    },
    /// All files are moved and verified.
    Finished {
        /// `export` or `import`.
        verb: BundleVerb,
        /// The bundle's path.
        file: String,
        /// The size of all files.
        #[serde(rename = "bytes")]
        size: ByteSize,
        /// In milliseconds.
        #[serde(rename = "millis", serialize_with = "millis")]
        took: Duration,
    },
}

/// The direction of a bundle's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BundleVerb {
    /// From the store into a file.
    Export,
    /// From a file into the store.
    Import,
}
