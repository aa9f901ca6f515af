//! Serves artifacts in the layout of `releases.hashicorp.com`, for tools that install from there, such as hc-install.
//!
//! A product is an artifact whose release file has a URL of that layout in the lock. If the store has the release file,
//! it is served. If the store has only a binary built from source, a zip archive is generated around it. Its content is
//! the same, but it has its own digest in the list of digests.
//!
//! The lists of digests have no signature, because only the publisher can sign them. A tool that requires a signature
//! has to be configured to skip it.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

use super::blob::{Blob, FileIdentity, Lookup, open};
use super::body::{Body, FilePart};
use super::measure::{MeasureError, MeasuredZip, measure};
use crate::artifacts::lockfile::{self, Artifact, Locator, Lock, Source, SourceKind};
use crate::artifacts::store::Store;
use crate::core::model::{ArtifactName, Digest, FileName, Platform};

const HOST: &str = "releases.hashicorp.com";

/// The products of a lock.
#[derive(Debug, Clone)]
pub(super) struct Releases {
    products: BTreeMap<ArtifactName, Product>,
}

/// A product at the pinned version.
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
    /// The name of the zip file.
    pub(super) file: FileName,
    /// The digest of the publisher's zip file.
    release: Digest,
    /// The binary to serve if the publisher's file is not stored.
    binary: Option<Binary>,
}

/// A binary that was built from the product's source.
#[derive(Debug, Clone)]
struct Binary {
    digest: Digest,
    /// The file name in the zip archive.
    member: String,
    /// The measured zip archive, and the identity of the binary. Locked while measuring, so that it happens once.
    measured: Arc<Mutex<Option<(FileIdentity, MeasuredZip)>>>,
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

    /// The builds that are available.
    pub(super) fn available<'a>(&'a self, store: &'a Store) -> impl Iterator<Item = &'a Build> {
        self.builds.iter().filter(|build| build.is_available(store))
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

    fn is_available(&self, store: &Store) -> bool {
        store.contains(&self.release)
            || self.binary.as_ref().is_some_and(|binary| store.contains(&binary.digest))
    }

    /// Opens the zip file.
    pub(super) async fn open(&self, store: &Store) -> Lookup {
        if let Some((file, FileIdentity { size, .. })) = open(&store.path_of(&self.release)) {
            return Lookup::Blob(Blob { content: Body::file(file, size), digest: self.release });
        }
        match &self.binary {
            Some(binary) => binary.open(store).await,
            None => Lookup::NotFound,
        }
    }
}

impl Binary {
    /// The binary of a source that builds exactly one file, as in the publisher's zip file.
    fn new(source: &Source) -> Option<Self> {
        let [file] = source.files.as_slice() else { return None };
        match (&source.kind, &file.content) {
            (SourceKind::Go(_), lockfile::FileContent::Raw { install }) => Some(Self {
                digest: file.digest,
                member: install.as_path().file_name().unwrap_or_default().to_owned(),
                measured: Arc::default(),
            }),
            _ => None,
        }
    }

    async fn open(&self, store: &Store) -> Lookup {
        let path = store.path_of(&self.digest);
        let Some((file, identity)) = open(&path) else { return Lookup::NotFound };
        let mut known = self.measured.lock().await;
        let measured = match &*known {
            Some((same, measured)) if *same == identity => measured.clone(),
            _ => {
                // Checked before reading, so that a change while reading changes the identity.
                let is_settled = identity.is_settled();
                match self.measure(&file, identity).await {
                    Ok(measured) => {
                        *known = is_settled.then(|| (identity, measured.clone()));
                        measured
                    }
                    Err(problem) => return Lookup::Altered(format!("{path} {problem}")),
                }
            }
        };
        let MeasuredZip { frame, digest } = measured;
        let file = Some(FilePart { file, first: 0, length: identity.size });
        Lookup::Blob(Blob { content: Body { before: frame.before, file, after: frame.after }, digest })
    }

    async fn measure(
        &self,
        file: &std::fs::File,
        identity: FileIdentity,
    ) -> Result<MeasuredZip, MeasureError> {
        let file = file.try_clone()?;
        let (member, digest) = (self.member.clone(), self.digest);
        let measured = spawn_blocking(move || measure(&file, identity.size, &member, &digest)).await;
        measured.unwrap_or(Err(MeasureError::Interrupted))
    }
}
