//! What can be asked for: the lock's files, as far as they are in the store, and every blob by its digest.

use std::collections::BTreeMap;

use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use rustix::fs::OFlags;

use crate::artifact::store::Store;
use crate::lockfile::{Artifact, Lock};
use crate::model::{ArtifactName, Digest, FileName, Platform};

/// The files of a lock and the store that holds them.
#[derive(Debug, Clone)]
pub struct Catalog {
    store: Store,
    packages: BTreeMap<ArtifactName, Package>,
}

/// One artifact.
#[derive(Debug, Clone)]
pub(super) struct Package {
    pub(super) version: String,
    pub(super) license: String,
    pub(super) summary: String,
    /// This machine's platform first, then in the lock's order; each digest once.
    files: Vec<Listed>,
}

/// A file that the lock names.
#[derive(Debug, Clone)]
pub(super) struct Listed {
    pub(super) name: FileName,
    pub(super) platform: Platform,
    pub(super) digest: Digest,
}

/// A file that is in the store.
pub(super) struct Stored<'a> {
    pub(super) file: &'a Listed,
    pub(super) size: u64,
    /// Whether its name alone leads to it; another platform's file may have the same name.
    pub(super) by_name: bool,
}

/// A blob that is open for reading.
#[derive(Debug)]
pub(super) struct Blob {
    pub(super) file: std::fs::File,
    pub(super) size: u64,
    pub(super) digest: Digest,
}

impl Catalog {
    /// The catalogue of a lock over a store. What is in the store is looked up at each request.
    pub fn new(lock: &Lock, store: Store) -> Self {
        let here = Platform::current().ok();
        let package = |artifact: &Artifact| (artifact.name.clone(), Package::new(artifact, here));
        Self { store, packages: lock.artifacts.iter().map(package).collect() }
    }

    /// How many of the lock's files are in the store.
    pub fn stored_files(&self) -> usize {
        self.packages.values().map(|package| self.stored(package).len()).sum()
    }

    /// All artifacts by name.
    pub(super) fn packages(&self) -> impl Iterator<Item = (&ArtifactName, &Package)> {
        self.packages.iter()
    }

    pub(super) fn package(&self, name: &ArtifactName) -> Option<&Package> {
        self.packages.get(name)
    }

    /// An artifact's files that are in the store.
    pub(super) fn stored<'a>(&self, package: &'a Package) -> Vec<Stored<'a>> {
        let mut stored: Vec<Stored<'a>> = Vec::new();
        for file in &package.files {
            let Ok(metadata) = std::fs::metadata(self.store.path_of(&file.digest)) else { continue };
            let by_name = stored.iter().all(|other| other.file.name != file.name);
            if metadata.is_file() {
                stored.push(Stored { file, size: metadata.len(), by_name });
            }
        }
        stored
    }

    /// The file of an artifact that has this name; this machine's platform is preferred.
    pub(super) fn open_file(&self, artifact: &ArtifactName, name: &FileName) -> Option<Blob> {
        let files = &self.package(artifact)?.files;
        files.iter().filter(|file| file.name == *name).find_map(|file| self.open(&file.digest))
    }

    /// The blob of this digest. Opening a local file is as quick as handing it to another thread would be.
    pub(super) fn open(&self, digest: &Digest) -> Option<Blob> {
        let path = self.store.path_of(digest);
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
        let file = fs::OpenOptions::new().read(true).custom_flags(flags).open(path).ok()?;
        let metadata = file.metadata().ok()?;
        let (file, _) = file.into_parts();
        metadata.is_file().then_some(Blob { file, size: metadata.len(), digest: *digest })
    }
}

impl Package {
    fn new(artifact: &Artifact, here: Option<Platform>) -> Self {
        let mut files: Vec<Listed> = Vec::new();
        for source in &artifact.sources {
            for file in &source.files {
                if files.iter().all(|other| other.digest != file.digest) {
                    let (name, digest) = (file.name.clone(), file.digest);
                    files.push(Listed { name, platform: source.platform, digest });
                }
            }
        }
        files.sort_by_key(|file| Some(file.platform) != here);
        Self {
            version: artifact.version.clone(),
            license: artifact.license.clone(),
            summary: artifact.summary.clone(),
            files,
        }
    }
}
