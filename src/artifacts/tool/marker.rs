//! The marker and the file list of an installed tool.

use std::collections::BTreeMap;

use camino::Utf8Path;
use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::{FILES, MARKER};
use crate::artifacts::lockfile::{Artifact, Source};
use crate::core::failure::{Failure, Result};
use crate::core::model::{ArtifactName, Digest, FileName, Platform, RelativePath};

const SCHEMA: u32 = 1;
/// The largest marker file in bytes. A larger file is not a marker.
const MAX_MARKER: u64 = 256 * 1024;

/// What a tool folder contains, compared with the lock at every use.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Marker {
    schema: u32,
    pub(super) artifact: ArtifactName,
    version: String,
    platform: Platform,
    source: String,
    pub(super) identity: Digest,
    pub(super) commands: BTreeMap<FileName, CommandRecord>,
}

/// A command's file in the tree.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct CommandRecord {
    pub(super) target: RelativePath,
    pub(super) size: u64,
}

impl Marker {
    pub(super) fn new(
        artifact: &Artifact,
        source: &Source,
        commands: BTreeMap<FileName, CommandRecord>,
    ) -> Self {
        Self {
            schema: SCHEMA,
            artifact: artifact.name.clone(),
            version: artifact.version.clone(),
            platform: source.platform,
            source: source.kind.name().to_owned(),
            identity: source.identity(artifact),
            commands,
        }
    }

    /// Reads the marker of a folder. `None` if it is missing or invalid.
    pub(super) fn read(folder: &Utf8Path) -> Option<Self> {
        let path = folder.join(MARKER);
        if fs::metadata(&path).ok()?.len() > MAX_MARKER {
            return None;
        }
        let marker: Self = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
        (marker.schema == SCHEMA).then_some(marker)
    }

    pub(super) fn write(&self, folder: &Utf8Path) -> Result<()> {
        write_json(&folder.join(MARKER), self)
    }

    /// Whether the marker matches the lock's artifact and source.
    pub(super) fn is_for(&self, artifact: &Artifact, source: &Source) -> bool {
        self.artifact == artifact.name
            && self.version == artifact.version
            && self.platform == source.platform
            && self.identity == source.identity(artifact)
            && self.commands.iter().map(|(name, command)| (name, &command.target)).eq(&artifact.commands)
    }
}

/// All files of the tree, for `deps verify`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct FileList {
    schema: u32,
    pub(super) files: Vec<FileRecord>,
}

/// A file as it was unpacked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FileRecord {
    pub(super) path: RelativePath,
    pub(super) size: u64,
    pub(super) sha256: Digest,
    /// Permission bits, octal.
    pub(super) mode: String,
    /// The target of a symbolic link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) link: Option<String>,
}

impl FileRecord {
    /// Whether it has any execute permission.
    pub(super) fn is_executable(&self) -> bool {
        u32::from_str_radix(&self.mode, 8).is_ok_and(|mode| mode & 0o111 != 0)
    }
}

impl FileList {
    pub(super) fn new(files: Vec<FileRecord>) -> Self {
        Self { schema: SCHEMA, files }
    }

    pub(super) fn read(folder: &Utf8Path) -> Result<Self> {
        let path = folder.join(FILES);
        serde_json::from_slice::<Self>(&fs::read(&path)?)
            .map_err(|error| Failure::failed(format!("cannot read {path}")).seen(&error))
    }

    pub(super) fn write(&self, folder: &Utf8Path) -> Result<()> {
        write_json(&folder.join(FILES), self)
    }
}

fn write_json(path: &Utf8Path, value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_vec(value)
        .map_err(|error| Failure::failed(format!("cannot write {path}")).seen(&error))?;
    Ok(fs::write(path, text)?)
}
