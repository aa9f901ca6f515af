//! Verifies an installed tool against the list of unpacked files.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::install::{launcher, link_target};
use super::marker::{FileList, FileRecord};
use super::{BIN, InstalledTool, TREE};
use crate::artifacts::lockfile::{Artifact, FileContent, Source};
use crate::artifacts::store::hash_file;
use crate::core::failure::Result;
use crate::core::model::{Digest, DigestAlgorithm};

/// A difference between an installed tool and the files that were unpacked.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Deviation {
    /// The file.
    pub path: Utf8PathBuf,
    /// The difference, for example `is missing`.
    pub what: String,
}

impl InstalledTool {
    /// Hashes every file of the tool and returns all deviations. Blocks.
    pub fn verify(&self, artifact: &Artifact, source: &Source) -> Result<Vec<Deviation>> {
        let tree = self.tree();
        let list = match FileList::read(&self.folder) {
            Ok(list) => list,
            Err(failure) => {
                return Ok(vec![Deviation {
                    path: self.folder.join(super::FILES),
                    what: failure.to_string(),
                }]);
            }
        };
        let mut deviations = Vec::new();
        let mut note = |path: Utf8PathBuf, what: String| deviations.push(Deviation { path, what });
        for record in &list.files {
            if let Some(what) = deviation(record, &tree)? {
                note(record.path.below(&tree), what);
            }
        }
        // The list could have been changed together with the tree, so files that the lock pins are compared with the
        // lock.
        for file in &source.files {
            let FileContent::Raw { install } = &file.content else { continue };
            let listed = list.files.iter().find(|record| record.path == *install);
            let locked = matches!(file.digest, Digest::Sha512(_))
                || listed.is_some_and(|record| record.sha256 == file.digest);
            if !locked {
                note(
                    install.below(&tree),
                    format!("has another digest in the file list than in the lock ({})", file.digest),
                );
            }
        }
        let known: BTreeSet<Utf8PathBuf> = list.files.iter().map(|record| record.path.below(&tree)).collect();
        let mut present = Vec::new();
        files_below(&tree, &mut present)?;
        for path in present.into_iter().filter(|path| !known.contains(path)) {
            note(path, "is not part of the tool".to_owned());
        }
        for (name, target) in &artifact.commands {
            let entry = self.folder.join(BIN).join(name.as_str());
            let is_intact = match launcher(artifact, target) {
                None => entry.read_link_utf8().is_ok_and(|found| found == link_target(target)),
                Some(script) => fs::read_to_string(&entry).is_ok_and(|found| found == script),
            };
            if !is_intact {
                note(entry, format!("does not run {TREE}/{target}"));
            }
        }
        Ok(deviations)
    }
}

fn deviation(record: &FileRecord, tree: &Utf8Path) -> Result<Option<String>> {
    let path = record.path.below(tree);
    let Ok(found) = fs::symlink_metadata(&path) else { return Ok(Some("is missing".into())) };
    if let Some(link) = &record.link {
        let target = path.read_link_utf8().ok();
        return Ok(
            (target.as_deref() != Some(Utf8Path::new(link))).then(|| format!("is not a link to {link}"))
        );
    }
    if !found.is_file() {
        return Ok(Some("is not a regular file".into()));
    }
    if found.len() != record.size {
        return Ok(Some(format!("has {} bytes instead of {}", found.len(), record.size)));
    }
    let mode = format!("{:03o}", found.permissions().mode() & 0o7777);
    if mode != record.mode {
        return Ok(Some(format!("has mode {mode} instead of {}", record.mode)));
    }
    let digest = hash_file(&path, DigestAlgorithm::Sha256)?;
    Ok((digest != record.sha256).then(|| format!("has {digest} instead of {}", record.sha256)))
}

/// Collects all files and links in a folder and its subfolders. Does not follow links.
fn files_below(folder: &Utf8Path, found: &mut Vec<Utf8PathBuf>) -> Result<()> {
    for entry in folder.read_dir_utf8()? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            files_below(entry.path(), found)?;
        } else {
            found.push(entry.into_path());
        }
    }
    Ok(())
}
