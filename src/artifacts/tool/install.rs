//! Installs a tool from stored files.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use fs_err::os::unix::fs::symlink;

use super::marker::{CommandRecord, FileList, FileRecord, Marker};
use super::place::place;
use super::{BIN, InstalledTool, PART, STAGING, STALE, TREE, Tools};
use crate::artifacts::lockfile::{Artifact, Source};
use crate::artifacts::store::Store;
use crate::artifacts::unpack::UnpackedFile;
use crate::core::failure::{Failure, Result};
use crate::core::model::{ArtifactName, RelativePath};

impl Tools {
    /// Unpacks a source, whose files must all be stored, and replaces the installed tool. Blocks. The caller holds the
    /// claim on [`Tools::lock_path`].
    pub(crate) fn install(
        &self,
        artifact: &Artifact,
        source: &Source,
        store: &Store,
    ) -> Result<InstalledTool> {
        tracing::info!("unpacks {} {} from {}", artifact.name, artifact.version, source.kind.name());
        fs::create_dir_all(&self.root)?;
        self.sweep_unfinished(&artifact.name)?;
        let staging = Staging::create(&self.root, &artifact.name)?;
        let tree = staging.path.join(TREE);
        fs::create_dir(&tree)?;
        let files = place(source, store, &tree, &staging.path.join(PART))?;
        let records = files.into_iter().map(|file| record(file, &tree)).collect::<Result<Vec<_>>>()?;
        let commands = commands(artifact, &tree)?;
        write_bin(artifact, &staging.path)?;
        FileList::new(records).write(&staging.path)?;
        Marker::new(artifact, source, commands).write(&staging.path)?;
        let folder = self.folder_of(artifact, source);
        self.remove_tool(&folder, &artifact.name)?;
        staging.rename_to(&folder)?;
        tracing::info!("installed {} in {folder}", artifact.name);
        self.sweep_replaced(artifact)?;
        Ok(Self::tool(artifact, source, folder))
    }

    /// Removes what killed runs left of this artifact. The caller holds the claim, so no other process uses it.
    fn sweep_unfinished(&self, name: &ArtifactName) -> Result<()> {
        let ours = format!(".{name}");
        for entry in self.root.read_dir_utf8()? {
            let entry = entry?;
            let unfinished = [STAGING, STALE].iter().any(|prefix| {
                entry.file_name().strip_prefix(prefix).is_some_and(|rest| rest.ends_with(&ours))
            });
            if unfinished {
                fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(())
    }

    /// Removes installations of this artifact that belong to no source of the lock.
    fn sweep_replaced(&self, artifact: &Artifact) -> Result<()> {
        let current: BTreeSet<Utf8PathBuf> =
            artifact.sources.iter().map(|source| self.folder_of(artifact, source)).collect();
        for entry in self.root.read_dir_utf8()? {
            let entry = entry?;
            let path = entry.path();
            if entry.file_name().starts_with('.') || current.contains(path) {
                continue;
            }
            if Marker::read(path).is_some_and(|marker| marker.artifact == artifact.name) {
                self.remove_tool(path, &artifact.name)?;
            }
        }
        Ok(())
    }

    /// Removes a tool folder, if it exists. Renames it first, so that a kill leaves no partial folder under the final
    /// name.
    fn remove_tool(&self, folder: &Utf8Path, name: &ArtifactName) -> Result<()> {
        if fs::symlink_metadata(folder).is_err() {
            return Ok(());
        }
        let stale = self.root.join(format!("{STALE}{}.{name}", std::process::id()));
        fs::rename(folder, &stale)?;
        Ok(fs::remove_dir_all(&stale)?)
    }
}

/// A tool folder under a temporary name. Removed when dropped before the rename.
struct Staging {
    path: Utf8PathBuf,
}

impl Staging {
    fn create(root: &Utf8Path, name: &ArtifactName) -> Result<Self> {
        // An artifact name has no dot, so the part after the last dot is the name.
        let path = root.join(format!("{STAGING}{}.{name}", std::process::id()));
        fs::create_dir(&path)?;
        Ok(Self { path })
    }

    fn rename_to(self, folder: &Utf8Path) -> Result<()> {
        fs::rename(&self.path, folder)?;
        std::mem::forget(self);
        Ok(())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // If this fails, the next run removes the folder.
        let _ = fs::remove_dir_all(&self.path);
    }
}

fn record(file: UnpackedFile, tree: &Utf8Path) -> Result<FileRecord> {
    let mode = fs::symlink_metadata(file.path.below(tree))?.permissions().mode() & 0o7777;
    Ok(FileRecord {
        path: file.path,
        size: file.size,
        sha256: file.sha256,
        mode: format!("{mode:03o}"),
        link: file.link,
    })
}

/// The commands of the artifact. Each must be an executable file.
fn commands(
    artifact: &Artifact,
    tree: &Utf8Path,
) -> Result<BTreeMap<crate::core::model::FileName, CommandRecord>> {
    let mut commands = BTreeMap::new();
    for (name, target) in &artifact.commands {
        let path = target.below(tree);
        let is_executable =
            |found: &std::fs::Metadata| found.is_file() && found.permissions().mode() & 0o111 != 0;
        let size =
            fs::metadata(&path).ok().filter(is_executable).map(|found| found.len()).ok_or_else(|| {
                Failure::failed(format!("{} {} has no command {name}", artifact.name, artifact.version))
                    .detail("expected", format!("an executable file {target}"))
                    .hint("correct `commands`, `unpack` or `executable` of this artifact in deps.lock")
            })?;
        commands.insert(name.clone(), CommandRecord { target: target.clone(), size });
    }
    for (variable, folder) in &artifact.environment {
        if !folder.below(tree).is_dir() {
            return Err(Failure::failed(format!(
                "{} {} has no folder {folder} for {variable}",
                artifact.name, artifact.version
            ))
            .hint("correct `environment` or `unpack` of this artifact in deps.lock"));
        }
    }
    Ok(commands)
}

fn write_bin(artifact: &Artifact, folder: &Utf8Path) -> Result<()> {
    let bin = folder.join(BIN);
    fs::create_dir(&bin)?;
    for (name, target) in &artifact.commands {
        let entry = bin.join(name.as_str());
        match launcher(artifact, target) {
            None => symlink(link_target(target), &entry)?,
            Some(script) => {
                fs::write(&entry, script)?;
                fs::set_permissions(&entry, PermissionsExt::from_mode(0o755))?;
            }
        }
    }
    Ok(())
}

/// The link target of a command's entry in `bin`.
pub(super) fn link_target(target: &RelativePath) -> String {
    format!("../{TREE}/{target}")
}

/// The launcher script of a command that needs variables; `None` if the artifact sets none. The script uses its own
/// location, so the tool's folder can be moved.
pub(super) fn launcher(artifact: &Artifact, target: &RelativePath) -> Option<String> {
    if artifact.environment.is_empty() {
        return None;
    }
    let mut script =
        String::from("#!/bin/sh\nself=$(readlink -f -- \"$0\") || exit 127\nhome=${self%/*/*}\n");
    for (variable, folder) in &artifact.environment {
        let _ = writeln!(script, "export {variable}=\"$home\"/{TREE}/{}", quoted(folder));
    }
    let _ = writeln!(script, "exec \"$home\"/{TREE}/{} \"$@\"", quoted(target));
    Some(script)
}

fn quoted(path: &RelativePath) -> String {
    format!("'{}'", path.as_path().as_str().replace('\'', r"'\''"))
}
