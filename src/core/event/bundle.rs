//! A bundle being written or read, as it happens.

use std::time::Duration;

use serde::Serialize;

use super::millis;
use crate::core::model::{ByteSize, Platform};

/// A bundle at work.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "bundle", rename_all = "kebab-case")]
pub enum BundleEvent {
    /// What will be moved is known.
    Started {
        /// Which way.
        verb: BundleVerb,
        /// The bundle's path.
        file: String,
        /// How many artifacts; one for two platforms counts twice.
        artifacts: usize,
        /// For which platforms.
        platforms: Vec<Platform>,
        /// The bytes of all their files.
        #[serde(rename = "bytes")]
        size: ByteSize,
    },
    /// Bytes have been moved.
    Progress {
        /// What they belong to: an artifact.
        artifact: String,
        /// Bytes of all files so far.
        #[serde(rename = "done_bytes")]
        done: ByteSize,
    },
    /// All are moved and verified.
    Finished {
        /// Which way.
        verb: BundleVerb,
        /// The bundle's path.
        file: String,
        /// The bytes of all files.
        #[serde(rename = "bytes")]
        size: ByteSize,
        /// How long it took, in milliseconds.
        #[serde(rename = "millis", serialize_with = "millis")]
        took: Duration,
    },
}

/// Which way a bundle's files go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BundleVerb {
    /// From the store into a file.
    Export,
    /// From a file into the store.
    Import,
}
