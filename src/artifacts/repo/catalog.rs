//! What can be asked for: the lock's files, as far as they are in the store, every blob by its digest, and what is
//! published beside them.

use std::collections::BTreeMap;
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};

use super::blob::{Blob, Found, Identity, identity_of, open, read};
use super::cache::{self, Cache};
use super::content::Content;
use super::published::{PublishedPackage, PublishedPackages};
use super::releases::Releases;
use crate::artifacts::lockfile::{Artifact, Lock};
use crate::artifacts::store::Store;
use crate::core::model::{ArtifactName, Digest, FileName, Platform};

/// The files of a lock and the store that holds them, and files that are published beside them.
#[derive(Debug, Clone)]
pub struct Catalog {
    store: Store,
    packages: BTreeMap<ArtifactName, Package>,
    published: BTreeMap<Digest, Listed>,
    releases: Releases,
    cache: Arc<Cache>,
}

/// One artifact.
#[derive(Debug, Clone)]
pub(super) struct Package {
    pub(super) version: String,
    pub(super) license: String,
    pub(super) summary: String,
    /// This machine's platform first, then in the lock's order, then what is published.
    files: Vec<Listed>,
}

/// A file that the lock or the list of published packages names.
#[derive(Debug, Clone)]
pub(super) struct Listed {
    pub(super) name: FileName,
    pub(super) digest: Digest,
    pub(super) origin: Origin,
    path: Utf8PathBuf,
}

/// Where a file comes from.
#[derive(Debug, Clone)]
pub(super) enum Origin {
    /// The lock; it is in the store, or is not there.
    Lock(Platform),
    /// The list of published packages.
    Published { version: String, size: u64 },
}

/// A file that is there.
pub(super) struct Stored<'a> {
    pub(super) file: &'a Listed,
    pub(super) size: u64,
    /// Whether its name alone leads to it; another platform's file may have the same name.
    pub(super) by_name: bool,
}

impl Catalog {
    /// The catalogue of a lock over a store. What is in the store is looked up at each request.
    pub fn new(lock: &Lock, store: Store) -> Self {
        let here = Platform::current().ok();
        let package = |artifact: &Artifact| (artifact.name.clone(), Package::new(artifact, here, &store));
        let packages = lock.artifacts.iter().map(package).collect();
        let (published, releases) = (BTreeMap::new(), Releases::new(lock));
        Self { store, packages, published, releases, cache: Arc::default() }
    }

    /// With these published beside the lock's files. A name that both have means the lock's file.
    #[must_use]
    pub fn with_published(mut self, list: &PublishedPackages) -> Self {
        for published in list.packages() {
            let listed = Listed::from(published);
            self.published.entry(listed.digest).or_insert_with(|| listed.clone());
            let package =
                self.packages.entry(published.name.clone()).or_insert_with(|| Package::of(published));
            package.files.push(listed);
        }
        self
    }

    /// How many of the lock's files are in the store, and published ones in their place.
    pub fn stored_files(&self) -> usize {
        self.packages.values().map(|package| package.stored().len()).sum()
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    pub(super) fn releases(&self) -> &Releases {
        &self.releases
    }

    /// All artifacts by name.
    pub(super) fn packages(&self) -> impl Iterator<Item = (&ArtifactName, &Package)> {
        self.packages.iter()
    }

    pub(super) fn package(&self, name: &ArtifactName) -> Option<&Package> {
        self.packages.get(name)
    }

    /// The file of an artifact that has this name; this machine's platform is preferred.
    pub(super) fn open_file(&self, artifact: &ArtifactName, name: &FileName) -> Found {
        let files = self.package(artifact).map_or(&[][..], |package| &package.files);
        let mut found = Found::Nothing;
        for file in files.iter().filter(|file| file.name == *name) {
            found = self.open_listed(file);
            if matches!(found, Found::Blob(_)) {
                break;
            }
        }
        found
    }

    /// The blob of this digest.
    pub(super) fn open(&self, digest: &Digest) -> Found {
        match self.open_at(&self.store.path_of(digest), digest) {
            Some((content, _)) => Found::Blob(Blob { content, digest: *digest }),
            None => self.published.get(digest).map_or(Found::Nothing, |listed| self.open_listed(listed)),
        }
    }

    fn open_listed(&self, file: &Listed) -> Found {
        let Some((content, Identity { size: found, .. })) = self.open_at(&file.path, &file.digest) else {
            return Found::Nothing;
        };
        match file.origin.size() {
            Some(size) if size != found => Found::Altered(format!(
                "{} is not the file that was published as {}: it has {found} bytes, not {size}",
                file.path, file.name
            )),
            _ => Found::Blob(Blob { content, digest: file.digest }),
        }
    }

    /// A file's content: from memory, if it was read before and nothing happened to the file.
    fn open_at(&self, path: &Utf8Path, digest: &Digest) -> Option<(Content, Identity)> {
        if let Some((identity, kept)) = self.cache.get(digest)
            && identity_of(path) == Some(identity)
        {
            return Some((kept.into(), identity));
        }
        let (file, identity) = open(path)?;
        if identity.size > cache::LARGEST {
            return Some((Content::file(file, identity.size), identity));
        }
        // Asked before it is read: a change while it is read must be seen in the identity.
        let is_settled = identity.is_settled();
        let bytes = read(&file, identity.size)?;
        if is_settled {
            self.cache.put(*digest, identity, bytes.clone());
        }
        Some((bytes.into(), identity))
    }
}

impl Origin {
    /// The size a file must have. In the store a file's name is its digest; that is enough.
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

impl From<&PublishedPackage> for Listed {
    fn from(published: &PublishedPackage) -> Self {
        let PublishedPackage { file, digest, version, path, size, .. } = published;
        let origin = Origin::Published { version: version.clone(), size: *size };
        Self { name: file.clone(), digest: *digest, origin, path: path.clone() }
    }
}

impl Package {
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
                    package.files.push(Listed { name, digest, origin, path: store.path_of(&digest) });
                }
            }
        }
        package.files.sort_by_key(|file| file.origin.platform() != here);
        package
    }

    /// The files that are there.
    pub(super) fn stored(&self) -> Vec<Stored<'_>> {
        let mut stored: Vec<Stored<'_>> = Vec::new();
        for file in &self.files {
            let Some(identity) = identity_of(&file.path) else { continue };
            let mut namesakes = stored.iter().filter(|other| other.file.name == file.name).peekable();
            let by_name = namesakes.peek().is_none();
            // Published although the lock has it: that is one file.
            let again = namesakes.any(|other| other.file.digest == file.digest);
            if !again && file.origin.size().is_none_or(|size| size == identity.size) {
                stored.push(Stored { file, size: identity.size, by_name });
            }
        }
        stored
    }

    /// One that is published only, without its files.
    fn of(published: &PublishedPackage) -> Self {
        Self {
            version: published.version.clone(),
            license: published.license.clone(),
            summary: published.summary.clone(),
            files: Vec::new(),
        }
    }
}
