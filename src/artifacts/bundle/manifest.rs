//! The manifest of a bundle.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::member;
use crate::core::failure::{Failure, FailureKind, Result};
use crate::core::model::{ArtifactName, Digest, FileName, Platform};

/// The version of the format. Incremented when older versions of meshlab cannot read a bundle.
const SCHEMA: u32 = 1;

/// The largest manifest in bytes. One with all artifacts for all platforms has about 20,000.
pub(super) const MAX_MANIFEST: u64 = 1 << 20;

/// The largest lock in bytes.
const MAX_LOCK: u64 = 16 << 20;

/// The list of everything in a bundle, as JSON with this order of fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    schema: u32,
    /// The lock that the bundle was exported with.
    pub lock: BundledLock,
    /// The meshlab binary, if the bundle includes it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub meshlab: Option<BundledProgram>,
    /// The artifacts for each platform, sorted by name and platform.
    pub artifacts: Vec<BundledArtifact>,
}

/// The digest and size of the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundledLock {
    /// The required digest.
    pub digest: Digest,
    /// The size in bytes.
    pub size: u64,
}

/// The meshlab binary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundledProgram {
    /// The platform of the binary.
    pub platform: Platform,
    /// The required digest.
    pub digest: Digest,
    /// The size in bytes.
    pub size: u64,
}

/// An artifact for one platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundledArtifact {
    /// The name.
    pub name: ArtifactName,
    /// The version.
    pub version: String,
    /// The platform.
    pub platform: Platform,
    /// The kind of source of the files: `url`, `pip`, `apt` or `go`.
    pub source: String,
    /// The files of the source.
    pub files: Vec<BundledFile>,
}

/// A file of an artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundledFile {
    /// The name in the lock.
    pub name: FileName,
    /// The required digest.
    pub digest: Digest,
    /// The size in bytes.
    pub size: u64,
}

/// The field that every schema has.
#[derive(Deserialize)]
struct SchemaOnly {
    schema: u32,
}

impl Manifest {
    /// Creates a manifest. The order of `artifacts` does not matter.
    pub(super) fn new(
        lock: BundledLock,
        meshlab: Option<BundledProgram>,
        mut artifacts: Vec<BundledArtifact>,
    ) -> Self {
        artifacts.sort_by(|one, other| (&one.name, one.platform).cmp(&(&other.name, other.platform)));
        Self { schema: SCHEMA, lock, meshlab, artifacts }
    }

    /// The manifest as JSON.
    pub(super) fn to_json(&self) -> Result<Vec<u8>> {
        let mut text = serde_json::to_vec_pretty(self)
            .map_err(|error| Failure::failed("cannot write the bundle's manifest").seen(&error))?;
        text.push(b'\n');
        if text.len() as u64 > MAX_MANIFEST {
            return Err(Failure::failed("the bundle's manifest is too large: export fewer artifacts"));
        }
        Ok(text)
    }

    /// Parses a manifest, and checks the sizes in it.
    pub(super) fn parse(text: &[u8]) -> Result<Self> {
        let unreadable = |error: serde_json::Error| refuse("the manifest is invalid").seen(&error);
        let SchemaOnly { schema } = serde_json::from_slice(text).map_err(unreadable)?;
        if schema != SCHEMA {
            return Err(Failure::failed(format!(
                "the bundle has schema {schema}, but this version of meshlab reads schema {SCHEMA}"
            ))
            .hint("use the version of meshlab that exported it, or export it again with this version"));
        }
        let manifest: Self = serde_json::from_slice(text).map_err(unreadable)?;
        manifest.check()?;
        Ok(manifest)
    }

    fn check(&self) -> Result<()> {
        if self.lock.size > MAX_LOCK {
            return Err(refuse(format!(
                "the lock has {} bytes according to the manifest; at most {MAX_LOCK} are allowed",
                self.lock.size
            )));
        }
        let mut seen = BTreeSet::new();
        let mut sizes = BTreeMap::new();
        for artifact in &self.artifacts {
            if !seen.insert((&artifact.name, artifact.platform)) {
                let name = &artifact.name;
                return Err(refuse(format!(
                    "the manifest lists artifact {name} twice for {}",
                    artifact.platform
                )));
            }
            for file in &artifact.files {
                if file.size > member::MAX_SIZE {
                    return Err(refuse(format!(
                        "{} has {} bytes according to the manifest",
                        file.name, file.size
                    )));
                }
                if *sizes.entry(file.digest).or_insert(file.size) != file.size {
                    return Err(refuse(format!("{} has two different sizes in the manifest", file.name)));
                }
            }
        }
        match &self.meshlab {
            Some(program) if program.size > member::MAX_SIZE => Err(refuse(format!(
                "the meshlab binary has {} bytes according to the manifest",
                program.size
            ))),
            _ => Ok(()),
        }
    }

    /// Each file once, in the order of the bundle, with the first artifact that has it.
    pub fn blobs(&self) -> Vec<(&BundledArtifact, &BundledFile)> {
        let mut seen = BTreeSet::new();
        self.artifacts
            .iter()
            .flat_map(|artifact| artifact.files.iter().map(move |file| (artifact, file)))
            .filter(|(_, file)| seen.insert(file.digest))
            .collect()
    }

    /// The size of all files in bytes.
    pub fn bytes(&self) -> u64 {
        self.blobs().iter().fold(0, |sum, (_, file)| sum.saturating_add(file.size))
    }

    /// The platforms, sorted.
    pub fn platforms(&self) -> Vec<Platform> {
        let platforms: BTreeSet<Platform> = self.artifacts.iter().map(|artifact| artifact.platform).collect();
        platforms.into_iter().collect()
    }
}

/// The failure for an invalid bundle.
pub(super) fn refuse(why: impl Into<String>) -> Failure {
    Failure::new(FailureKind::Untrusted, format!("the bundle is damaged or forged: {}", why.into()))
}
