//! Imports files of a bundle into the store.
//!
//! Invariant: only files of the current lock are stored, after they were hashed. Files that are stored before a failure
//! or an interruption stay, and the next import skips them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;

use camino::Utf8Path;
use fs_err as fs;

use super::manifest::{BundledArtifact, BundledFile, Manifest, refuse};
use super::member;
use super::progress::BundleProgress;
use super::reader::BundleReader;
use super::write_behind::WriteBehind;
use crate::artifacts::download::waiting;
use crate::artifacts::lockfile::{Lock, LockedFile};
use crate::artifacts::store::Store;
use crate::artifacts::work::blocking;
use crate::core::claim::Claim;
use crate::core::event::{BundleVerb, Claimed, Event, Note, SharedReporter, Warning};
use crate::core::failure::{Failure, FailureKind, Result};
use crate::core::model::{ArtifactName, Digest, Platform};

/// The result of an import.
#[derive(Debug, Clone)]
pub struct Imported {
    /// The content of the bundle.
    pub manifest: Manifest,
    /// The number of files that were stored.
    pub stored: usize,
    /// The number of files that were stored already.
    pub present: usize,
    /// The number of files that are not in the current lock, and were not stored.
    pub unknown: usize,
    /// The artifacts for this platform that can be installed now.
    pub installable: Vec<ArtifactName>,
}

/// Imports a bundle: stores the files that are in the lock. Dropping the future stops after the current file.
pub async fn import(
    path: &Utf8Path,
    lock: &Lock,
    store: &Store,
    platform: Platform,
    reporter: &SharedReporter,
) -> Result<Imported> {
    let opened = path.to_owned();
    let (mut reader, manifest) = blocking(move || {
        let mut reader = BundleReader::open(&opened)?;
        let manifest = reader.head()?;
        Ok((reader, manifest))
    })
    .await?;
    let installable = compare(&manifest, lock, store, platform, reporter)?;
    let locked = files_of(lock);
    let mut progress = BundleProgress::start(reporter, BundleVerb::Import, path.as_str(), &manifest);
    let mut imported = Imported { installable, stored: 0, present: 0, unknown: 0, manifest };
    for (artifact, file) in imported.manifest.blobs() {
        let locked_file = locked.get(&file.digest).copied();
        if let Some(locked_file) = locked_file.filter(|locked_file| file.size > locked_file.size.limit()) {
            let limit = locked_file.size.limit();
            return Err(refuse(format!("{} has {} bytes according to the manifest", file.name, file.size))
                .detail("expected", format!("{limit} bytes at most"))
                .detail("bundle", path.as_str())
                .hint("no file with this digest has this size: the bundle is damaged or forged"));
        }
        let claim = match locked_file {
            Some(file) => Some(claim(store, file, &artifact.name, reporter).await?),
            None => None,
        };
        let to_store = locked_file.filter(|_| !is_present(store, file));
        match (&claim, to_store) {
            (None, _) => imported.unknown += 1,
            (Some(_), None) => imported.present += 1,
            (Some(_), Some(_)) => imported.stored += 1,
        }
        let (name, file) = (artifact.name.clone(), file.clone());
        let (store, to_store) = (store.clone(), to_store.cloned());
        (reader, progress) = blocking(move || {
            // Held until the file is stored, even if the future is dropped.
            let _claim = claim;
            import_file(
                &mut reader,
                &mut progress,
                &name,
                &file,
                to_store.as_ref().map(|file| (&store, file)),
            )?;
            Ok((reader, progress))
        })
        .await?;
    }
    blocking(move || reader.end()).await?;
    progress.finish();
    Ok(imported)
}

/// Reads and verifies one file, and stores it if it is missing.
fn import_file(
    reader: &mut BundleReader<File>,
    progress: &mut BundleProgress,
    artifact: &ArtifactName,
    file: &BundledFile,
    to_store: Option<(&Store, &LockedFile)>,
) -> Result<()> {
    let what = format!("{} of {artifact}", file.name);
    reader.header(&member::blob_name(&file.digest), file.size, &what)?;
    let report = |done| progress.report(artifact.as_str(), done);
    match to_store {
        None => {
            reader.content::<File>(&what, file.size, &file.digest, None, report)?;
        }
        Some((store, locked)) => {
            store.prepare(&locked.digest)?;
            let partial = store.partial_path(&locked.digest);
            let stored = write(reader, &what, file, &partial, report)
                .and_then(|()| store.admit_hashed(&partial, locked, file.digest, file.size));
            if stored.is_err() {
                // Fails if the file was never created.
                let _ = fs::remove_file(&partial);
            }
            stored?;
        }
    }
    progress.complete_file(file.size);
    Ok(())
}

fn write(
    reader: &mut BundleReader<File>,
    what: &str,
    file: &BundledFile,
    partial: &Utf8Path,
    report: impl FnMut(u64),
) -> Result<()> {
    let writer = WriteBehind::start(fs::File::create(partial)?)?;
    let is_whole = reader.content(what, file.size, &file.digest, Some(&writer), report)?;
    writer.finish()?;
    if is_whole { Ok(()) } else { Err(Failure::failed(format!("{partial} was not written completely"))) }
}

/// Whether the file is stored with the right size. It is hashed before it is used.
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

/// The artifacts that can be installed after the import. Fails if the current lock has other files for this platform.
fn compare(
    manifest: &Manifest,
    lock: &Lock,
    store: &Store,
    platform: Platform,
    reporter: &SharedReporter,
) -> Result<Vec<ArtifactName>> {
    let bundled: BTreeSet<Digest> = manifest.blobs().iter().map(|(_, file)| file.digest).collect();
    let mut installable = Vec::new();
    let mut differing: Vec<(&BundledArtifact, &str)> = Vec::new();
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
        let is_available = |digest: &Digest| bundled.contains(digest) || store.contains(digest);
        let is_complete = locked
            .sources_for(artifact.platform)
            .any(|source| source.files.iter().all(|file| is_available(&file.digest)));
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
        reporter.report(Event::Note(Note::OtherLock { lock: lock_name(lock).to_owned() }));
    }
    if !manifest.artifacts.is_empty() && !manifest.platforms().contains(&platform) {
        let platforms = manifest.platforms();
        reporter.report(Event::Warning(Warning::OtherPlatform { platforms, here: platform }));
    }
    Ok(installable)
}

fn outdated(differing: &[(&BundledArtifact, &str)], lock: &Lock) -> Failure {
    let what = match differing.len() {
        1 => "1 artifact differs".to_owned(),
        count => format!("{count} artifacts differ"),
    };
    let message = format!("the bundle was exported with another lock: {what} from {}", lock_name(lock));
    let failure = Failure::new(FailureKind::LockOutdated, message);
    let failure = differing.iter().fold(failure, |failure, (artifact, version)| {
        let difference = if artifact.version == *version {
            format!("version {version} in both, with different files")
        } else {
            format!("{} in the bundle, {version} in the lock", artifact.version)
        };
        failure.detail(artifact.name.as_str(), difference)
    });
    failure.hint(
        "export the bundle again with this lock, or extract the bundle's lock (`tar xf FILE meshlab-bundle/deps.lock`) and use it with --lock",
    )
}

fn lock_name(lock: &Lock) -> &str {
    if lock.origin == "built in" { "the built-in lock" } else { &lock.origin }
}
