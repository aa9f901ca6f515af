//! Installed tools: unpacked trees with a marker that says what they are.
//!
//! Invariant: a folder with a tool's final name is complete. It is built under another name, its marker is written
//! last, and then it is renamed; the marker is compared with the lock at every use.

mod install;
mod marker;
mod place;
mod verify;

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

pub use verify::Deviation;

use crate::artifacts::lockfile::{Artifact, Source};
use crate::core::failure::Result;
use crate::core::model::{ArtifactName, Digest, FileName, Platform, RelativePath};
use marker::Marker;

const MARKER: &str = "meshlab.json";
const FILES: &str = "files.json";
const TREE: &str = "tree";
const BIN: &str = "bin";
const STAGING: &str = ".staging-";
const STALE: &str = ".stale-";
const PART: &str = "part";

/// The folder of all installed tools.
#[derive(Debug, Clone)]
pub struct Tools {
    root: Utf8PathBuf,
}

/// A tool in place, as the lock wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstalledTool {
    /// Which artifact.
    pub artifact: ArtifactName,
    /// At which version.
    pub version: String,
    /// The kind of source its files belong to: `url`, `pip`, `apt` or `go`.
    pub source: String,
    /// The tool's folder.
    pub folder: Utf8PathBuf,
    /// Each command and the absolute path that runs it.
    pub commands: BTreeMap<FileName, Utf8PathBuf>,
}

/// A file of a tool's tree, as it was unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeFile {
    /// Its place below the tree.
    pub path: RelativePath,
    /// Its size in bytes; 0 for a link.
    pub size: u64,
    /// Its SHA-256; for a link, that of its target's text.
    pub sha256: Digest,
    /// Whether it has run rights.
    pub is_executable: bool,
    /// The target, if it is a symbolic link.
    pub link: Option<String>,
}

/// A command's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandFile {
    /// Where it lies.
    pub path: Utf8PathBuf,
    /// Its SHA-256.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
}

impl InstalledTool {
    /// What was unpacked.
    pub fn tree(&self) -> Utf8PathBuf {
        self.folder.join(TREE)
    }

    /// The file of each command, with the digest it had when it was unpacked from verified bytes.
    pub fn command_files(&self) -> Result<BTreeMap<FileName, CommandFile>> {
        let list = marker::FileList::read(&self.folder)?;
        let tree = self.tree();
        let mut files = BTreeMap::new();
        for (name, path) in &self.commands {
            let found = list.files.iter().find(|record| record.path.below(&tree) == *path);
            if let Some(record) = found.filter(|record| record.link.is_none()) {
                let file = CommandFile { path: path.clone(), digest: record.sha256, size: record.size };
                files.insert(name.clone(), file);
            }
        }
        Ok(files)
    }

    /// Every file of the tree, as it was when it was unpacked from verified bytes.
    pub fn files(&self) -> Result<Vec<TreeFile>> {
        let files = marker::FileList::read(&self.folder)?.files.into_iter().map(|record| TreeFile {
            is_executable: record.is_executable(),
            path: record.path,
            size: record.size,
            sha256: record.sha256,
            link: record.link,
        });
        Ok(files.collect())
    }

    /// A folder with one entry per command, for a `PATH`.
    pub fn bin_dir(&self) -> Utf8PathBuf {
        self.folder.join(BIN)
    }
}

impl Tools {
    /// The tools in a data folder; nothing is created before something is installed.
    pub fn new(data_dir: &Utf8Path) -> Self {
        Self { root: data_dir.join("tools") }
    }

    /// The folder of all tools.
    pub fn root(&self) -> &Utf8Path {
        &self.root
    }

    /// The tool, if it is installed from any of the lock's sources for the platform. Cheap: the marker and the sizes
    /// of the commands are looked at, not the bytes.
    pub fn find(&self, artifact: &Artifact, platform: Platform) -> Option<InstalledTool> {
        artifact.sources_for(platform).find_map(|source| self.find_source(artifact, source))
    }

    /// The tool as installed from one source.
    pub fn find_source(&self, artifact: &Artifact, source: &Source) -> Option<InstalledTool> {
        let folder = self.folder_of(artifact, source);
        let marker = Marker::read(&folder)?;
        let sound = marker.is_for(artifact, source)
            && marker.commands.iter().all(|(name, command)| {
                let target = folder.join(TREE).join(command.target.as_path());
                let reachable = fs::symlink_metadata(folder.join(BIN).join(name.as_str())).is_ok();
                reachable
                    && fs::metadata(target).is_ok_and(|found| found.is_file() && found.len() == command.size)
            });
        sound.then(|| Self::tool(artifact, source, folder))
    }

    /// Where the tool lies if it is installed from this source.
    pub fn folder_of(&self, artifact: &Artifact, source: &Source) -> Utf8PathBuf {
        // A version is free text; the identity keeps apart what this makes equal.
        let version: String = artifact
            .version
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || "._+~-".contains(c) { c } else { '_' })
            .collect();
        self.root.join(format!("{}-{version}-{}", artifact.name, source.identity(artifact).short()))
    }

    /// The file whose lock is the right to install this artifact.
    pub(crate) fn lock_path(&self, name: &ArtifactName) -> Utf8PathBuf {
        self.root.join(format!(".lock.{name}"))
    }

    fn tool(artifact: &Artifact, source: &Source, folder: Utf8PathBuf) -> InstalledTool {
        let commands = artifact
            .commands
            .iter()
            .map(|(name, target)| {
                // Without variables to set, the file itself is what shows up in the process list.
                let path = if artifact.environment.is_empty() {
                    target.below(&folder.join(TREE))
                } else {
                    folder.join(BIN).join(name.as_str())
                };
                (name.clone(), path)
            })
            .collect();
        InstalledTool {
            artifact: artifact.name.clone(),
            version: artifact.version.clone(),
            source: source.kind.name().to_owned(),
            folder,
            commands,
        }
    }
}
