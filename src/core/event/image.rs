//! Container images being loaded into Docker or written to an archive.

use std::time::Duration;

use serde::Serialize;

use super::millis;
use crate::core::model::{ByteSize, Slug};

/// Container images being loaded into Docker or written to an archive.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "image", rename_all = "kebab-case")]
pub enum ImageEvent {
    /// Images that Docker does not have are loaded.
    Loading {
        /// Their names.
        images: Vec<Slug>,
        /// The length of what is sent.
        bytes: ByteSize,
    },
    /// Docker has them.
    Loaded {
        /// Their names.
        images: Vec<Slug>,
        /// The length of what was sent.
        bytes: ByteSize,
        /// In milliseconds.
        #[serde(rename = "millis", serialize_with = "millis")]
        took: Duration,
    },
    /// Images are written to an archive.
    Exporting {
        /// Their names.
        images: Vec<Slug>,
        /// The archive's length.
        bytes: ByteSize,
    },
    /// The archive is complete.
    Exported {
        /// Their names.
        images: Vec<Slug>,
        /// The archive's length.
        bytes: ByteSize,
        /// In milliseconds.
        #[serde(rename = "millis", serialize_with = "millis")]
        took: Duration,
    },
}
