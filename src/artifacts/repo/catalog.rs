//! The catalog of files to serve: the lock's files that are in the store, every blob by digest, and published files.

use std::collections::BTreeMap;
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};

use super::blob::{Blob, FileIdentity, Lookup, identity_of, open, read};
use super::body::Body;
use super::cache::{self, Cache};
use super::published::{PublishedPackage, PublishedPackages};
use super::releases::Releases;
use crate::artifacts::lockfile::{Artifact, Lock};
use crate::artifacts::store::Store;
use crate::core::model::{ArtifactName, Digest, FileName, Platform};

/// The files that a server serves: those of a lock in the store, and published files.
#[derive(Debug, Clone)]
pub struct Catalog {
    store: Store,
    packages: BTreeMap<ArtifactName, CatalogPackage>,
    published: BTreeMap<Digest, CatalogFile>,
    releases: Releases,
    cache: Arc<Cache>,
}

/// A package: an artifact of the lock, or published files.
#[derive(Debug, Clone)]
pub(super) struct CatalogPackage {
    pub(super) version: String,
    pub(super) license: String,
    pub(super) summary: String,
    /// Files for this machine's platform, then the other files of the lock, then published files.
    files: Vec<CatalogFile>,
}

/// A file in the lock or in the list of published packages.
#[derive(Debug, Clone)]
pub(super) struct CatalogFile {
    pub(super) name: FileName,
    pub(super) digest: Digest,
    pub(super) origin: Origin,
    path: Utf8PathBuf,
}

/// The origin of a file.
#[derive(Debug, Clone)]
pub(super) enum Origin {
    /// The lock. The file may be missing in the store.
    Lock(Platform),
    /// The list of published packages.
    Published { version: String, size: u64 },
}

/// A file that exists.
pub(super) struct AvailableFile<'a> {
    pub(super) file: &'a CatalogFile,
    pub(super) size: u64,
    /// Whether its name selects it. False if another platform's file with the same name comes first.
    pub(super) by_name: bool,
}

impl Catalog {
    /// Creates the catalog of a lock. Each request looks up the store.
    pub fn new(lock: &Lock, store: Store) -> Self {
        let here = Platform::current().ok();
        let package =
            |artifact: &Artifact| (artifact.name.clone(), CatalogPackage::new(artifact, here, &store));
        let packages = lock.artifacts.iter().map(package).collect();
        let (published, releases) = (BTreeMap::new(), Releases::new(lock));
        Self { store, packages, published, releases, cache: Arc::default() }
    }

    /// Adds published packages. If a published file and a file of the lock have the same name, the lock's file is
    /// served.
    #[must_use]
    pub fn with_published(mut self, list: &PublishedPackages) -> Self {
        for published in list.packages() {
            let file = CatalogFile::from(published);
            self.published.entry(file.digest).or_insert_with(|| file.clone());
            let package =
                self.packages.entry(published.name.clone()).or_insert_with(|| CatalogPackage::of(published));
            package.files.push(file);
        }
        self
    }

    /// The number of files that exist.
    pub fn available_files(&self) -> usize {
        self.packages.values().map(|package| package.available().len()).sum()
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    pub(super) fn releases(&self) -> &Releases {
        &self.releases
    }

    /// All packages, sorted by name.
    pub(super) fn packages(&self) -> impl Iterator<Item = (&ArtifactName, &CatalogPackage)> {
        self.packages.iter()
    }

    pub(super) fn package(&self, name: &ArtifactName) -> Option<&CatalogPackage> {
        self.packages.get(name)
    }

    /// Opens a file of a package by name. Prefers this machine's platform.
    pub(super) fn open_file(&self, artifact: &ArtifactName, name: &FileName) -> Lookup {
        let files = self.package(artifact).map_or(&[][..], |package| &package.files);
        let mut found = Lookup::NotFound;
        for file in files.iter().filter(|file| file.name == *name) {
            found = self.open_listed(file);
            if matches!(found, Lookup::Blob(_)) {
                break;
            }
        }
        found
    }

    /// Opens a file by digest.
    pub(super) fn open(&self, digest: &Digest) -> Lookup {
        match self.open_at(&self.store.path_of(digest), digest) {
            Some((content, _)) => Lookup::Blob(Blob { content, digest: *digest }),
            None => self.published.get(digest).map_or(Lookup::NotFound, |file| self.open_listed(file)),
        }
    }

    fn open_listed(&self, file: &CatalogFile) -> Lookup {
        let Some((content, FileIdentity { size: found, .. })) = self.open_at(&file.path, &file.digest) else {
            return Lookup::NotFound;
        };
        match file.origin.size() {
            Some(size) if size != found => Lookup::Altered(format!(
                "{} has changed since it was published as {}: it has {found} bytes instead of {size}",
                file.path, file.name
            )),
            _ => Lookup::Blob(Blob { content, digest: file.digest }),
        }
    }

    /// The content of a file: from the cache, if the file has not changed.
    fn open_at(&self, path: &Utf8Path, digest: &Digest) -> Option<(Body, FileIdentity)> {
        if let Some((identity, content)) = self.cache.get(digest)
            && identity_of(path) == Some(identity)
        {
            return Some((content.into(), identity));
        }
        let (file, identity) = open(path)?;
        if identity.size > cache::MAX_FILE {
            return Some((Body::file(file, identity.size), identity));
        }
        // Checked before reading, so that a change while reading changes the identity.
        let is_settled = identity.is_settled();
        let bytes = read(&file, identity.size)?;
        if is_settled {
            self.cache.put(*digest, identity, bytes.clone());
        }
        Some((bytes.into(), identity))
    }
}

impl Origin {
    /// The expected size. `None` for a file in the store, where the digest identifies it.
    fn size(&self) -> Option<u64> {
        match self {
            Self::Lock(_) => None,
            Self::Published { size, .. } => Some(*size),
        }
    }

    pub(super) fn platform(&self) -> Option<Platform> {
        match self {
            Self::Lock(platform) => Some(*platform),
            Self::Published { .. } => None,
        }
    }
}

impl From<&PublishedPackage> for CatalogFile {
    fn from(published: &PublishedPackage) -> Self {
        let PublishedPackage { file, digest, version, path, size, .. } = published;
        let origin = Origin::Published { version: version.clone(), size: *size };
        Self { name: file.clone(), digest: *digest, origin, path: path.clone() }
    }
}

impl CatalogPackage {
    fn new(artifact: &Artifact, here: Option<Platform>, store: &Store) -> Self {
        let mut package = Self {
            version: artifact.version.clone(),
            license: artifact.license.clone(),
            summary: artifact.summary.clone(),
            files: Vec::new(),
        };
        for source in &artifact.sources {
            for file in &source.files {
                if package.files.iter().all(|other| other.digest != file.digest) {
                    let origin = Origin::Lock(source.platform);
                    let (name, digest) = (file.name.clone(), file.digest);
                    package.files.push(CatalogFile { name, digest, origin, path: store.path_of(&digest) });
                }
            }
        }
        package.files.sort_by_key(|file| file.origin.platform() != here);
        package
    }

    /// The files that exist.
    pub(super) fn available(&self) -> Vec<AvailableFile<'_>> {
        let mut available: Vec<AvailableFile<'_>> = Vec::new();
        for file in &self.files {
            let Some(identity) = identity_of(&file.path) else { continue };
            let mut namesakes = available.iter().filter(|other| other.file.name == file.name).peekable();
            let by_name = namesakes.peek().is_none();
            // A file that is in the lock and published counts once.
            let is_duplicate = namesakes.any(|other| other.file.digest == file.digest);
            if !is_duplicate && file.origin.size().is_none_or(|size| size == identity.size) {
                available.push(AvailableFile { file, size: identity.size, by_name });
            }
        }
        available
    }

    /// A package that is only published, without its files.
    fn of(published: &PublishedPackage) -> Self {
        Self {
            version: published.version.clone(),
            license: published.license.clone(),
            summary: published.summary.clone(),
            files: Vec::new(),
        }
    }
}
