//! The files of a source, put together as one tree.

use std::os::unix::fs::PermissionsExt;

use camino::Utf8Path;
use fs_err as fs;

use crate::artifacts::lockfile::{FileContent, LockedFile, Source, Unpack};
use crate::artifacts::store::{Store, hash_file};
use crate::artifacts::unpack::{NamedArchive, UnpackedFile, unpack};
use crate::core::failure::{Failure, FailureKind, Result};
use crate::core::model::{Digest, DigestAlgorithm, RelativePath};

/// Fills an empty tree. `part` is a name on the same file system that is free before and after.
pub(super) fn place(
    source: &Source,
    store: &Store,
    tree: &Utf8Path,
    part: &Utf8Path,
) -> Result<Vec<UnpackedFile>> {
    let mut placed: Vec<UnpackedFile> = Vec::new();
    for file in &source.files {
        match &file.content {
            FileContent::Raw { install } => placed.push(copy(file, install, store, tree)?),
            FileContent::Archive(rules) if placed.is_empty() => placed = archive(file, rules, store, tree)?,
            // An unpacker only ever sees a folder of its own: no archive can reach what another one brought.
            FileContent::Archive(rules) => {
                fs::create_dir(part)?;
                let files = archive(file, rules, store, part)?;
                for unpacked in &files {
                    join(unpacked, part, tree, file)?;
                }
                fs::remove_dir_all(part)?;
                placed.extend(files);
            }
        }
    }
    Ok(placed)
}

fn archive(file: &LockedFile, rules: &Unpack, store: &Store, into: &Utf8Path) -> Result<Vec<UnpackedFile>> {
    let stored = store.path_of(&file.digest);
    let archive = NamedArchive { path: &stored, name: file.name.as_str() };
    unpack(archive, rules, into).map_err(|failure| match failure.kind() {
        FailureKind::Untrusted => store.reject_stored(file, failure),
        _ => failure,
    })
}

/// A copy, not a link: what a tool does to its file must not reach the store.
fn copy(file: &LockedFile, install: &RelativePath, store: &Store, tree: &Utf8Path) -> Result<UnpackedFile> {
    let target = free_place(install, tree, file)?;
    let size = fs::copy(store.path_of(&file.digest), &target)?;
    fs::set_permissions(&target, PermissionsExt::from_mode(0o755))?;
    let sha256 = match file.digest {
        Digest::Sha256(_) => file.digest,
        Digest::Sha512(_) => hash_file(&target, DigestAlgorithm::Sha256)?,
    };
    Ok(UnpackedFile { path: install.clone(), size, sha256, executable: true, link: None })
}

fn join(unpacked: &UnpackedFile, part: &Utf8Path, tree: &Utf8Path, file: &LockedFile) -> Result<()> {
    let target = free_place(&unpacked.path, tree, file)?;
    Ok(fs::rename(unpacked.path.below(part), target)?)
}

/// The path in the tree, with its folders made; nothing may be there yet, and no folder on the way may be a link.
fn free_place(path: &RelativePath, tree: &Utf8Path, file: &LockedFile) -> Result<camino::Utf8PathBuf> {
    let target = path.below(tree);
    let mut folders: Vec<&Utf8Path> =
        path.as_path().ancestors().skip(1).filter(|folder| !folder.as_str().is_empty()).collect();
    folders.reverse();
    for folder in folders {
        let folder = tree.join(folder);
        match fs::symlink_metadata(&folder) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => return Err(taken(path, file)),
            Err(_) => fs::create_dir(&folder)?,
        }
    }
    if fs::symlink_metadata(&target).is_ok() {
        return Err(taken(path, file));
    }
    Ok(target)
}

fn taken(path: &RelativePath, file: &LockedFile) -> Failure {
    Failure::failed(format!("{} would replace what another file of the same source brought", file.name))
        .detail("at", path.to_string())
        .hint("correct `unpack` or `install` of this artifact in deps.lock")
}
