//! From the store into a bundle.
//!
//! Invariant: a file with the bundle's name is whole. It grows beside under another name and is renamed at the end;
//! every byte was hashed on its way into it.

use std::fs::File;
use std::io::Read;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::flow::{Stopped, Trouble, WriteBehind, pump};
use super::manifest::{Bundled, BundledFile, Manifest, Program, Sum};
use super::member::{self, END};
use super::progress::Progress;
use crate::artifacts::lockfile::{Artifact, Lock, LockedFile, SizeBound, Source};
use crate::artifacts::store::{Store, hash_file};
use crate::artifacts::work::blocking;
use crate::core::atomic_file::{AtomicFile, cannot_write};
use crate::core::event::{BundleVerb, SharedReporter};
use crate::core::failure::{Failure, FailureKind, Result};
use crate::core::model::{Digest, DigestAlgorithm, Hashed, Platform};

/// The program that runs now, whatever became of its file.
const OWN_PROGRAM: &str = "/proc/self/exe";

/// What a bundle is made of.
#[derive(Debug)]
pub struct Export<'a> {
    /// The lock in force.
    pub lock: &'a Lock,
    /// Each artifact with the source, all of whose files are stored.
    pub chosen: Vec<(&'a Artifact, &'a Source)>,
    /// The platform of the program, if it is to be in the bundle.
    pub program: Option<Platform>,
}

/// A bundle that is written.
#[derive(Debug, Clone)]
pub struct Exported {
    /// What is in it.
    pub manifest: Manifest,
    /// The file's length.
    pub size: u64,
    /// The SHA-256 of the file.
    pub digest: Digest,
}

/// Writes a bundle in the place of whatever has its name. Dropping the future leaves what was there.
pub async fn export(
    export: &Export<'_>,
    store: &Store,
    path: &Utf8Path,
    reporter: &SharedReporter,
) -> Result<Exported> {
    let files = sized(export, store)?;
    let program = export.program.map(own_program);
    let program = match program {
        Some(program) => Some(blocking(program).await?),
        None => None,
    };
    let text = export.lock.text.clone().into_bytes();
    let sum = Sum { digest: Digest::sha256_of(&text), size: text.len() as u64 };
    let manifest = Manifest::new(sum, program, files);
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
    let mut work = Writing {
        out: WriteBehind::start(Hashed::new(file)).map_err(|error| cannot_write(path, &error))?,
        path: path.to_owned(),
        store: store.clone(),
        progress: Progress::start(reporter, BundleVerb::Export, path.as_str(), &manifest),
    };
    let (manifest, digest, size, progress) = blocking(move || {
        let outcome = work.write(&manifest, &json, &text, &sources);
        let Writing { out, path, progress, .. } = work;
        // Why the writer stopped says more than that it stopped.
        let written = out.finish().map_err(|error| cannot_write(&path, &error))?;
        if let Err(Broken::Failed(failure)) = outcome {
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

/// Every file with its length as it is stored.
fn sized(export: &Export<'_>, store: &Store) -> Result<Vec<Bundled>> {
    export
        .chosen
        .iter()
        .map(|(artifact, source)| {
            let files = source.files.iter().map(|file| {
                Ok(BundledFile {
                    name: file.name.clone(),
                    digest: file.digest,
                    size: size_of(file, artifact, store)?,
                })
            });
            Ok(Bundled {
                name: artifact.name.clone(),
                version: artifact.version.clone(),
                platform: source.platform,
                source: source.kind.name().to_owned(),
                files: files.collect::<Result<_>>()?,
            })
        })
        .collect()
}

fn size_of(file: &LockedFile, artifact: &Artifact, store: &Store) -> Result<u64> {
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
    Failure::new(FailureKind::Untrusted, format!("{what} changed in the cache; no bundle was made of it"))
        .hint("`meshlab deps verify` looks at all files; `meshlab clean --cache` and the same export fetch them anew")
}

/// Looks at the program before it is written, since the manifest stands first.
fn own_program(platform: Platform) -> impl FnOnce() -> Result<Program> + Send + 'static {
    move || {
        let path = Utf8Path::new(OWN_PROGRAM);
        let size = fs::metadata(path)?.len();
        Ok(Program { platform, digest: hash_file(path, DigestAlgorithm::Sha256)?, size })
    }
}

/// Why writing ended early.
enum Broken {
    Failed(Failure),
    /// The writer knows why.
    Stopped,
}

impl From<Failure> for Broken {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Stopped> for Broken {
    fn from(_: Stopped) -> Self {
        Self::Stopped
    }
}

/// A bundle on its way to the disk.
struct Writing {
    out: WriteBehind<Hashed<fs::File>>,
    path: Utf8PathBuf,
    store: Store,
    progress: Progress,
}

impl Writing {
    fn write(
        &mut self,
        manifest: &Manifest,
        json: &[u8],
        lock: &[u8],
        sources: &[LockedFile],
    ) -> Result<(), Broken> {
        self.text(&member::manifest_name(&Digest::sha256_of(json)), json)?;
        self.text(member::LOCK, lock)?;
        if let Some(program) = &manifest.meshlab {
            let found =
                self.copy(Utf8Path::new(OWN_PROGRAM), member::PROGRAM, program.size, program.digest, "")?;
            if found != Some(program.digest) {
                return Err(Failure::failed("the program changed while it was read").into());
            }
        }
        for ((artifact, file), locked) in manifest.blobs().into_iter().zip(sources) {
            let path = self.store.path_of(&file.digest);
            let name = member::blob_name(&file.digest);
            let found = self.copy(&path, &name, file.size, file.digest, artifact.name.as_str())?;
            if found != Some(file.digest) {
                return Err(self.refuse(&path, locked, artifact, found).into());
            }
            self.progress.over(file.size);
        }
        Ok(self.out.write(&[0; END])?)
    }

    fn text(&self, name: &str, text: &[u8]) -> Result<(), Broken> {
        let size = text.len() as u64;
        self.out.write(&member::header(name, size)?)?;
        self.out.write(text)?;
        Ok(self.out.write(&[0; member::BLOCK][..member::padding(size)])?)
    }

    /// Copies a file and says what it hashes to; nothing if it has another length now.
    fn copy(
        &mut self,
        from: &Utf8Path,
        name: &str,
        size: u64,
        digest: Digest,
        artifact: &str,
    ) -> Result<Option<Digest>, Broken> {
        let mut file =
            File::open(from).map_err(|error| Failure::failed(format!("cannot read {from}")).seen(&error))?;
        self.out.write(&member::header(name, size)?)?;
        let progress = &mut self.progress;
        let tell = |done| progress.tell(artifact, done);
        let found = match pump(&mut file, size, digest.algorithm(), Some(&self.out), tell) {
            Ok(found) => found,
            Err(Trouble::Ended(_)) => return Ok(None),
            Err(Trouble::Stopped) => return Err(Broken::Stopped),
            Err(Trouble::Read(error)) => {
                return Err(Failure::failed(format!("cannot read {from}")).seen(&error).into());
            }
        };
        let is_longer = file.read(&mut [0]).is_ok_and(|length| length > 0);
        self.out.write(&[0; member::BLOCK][..member::padding(size)])?;
        Ok(Some(found).filter(|_| !is_longer))
    }

    /// Takes a file that is not what it was out of the store, so that it is fetched anew.
    fn refuse(
        &self,
        path: &Utf8Path,
        locked: &LockedFile,
        artifact: &Bundled,
        found: Option<Digest>,
    ) -> Failure {
        let what = format!("{} of {}", locked.name, artifact.name);
        let Some(found) = found else { return changed(&what).observed("another length") };
        let size = fs::metadata(path).map_or(0, |found| found.len());
        let failure = self.store.reject(path, locked, &found, size);
        let words = changed(&what);
        failure.with_message(words.message()).hint(
            "run the same export again: it fetches the file anew. `meshlab deps verify` looks at all files",
        )
    }
}
