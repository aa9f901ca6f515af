//! Installed tools: folders with an unpacked tree and a marker file.
//!
//! Invariant: a folder with a tool's final name is complete. It is built under another name, its marker is written
//! last, then it is renamed. The marker is compared with the lock at every use.

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

/// An installed tool that matches the lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstalledTool {
    /// The artifact.
    pub artifact: ArtifactName,
    /// Its version.
    pub version: String,
    /// The kind of source of its files: `url`, `pip`, `apt` or `go`.
    pub source: String,
    /// The tool's folder.
    pub folder: Utf8PathBuf,
    /// The absolute path of each command.
    pub commands: BTreeMap<FileName, Utf8PathBuf>,
}

/// A file in a tool's tree, as it was unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeFile {
    /// The path in the tree.
    pub path: RelativePath,
    /// The size in bytes; 0 for a symbolic link.
    pub size: u64,
    /// The SHA-256 of the content; for a symbolic link, of the target's text.
    pub sha256: Digest,
    /// Whether it has execute permission.
    pub is_executable: bool,
    /// The target of a symbolic link.
    pub link: Option<String>,
}

/// The executable file of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandFile {
    /// The absolute path.
    pub path: Utf8PathBuf,
    /// The SHA-256 of the content.
    pub digest: Digest,
    /// The size in bytes.
    pub size: u64,
}

impl InstalledTool {
    /// The root of the unpacked tree.
    pub fn tree(&self) -> Utf8PathBuf {
        self.folder.join(TREE)
    }

    /// The file of each command, with its digest at the time of unpacking. Leaves out commands that are symbolic links.
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

    /// Every file of the tree, with its digest at the time of unpacking.
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

    /// A folder with one entry per command, to add to `PATH`.
    pub fn bin_dir(&self) -> Utf8PathBuf {
        self.folder.join(BIN)
    }
}

impl Tools {
    /// The tools in a data folder. Creates nothing before the first tool is installed.
    pub fn new(data_dir: &Utf8Path) -> Self {
        Self { root: data_dir.join("tools") }
    }

    /// The folder of all tools.
    pub fn root(&self) -> &Utf8Path {
        &self.root
    }

    /// The tool, if it is installed from any of the lock's sources for the platform. Fast: compares the marker and the
    /// sizes of the commands, and hashes nothing.
    pub fn find(&self, artifact: &Artifact, platform: Platform) -> Option<InstalledTool> {
        artifact.sources_for(platform).find_map(|source| self.find_source(artifact, source))
    }

    /// The tool, if it is installed from this source.
    pub fn find_source(&self, artifact: &Artifact, source: &Source) -> Option<InstalledTool> {
        let folder = self.folder_of(artifact, source);
        let marker = Marker::read(&folder)?;
        let is_intact = marker.is_for(artifact, source)
            && marker.commands.iter().all(|(name, command)| {
                let target = folder.join(TREE).join(command.target.as_path());
                let has_entry = fs::symlink_metadata(folder.join(BIN).join(name.as_str())).is_ok();
                has_entry
                    && fs::metadata(target).is_ok_and(|found| found.is_file() && found.len() == command.size)
            });
        is_intact.then(|| Self::tool(artifact, source, folder))
    }

    /// The folder of the tool when installed from this source.
    pub fn folder_of(&self, artifact: &Artifact, source: &Source) -> Utf8PathBuf {
        // Two versions may become equal here; the identity still makes the folder unique.
        let version: String = artifact
            .version
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || "._+~-".contains(c) { c } else { '_' })
            .collect();
        self.root.join(format!("{}-{version}-{}", artifact.name, source.identity(artifact).short()))
    }

    /// The lock file to claim before installing this artifact.
    pub(crate) fn lock_path(&self, name: &ArtifactName) -> Utf8PathBuf {
        self.root.join(format!(".lock.{name}"))
    }

    fn tool(artifact: &Artifact, source: &Source, folder: Utf8PathBuf) -> InstalledTool {
        let commands = artifact
            .commands
            .iter()
            .map(|(name, target)| {
                // Without variables to set no launcher is needed, and the process list shows the file itself.
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
