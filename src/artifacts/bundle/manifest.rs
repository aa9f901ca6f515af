//! What a bundle says of itself.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::member;
use crate::core::failure::{Failure, FailureKind, Result};
use crate::core::model::{ArtifactName, Digest, FileName, Platform};

/// Grows when an older meshlab could not read a bundle any more.
const SCHEMA: u32 = 1;

/// The longest manifest that is read, in bytes; one with all artifacts for all platforms has some 20,000.
pub(super) const LONGEST: u64 = 1 << 20;

/// The longest lock, in bytes.
const LONGEST_LOCK: u64 = 16 << 20;

/// The list of everything in a bundle. Written as JSON, in this order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    schema: u32,
    /// The lock that the bundle was made with.
    pub lock: Sum,
    /// The program itself, if it is in the bundle.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub meshlab: Option<Program>,
    /// Each artifact for each platform, sorted.
    pub artifacts: Vec<Bundled>,
}

/// What a file must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sum {
    /// What its bytes hash to.
    pub digest: Digest,
    /// How many there are.
    pub size: u64,
}

/// The program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// Where it runs.
    pub platform: Platform,
    /// What its bytes hash to.
    pub digest: Digest,
    /// How many there are.
    pub size: u64,
}

/// An artifact for one platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundled {
    /// Its name.
    pub name: ArtifactName,
    /// Its version.
    pub version: String,
    /// For which platform.
    pub platform: Platform,
    /// The kind of the source whose files these are: `url`, `pip`, `apt` or `go`.
    pub source: String,
    /// The source's files.
    pub files: Vec<BundledFile>,
}

/// One file of an artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundledFile {
    /// Its name in the lock.
    pub name: FileName,
    /// What its bytes hash to.
    pub digest: Digest,
    /// How many there are.
    pub size: u64,
}

/// The part of a manifest that every schema has.
#[derive(Deserialize)]
struct Numbered {
    schema: u32,
}

impl Manifest {
    /// The manifest of these artifacts, whatever order they come in.
    pub(super) fn new(lock: Sum, meshlab: Option<Program>, mut artifacts: Vec<Bundled>) -> Self {
        artifacts.sort_by(|one, other| (&one.name, one.platform).cmp(&(&other.name, other.platform)));
        Self { schema: SCHEMA, lock, meshlab, artifacts }
    }

    /// As it is written.
    pub(super) fn to_json(&self) -> Result<Vec<u8>> {
        let mut text = serde_json::to_vec_pretty(self)
            .map_err(|error| Failure::failed("cannot write the bundle's manifest").seen(&error))?;
        text.push(b'\n');
        if text.len() as u64 > LONGEST {
            return Err(Failure::failed("the bundle's manifest would be too long; choose fewer artifacts"));
        }
        Ok(text)
    }

    /// Reads what a bundle says of itself; every number in it is within bounds afterwards.
    pub(super) fn parse(text: &[u8]) -> Result<Self> {
        let unreadable = |error: serde_json::Error| refuse("its manifest cannot be read").seen(&error);
        let Numbered { schema } = serde_json::from_slice(text).map_err(unreadable)?;
        if schema != SCHEMA {
            return Err(Failure::failed(format!(
                "the bundle has the schema {schema}, and this meshlab reads {SCHEMA}"
            ))
            .hint("use the meshlab that wrote it, or export it anew with this one"));
        }
        let manifest: Self = serde_json::from_slice(text).map_err(unreadable)?;
        manifest.check()?;
        Ok(manifest)
    }

    fn check(&self) -> Result<()> {
        if self.lock.size > LONGEST_LOCK {
            return Err(refuse(format!("its lock has {} bytes; no lock is that long", self.lock.size)));
        }
        let mut seen = BTreeSet::new();
        let mut sizes = BTreeMap::new();
        for artifact in &self.artifacts {
            if !seen.insert((&artifact.name, artifact.platform)) {
                let name = &artifact.name;
                return Err(refuse(format!("its manifest has {name} twice for {}", artifact.platform)));
            }
            for file in &artifact.files {
                if file.size > member::LARGEST {
                    return Err(refuse(format!("{} is said to have {} bytes", file.name, file.size)));
                }
                if *sizes.entry(file.digest).or_insert(file.size) != file.size {
                    return Err(refuse(format!("{} is said to have two different sizes", file.name)));
                }
            }
        }
        match &self.meshlab {
            Some(program) if program.size > member::LARGEST => {
                Err(refuse(format!("its program is said to have {} bytes", program.size)))
            }
            _ => Ok(()),
        }
    }

    /// Each file once, in the order they stand in the bundle, with the first artifact that has it.
    pub fn blobs(&self) -> Vec<(&Bundled, &BundledFile)> {
        let mut seen = BTreeSet::new();
        self.artifacts
            .iter()
            .flat_map(|artifact| artifact.files.iter().map(move |file| (artifact, file)))
            .filter(|(_, file)| seen.insert(file.digest))
            .collect()
    }

    /// How many bytes the files have together.
    pub fn bytes(&self) -> u64 {
        self.blobs().iter().fold(0, |sum, (_, file)| sum.saturating_add(file.size))
    }

    /// The platforms, sorted.
    pub fn platforms(&self) -> Vec<Platform> {
        let platforms: BTreeSet<Platform> = self.artifacts.iter().map(|artifact| artifact.platform).collect();
        platforms.into_iter().collect()
    }
}

/// The bundle is not one, or not whole in itself.
pub(super) fn refuse(why: impl Into<String>) -> Failure {
    Failure::new(FailureKind::Untrusted, format!("the bundle is not sound: {}", why.into()))
}
