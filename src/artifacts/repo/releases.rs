//! The lock's artifacts in the layout of `releases.hashicorp.com`, so that tools which install from there can install
//! from here.
//!
//! A product is an artifact whose release file the lock has at an address of that layout. Where the store has that very
//! file, it is served as it is. Where it has only the binary that was built instead, a zip is made around it: the same
//! to a tool that unpacks it, with a digest of its own in the list of digests.
//!
//! The lists of digests carry no signature. Only the publisher can sign as the publisher, and what it signed is a list
//! of other files than these: a tool that insists on a signature has to be told not to.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

use super::blob::{Blob, Found, Identity, open};
use super::content::{Content, FilePart};
use super::measure::{Measured, measure};
use crate::artifacts::lockfile::{self, Artifact, Locator, Lock, Source, SourceKind};
use crate::artifacts::store::Store;
use crate::core::model::{ArtifactName, Digest, FileName, Platform};

const HOST: &str = "releases.hashicorp.com";

/// The products of a lock.
#[derive(Debug, Clone)]
pub(super) struct Releases {
    products: BTreeMap<ArtifactName, Product>,
}

/// One product, at the version that is pinned.
#[derive(Debug, Clone)]
pub(super) struct Product {
    pub(super) version: FileName,
    /// One per platform.
    pub(super) builds: Vec<Build>,
}

/// A product for one platform.
#[derive(Debug, Clone)]
pub(super) struct Build {
    pub(super) platform: Platform,
    /// The name of the zip.
    pub(super) file: FileName,
    /// The publisher's zip.
    release: Digest,
    /// What stands in for it.
    binary: Option<Binary>,
}

/// A binary that was built from the product's source.
#[derive(Debug, Clone)]
struct Binary {
    digest: Digest,
    /// Its name in the zip.
    member: String,
    /// What was found out about it, and of which file. The lock is held while it is found out: once is enough.
    measured: Arc<Mutex<Option<(Identity, Measured)>>>,
}

impl Releases {
    pub(super) fn new(lock: &Lock) -> Self {
        let product = |artifact: &Artifact| Some((artifact.name.clone(), Product::new(artifact)?));
        Self { products: lock.artifacts.iter().filter_map(product).collect() }
    }

    pub(super) fn products(&self) -> impl Iterator<Item = (&ArtifactName, &Product)> {
        self.products.iter()
    }

    pub(super) fn product(&self, name: &ArtifactName) -> Option<&Product> {
        self.products.get(name)
    }
}

impl Product {
    fn new(artifact: &Artifact) -> Option<Self> {
        let version = artifact.version.parse().ok()?;
        let builds: Vec<Build> = Platform::ALL.iter().filter_map(|at| Build::new(artifact, *at)).collect();
        (!builds.is_empty()).then_some(Self { version, builds })
    }

    /// The builds that can be had.
    pub(super) fn stored<'a>(&'a self, store: &'a Store) -> impl Iterator<Item = &'a Build> {
        self.builds.iter().filter(|build| build.is_stored(store))
    }
}

impl Build {
    fn new(artifact: &Artifact, platform: Platform) -> Option<Self> {
        let (name, version) = (&artifact.name, &artifact.version);
        let file = format!("{name}_{version}_linux_{}.zip", platform.go_arch());
        let path = format!("/{name}/{version}/{file}");
        let is_release = |file: &&lockfile::LockedFile| match &file.locator {
            Locator::Url(url) => url.host_str() == Some(HOST) && url.path() == path,
            _ => false,
        };
        let release =
            artifact.sources_for(platform).flat_map(|source| &source.files).find(is_release)?.digest;
        let binary = artifact.sources_for(platform).find_map(Binary::new);
        Some(Self { platform, file: file.parse().ok()?, release, binary })
    }

    fn is_stored(&self, store: &Store) -> bool {
        store.contains(&self.release)
            || self.binary.as_ref().is_some_and(|binary| store.contains(&binary.digest))
    }

    /// The zip.
    pub(super) async fn open(&self, store: &Store) -> Found {
        if let Some((file, Identity { size, .. })) = open(&store.path_of(&self.release)) {
            return Found::Blob(Blob { content: Content::file(file, size), digest: self.release });
        }
        match &self.binary {
            Some(binary) => binary.open(store).await,
            None => Found::Nothing,
        }
    }
}

impl Binary {
    /// Of a source that builds one file, which is what the publisher's zip has in it.
    fn new(source: &Source) -> Option<Self> {
        let [file] = source.files.as_slice() else { return None };
        match (&source.kind, &file.content) {
            (SourceKind::Go(_), lockfile::Content::Raw { install }) => Some(Self {
                digest: file.digest,
                member: install.as_path().file_name().unwrap_or_default().to_owned(),
                measured: Arc::default(),
            }),
            _ => None,
        }
    }

    async fn open(&self, store: &Store) -> Found {
        let path = store.path_of(&self.digest);
        let Some((file, identity)) = open(&path) else { return Found::Nothing };
        let mut known = self.measured.lock().await;
        let measured = match &*known {
            Some((same, measured)) if *same == identity => measured.clone(),
            _ => {
                // Asked before it is read: a change while it is read must be seen in the identity.
                let is_settled = identity.is_settled();
                match self.measure(&file, identity).await {
                    Ok(measured) => {
                        *known = is_settled.then(|| (identity, measured.clone()));
                        measured
                    }
                    Err(problem) => return Found::Altered(format!("{path} {problem}")),
                }
            }
        };
        let Measured { frame, digest } = measured;
        let file = Some(FilePart { file, first: 0, length: identity.size });
        Found::Blob(Blob { content: Content { before: frame.before, file, after: frame.after }, digest })
    }

    async fn measure(&self, file: &std::fs::File, identity: Identity) -> Result<Measured, String> {
        let file = file.try_clone().map_err(|error| format!("cannot be read: {error}"))?;
        let (member, digest) = (self.member.clone(), self.digest);
        let measured = spawn_blocking(move || measure(&file, identity.size, &member, &digest)).await;
        measured.unwrap_or_else(|_| Err("could not be read to its end".to_owned()))
    }
}
