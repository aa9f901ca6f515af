//! Exports files of the store into a bundle.
//!
//! Invariant: a bundle under its final name is complete, and all its bytes were hashed while they were written.

use std::fs::File;
use std::io::Read;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::manifest::{BundledArtifact, BundledFile, BundledLock, BundledProgram, Manifest};
use super::member::{self, END};
use super::progress::BundleProgress;
use super::write_behind::{CopyError, WriteBehind, WriterFailed, copy};
use crate::artifacts::lockfile::{Artifact, Lock, LockedFile, SizeBound, Source};
use crate::artifacts::store::{Store, hash_file};
use crate::artifacts::work::blocking;
use crate::core::atomic_file::{AtomicFile, cannot_write};
use crate::core::event::{BundleVerb, SharedReporter};
use crate::core::failure::{Failure, FailureKind, Result};
use crate::core::model::{Digest, DigestAlgorithm, Hashed, Platform};

/// The running binary, even if its file was replaced.
const OWN_PROGRAM: &str = "/proc/self/exe";

/// What to export.
#[derive(Debug)]
pub struct Export<'a> {
    /// The lock.
    pub lock: &'a Lock,
    /// Each artifact with the source to export. All its files must be stored.
    pub chosen: Vec<(&'a Artifact, &'a Source)>,
    /// The platform of the meshlab binary, if the bundle includes it.
    pub program: Option<Platform>,
}

/// An exported bundle.
#[derive(Debug, Clone)]
pub struct Exported {
    /// The content of the bundle.
    pub manifest: Manifest,
    /// The size of the file in bytes.
    pub size: u64,
    /// The SHA-256 of the file.
    pub digest: Digest,
}

/// Writes a bundle, and replaces an existing file. Dropping the future leaves the existing file unchanged.
pub async fn export(
    export: &Export<'_>,
    store: &Store,
    path: &Utf8Path,
    reporter: &SharedReporter,
) -> Result<Exported> {
    let artifacts = bundled_artifacts(export, store)?;
    let program = export.program.map(own_program);
    let program = match program {
        Some(program) => Some(blocking(program).await?),
        None => None,
    };
    let text = export.lock.text.clone().into_bytes();
    let lock = BundledLock { digest: Digest::sha256_of(&text), size: text.len() as u64 };
    let manifest = Manifest::new(lock, program, artifacts);
    let json = manifest.to_json()?;
    let sources: Vec<LockedFile> = manifest
        .blobs()
        .iter()
        .filter_map(|(_, file)| {
            let mut files = export.chosen.iter().flat_map(|(_, source)| &source.files);
            files.find(|locked| locked.digest == file.digest).cloned()
        })
        .collect();
    let target = AtomicFile::claim(path)?;
    let file = target.create()?;
    let mut work = BundleWriter {
        out: WriteBehind::start(Hashed::new(file)).map_err(|error| cannot_write(path, &error))?,
        path: path.to_owned(),
        store: store.clone(),
        progress: BundleProgress::start(reporter, BundleVerb::Export, path.as_str(), &manifest),
    };
    let (manifest, digest, size, progress) = blocking(move || {
        let outcome = work.write(&manifest, &json, &text, &sources);
        let BundleWriter { out, path, progress, .. } = work;
        // First the error of the writer, which is the cause of `ExportError::Writer`.
        let written = out.finish().map_err(|error| cannot_write(&path, &error))?;
        if let Err(ExportError::Failed(failure)) = outcome {
            return Err(failure);
        }
        let (digest, size, file) = written.finish();
        file.sync_all().map_err(|error| cannot_write(&path, &error))?;
        Ok((manifest, digest, size, progress))
    })
    .await?;
    target.rename()?;
    progress.finish();
    Ok(Exported { manifest, size, digest })
}

/// The artifacts with the sizes of their stored files.
fn bundled_artifacts(export: &Export<'_>, store: &Store) -> Result<Vec<BundledArtifact>> {
    export
        .chosen
        .iter()
        .map(|(artifact, source)| {
            let files = source.files.iter().map(|file| {
                Ok(BundledFile {
                    name: file.name.clone(),
                    digest: file.digest,
                    size: stored_size(file, artifact, store)?,
                })
            });
            Ok(BundledArtifact {
                name: artifact.name.clone(),
                version: artifact.version.clone(),
                platform: source.platform,
                source: source.kind.name().to_owned(),
                files: files.collect::<Result<_>>()?,
            })
        })
        .collect()
}

fn stored_size(file: &LockedFile, artifact: &Artifact, store: &Store) -> Result<u64> {
    let size = fs::metadata(store.path_of(&file.digest))?.len();
    let expected = match file.size {
        SizeBound::Exact(locked) if locked.0 != size => format!("{} bytes", locked.0),
        SizeBound::AtMost(limit) if size > limit.0 => format!("at most {} bytes", limit.0),
        _ => return Ok(size),
    };
    Err(changed(&format!("{} of {}", file.name, artifact.name))
        .detail("expected", expected)
        .observed(format!("{size} bytes"))
        .detail("at", store.path_of(&file.digest).as_str()))
}

fn changed(what: &str) -> Failure {
    Failure::new(FailureKind::Untrusted, format!("{what} has changed in the cache, so no bundle was written"))
        .hint("check all files with `meshlab deps verify`, or run `meshlab clean --cache` and export again to fetch them again")
}

/// Measures the running binary: the manifest needs its digest before it is written.
fn own_program(platform: Platform) -> impl FnOnce() -> Result<BundledProgram> + Send + 'static {
    move || {
        let path = Utf8Path::new(OWN_PROGRAM);
        let size = fs::metadata(path)?.len();
        Ok(BundledProgram { platform, digest: hash_file(path, DigestAlgorithm::Sha256)?, size })
    }
}

/// Why an export failed.
enum ExportError {
    Failed(Failure),
    /// The writer failed. [`WriteBehind::finish`] returns its error.
    Writer,
}

impl From<Failure> for ExportError {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<WriterFailed> for ExportError {
    fn from(_: WriterFailed) -> Self {
        Self::Writer
    }
}

/// A bundle that is being written.
struct BundleWriter {
    out: WriteBehind<Hashed<fs::File>>,
    path: Utf8PathBuf,
    store: Store,
    progress: BundleProgress,
}

impl BundleWriter {
    fn write(
        &mut self,
        manifest: &Manifest,
        json: &[u8],
        lock: &[u8],
        sources: &[LockedFile],
    ) -> Result<(), ExportError> {
        self.text(&member::manifest_name(&Digest::sha256_of(json)), json)?;
        self.text(member::LOCK, lock)?;
        if let Some(program) = &manifest.meshlab {
            let found =
                self.file(Utf8Path::new(OWN_PROGRAM), member::PROGRAM, program.size, program.digest, "")?;
            if found != Some(program.digest) {
                return Err(Failure::failed("the meshlab binary changed while it was exported").into());
            }
        }
        for ((artifact, file), locked) in manifest.blobs().into_iter().zip(sources) {
            let path = self.store.path_of(&file.digest);
            let name = member::blob_name(&file.digest);
            let found = self.file(&path, &name, file.size, file.digest, artifact.name.as_str())?;
            if found != Some(file.digest) {
                return Err(self.refuse(&path, locked, artifact, found).into());
            }
            self.progress.complete_file(file.size);
        }
        Ok(self.out.write(&[0; END])?)
    }

    fn text(&self, name: &str, text: &[u8]) -> Result<(), ExportError> {
        let size = text.len() as u64;
        self.out.write(&member::header(name, size)?)?;
        self.out.write(text)?;
        Ok(self.out.write(&[0; member::BLOCK][..member::padding(size)])?)
    }

    /// Writes a file. Returns its digest, or `None` if its size has changed.
    fn file(
        &mut self,
        from: &Utf8Path,
        name: &str,
        size: u64,
        digest: Digest,
        artifact: &str,
    ) -> Result<Option<Digest>, ExportError> {
        let mut file =
            File::open(from).map_err(|error| Failure::failed(format!("cannot read {from}")).seen(&error))?;
        self.out.write(&member::header(name, size)?)?;
        let progress = &mut self.progress;
        let report = |done| progress.report(artifact, done);
        let found = match copy(&mut file, size, digest.algorithm(), Some(&self.out), report) {
            Ok(found) => found,
            Err(CopyError::Ended(_)) => return Ok(None),
            Err(CopyError::Writer) => return Err(ExportError::Writer),
            Err(CopyError::Source(error)) => {
                return Err(Failure::failed(format!("cannot read {from}")).seen(&error).into());
            }
        };
        let is_longer = file.read(&mut [0]).is_ok_and(|length| length > 0);
        self.out.write(&[0; member::BLOCK][..member::padding(size)])?;
        Ok(Some(found).filter(|_| !is_longer))
    }

    /// Removes a changed file from the store, so that it is fetched again. Returns the failure to report.
    fn refuse(
        &self,
        path: &Utf8Path,
        locked: &LockedFile,
        artifact: &BundledArtifact,
        found: Option<Digest>,
    ) -> Failure {
        let what = format!("{} of {}", locked.name, artifact.name);
        let Some(found) = found else { return changed(&what).observed("another size") };
        let size = fs::metadata(path).map_or(0, |found| found.len());
        let failure = self.store.reject(path, locked, &found, size);
        let message = changed(&what);
        failure.with_message(message.message()).hint(
            "run the export again: it fetches the file again. Check all files with `meshlab deps verify`",
        )
    }
}
