//! From a bundle into the store.
//!
//! Invariant: what gets into the store is named by the lock in force and was hashed on its way. A file that was stored
//! before a failure or an interruption stays, and is passed over the next time.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;

use camino::Utf8Path;
use fs_err as fs;

use super::flow::WriteBehind;
use super::manifest::{Bundled, BundledFile, Manifest, refuse};
use super::member;
use super::progress::Progress;
use super::reader::Reader;
use crate::artifacts::download::waiting;
use crate::artifacts::lockfile::{Lock, LockedFile};
use crate::artifacts::store::Store;
use crate::artifacts::work::blocking;
use crate::core::claim::Claim;
use crate::core::event::{BundleVerb, Claimed, Event, Note, SharedReporter, Warning};
use crate::core::failure::{Failure, FailureKind, Result};
use crate::core::model::{ArtifactName, Digest, Platform};

/// What a bundle brought.
#[derive(Debug, Clone)]
pub struct Imported {
    /// What the bundle says of itself.
    pub manifest: Manifest,
    /// Files that were stored.
    pub stored: usize,
    /// Files that had been stored before.
    pub present: usize,
    /// Files that the lock in force does not name; they were not stored.
    pub unknown: usize,
    /// Artifacts for this platform that can be installed now.
    pub installable: Vec<ArtifactName>,
}

/// Reads a bundle once and stores what the lock names. Dropping the future stops after the file at hand.
pub async fn import(
    path: &Utf8Path,
    lock: &Lock,
    store: &Store,
    platform: Platform,
    reporter: &SharedReporter,
) -> Result<Imported> {
    let opened = path.to_owned();
    let (mut reader, manifest) = blocking(move || {
        let mut reader = Reader::open(&opened)?;
        let manifest = reader.head()?;
        Ok((reader, manifest))
    })
    .await?;
    let installable = compare(&manifest, lock, store, platform, reporter)?;
    let locked = files_of(lock);
    let mut progress = Progress::start(reporter, BundleVerb::Import, path.as_str(), &manifest);
    let mut imported = Imported { installable, stored: 0, present: 0, unknown: 0, manifest };
    for (artifact, file) in imported.manifest.blobs() {
        let wanted = locked.get(&file.digest).copied();
        if let Some(wanted) = wanted.filter(|wanted| file.size > wanted.size.limit()) {
            let limit = wanted.size.limit();
            return Err(refuse(format!("{} is said to have {} bytes", file.name, file.size))
                .detail("expected", format!("{limit} bytes at most"))
                .detail("bundle", path.as_str())
                .hint("no file of this digest has that length: somebody else made this bundle, or it was damaged"));
        }
        let claim = match wanted {
            Some(file) => Some(claim(store, file, &artifact.name, reporter).await?),
            None => None,
        };
        let wanted = wanted.filter(|_| !is_present(store, file));
        match (&claim, wanted) {
            (None, _) => imported.unknown += 1,
            (Some(_), None) => imported.present += 1,
            (Some(_), Some(_)) => imported.stored += 1,
        }
        let (name, file) = (artifact.name.clone(), file.clone());
        let (store, wanted) = (store.clone(), wanted.cloned());
        (reader, progress) = blocking(move || {
            // Held to the end even if nobody waits for it any more.
            let _claim = claim;
            take(&mut reader, &mut progress, &name, &file, wanted.as_ref().map(|file| (&store, file)))?;
            Ok((reader, progress))
        })
        .await?;
    }
    blocking(move || reader.end()).await?;
    progress.finish();
    Ok(imported)
}

/// One file: verified, and stored if it is wanted.
fn take(
    reader: &mut Reader<File>,
    progress: &mut Progress,
    artifact: &ArtifactName,
    file: &BundledFile,
    wanted: Option<(&Store, &LockedFile)>,
) -> Result<()> {
    let what = format!("{} of {artifact}", file.name);
    reader.header(&member::blob_name(&file.digest), file.size, &what)?;
    let tell = |done| progress.tell(artifact.as_str(), done);
    match wanted {
        None => {
            reader.content::<File>(&what, file.size, &file.digest, None, tell)?;
        }
        Some((store, locked)) => {
            store.prepare(&locked.digest)?;
            let partial = store.partial_path(&locked.digest);
            let stored = write(reader, &what, file, &partial, tell)
                .and_then(|()| store.admit_hashed(&partial, locked, file.digest, file.size));
            if stored.is_err() {
                // Gone already if it never came into being.
                let _ = fs::remove_file(&partial);
            }
            stored?;
        }
    }
    progress.over(file.size);
    Ok(())
}

fn write(
    reader: &mut Reader<File>,
    what: &str,
    file: &BundledFile,
    partial: &Utf8Path,
    tell: impl FnMut(u64),
) -> Result<()> {
    let writer = WriteBehind::start(fs::File::create(partial)?)?;
    let is_whole = reader.content(what, file.size, &file.digest, Some(&writer), tell)?;
    writer.finish()?;
    if is_whole { Ok(()) } else { Err(Failure::failed(format!("{partial} was not written to its end"))) }
}

/// Whether the file is stored. Its size tells it from a damaged one well enough: it is hashed again before it is used.
fn is_present(store: &Store, file: &BundledFile) -> bool {
    fs::metadata(store.path_of(&file.digest)).is_ok_and(|found| found.is_file() && found.len() == file.size)
}

async fn claim(
    store: &Store,
    file: &LockedFile,
    artifact: &ArtifactName,
    reporter: &SharedReporter,
) -> Result<Claim> {
    store.prepare(&file.digest)?;
    Claim::wait(&store.lock_path(&file.digest), |holder| {
        reporter.report(Event::Provision(waiting(
            artifact,
            Claimed::File { file: file.name.clone() },
            holder,
        )));
    })
    .await
}

fn files_of(lock: &Lock) -> BTreeMap<Digest, &LockedFile> {
    let sources = lock.artifacts.iter().flat_map(|artifact| &artifact.sources);
    sources.flat_map(|source| &source.files).map(|file| (file.digest, file)).collect()
}

/// What can be installed here after the import, or why nothing is imported: the lock in force wants other files.
fn compare(
    manifest: &Manifest,
    lock: &Lock,
    store: &Store,
    platform: Platform,
    reporter: &SharedReporter,
) -> Result<Vec<ArtifactName>> {
    let bundled: BTreeSet<Digest> = manifest.blobs().iter().map(|(_, file)| file.digest).collect();
    let mut installable = Vec::new();
    let mut differing: Vec<(&Bundled, &str)> = Vec::new();
    for artifact in &manifest.artifacts {
        let Some(locked) = lock.artifacts.iter().find(|locked| locked.name == artifact.name) else {
            reporter.report(Event::Warning(Warning::NotInLock {
                artifact: artifact.name.clone(),
                version: artifact.version.clone(),
                platform: artifact.platform,
                lock: lock.origin.clone(),
            }));
            continue;
        };
        let is_there = |digest: &Digest| bundled.contains(digest) || store.contains(digest);
        let is_complete = locked
            .sources_for(artifact.platform)
            .any(|source| source.files.iter().all(|file| is_there(&file.digest)));
        match (is_complete, artifact.platform == platform) {
            (true, true) => installable.push(artifact.name.clone()),
            (true, false) => {}
            (false, true) => differing.push((artifact, &locked.version)),
            (false, false) => {
                reporter.report(Event::Warning(Warning::NotPinned {
                    artifact: artifact.name.clone(),
                    version: artifact.version.clone(),
                    platform: artifact.platform,
                    lock: lock.origin.clone(),
                }));
            }
        }
    }
    if !differing.is_empty() {
        return Err(outdated(&differing, lock));
    }
    if manifest.lock.digest != Digest::sha256_of(lock.text.as_bytes()) {
        reporter.report(Event::Note(Note::OtherLock { lock: named(lock).to_owned() }));
    }
    if !manifest.artifacts.is_empty() && !manifest.platforms().contains(&platform) {
        let platforms = manifest.platforms();
        reporter.report(Event::Warning(Warning::OtherPlatform { platforms, here: platform }));
    }
    Ok(installable)
}

fn outdated(differing: &[(&Bundled, &str)], lock: &Lock) -> Failure {
    let what = match differing.len() {
        1 => "1 of its artifacts is".to_owned(),
        count => format!("{count} of its artifacts are"),
    };
    let message = format!("the bundle was made with another lock: {what} not what {} pins", named(lock));
    let failure = Failure::new(FailureKind::LockOutdated, message);
    let failure = differing.iter().fold(failure, |failure, (artifact, version)| {
        let difference = if artifact.version == *version {
            format!("{version} in both, with other files")
        } else {
            format!("{} in the bundle, {version} in the lock", artifact.version)
        };
        failure.detail(artifact.name.as_str(), difference)
    });
    failure.hint(
        "export it anew with this lock; or take the bundle's own, `tar xf FILE meshlab-bundle/deps.lock`, and name it with --lock",
    )
}

fn named(lock: &Lock) -> &str {
    if lock.origin == "built in" { "the built-in lock" } else { &lock.origin }
}
