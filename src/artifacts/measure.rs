//! What a source delivers now, whatever the lock says of it: the eyes of `deps lock`.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use reqwest::Response;
use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;
use url::Url;

use super::download::Http;
use super::source::bring::{Brought, Pins, started, watched};
use super::source::{Job, apt, go, pip};
use super::store::{Store, hash_file};
use super::work::{WorkFolder, blocking};
use crate::artifacts::lockfile::{Artifact, Locator, Lock, LockedFile, Source, SourceKind};
use crate::core::event::SharedReporter;
use crate::core::failure::{Failure, Result};
use crate::core::model::{ArtifactName, Digest};
use crate::core::settings::Environment;

/// Nothing here is larger; the lock's own limit may be that of an older version.
const LARGEST: u64 = 8_000_000_000;
/// Between two pieces of a download, and until the first.
const SILENCE: Duration = Duration::from_secs(30);
/// A gigabyte through a slow line.
const DOWNLOAD: Duration = Duration::from_hours(2);

/// A file as it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Measured {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
}

/// Finds out what a source's files are, in the source's order. A trait, so that a test can say what is found.
pub(crate) trait Measure {
    async fn measure(&self, lock: &Lock, artifact: &Artifact, source: &Source) -> Result<Vec<Measured>>;
}

/// Measures with the machine's clients and by HTTP. `toolchain` gives the tree of a Go toolchain, in place and verified.
pub(crate) struct Clients<'a, T> {
    pub(crate) store: &'a Store,
    pub(crate) environment: &'a Environment,
    pub(crate) reporter: &'a SharedReporter,
    pub(crate) http: &'a Http,
    pub(crate) toolchain: T,
}

impl<T> Measure for Clients<'_, T>
where
    T: AsyncFn(&Lock, &ArtifactName) -> Result<Utf8PathBuf>,
{
    async fn measure(&self, lock: &Lock, artifact: &Artifact, source: &Source) -> Result<Vec<Measured>> {
        let folder = WorkFolder::create(self.store, artifact.name.as_str()).await?;
        let toolchain = match &source.kind {
            SourceKind::Go(build) => Some((self.toolchain)(lock, &build.toolchain).await?),
            _ => None,
        };
        let job = Job {
            artifact,
            source,
            missing: source.files.iter().collect(),
            store: self.store,
            work: folder.path(),
            environment: self.environment,
            reporter: self.reporter,
            toolchain: toolchain.as_deref(),
        };
        let brought = match source.kind {
            SourceKind::Url => self.download(&job).await?,
            SourceKind::Pip => pip::bring(&job, Pins::Sought).await?,
            SourceKind::Apt => apt::bring(&job, Pins::Sought).await?,
            SourceKind::Go(_) => go::bring(&job, Pins::Sought).await?,
        };
        let mut measured = Vec::with_capacity(brought.len());
        for one in brought {
            measured.push(keep(self.store, one).await?);
        }
        folder.remove().await?;
        Ok(measured)
    }
}

impl<T> Clients<'_, T> {
    async fn download<'j>(&self, job: &Job<'j>) -> Result<Vec<Brought<'j>>> {
        let http = self.http.client()?;
        let mut brought = Vec::with_capacity(job.missing.len());
        for file in job.missing.iter().copied() {
            let Locator::Url(url) = &file.locator else {
                return Err(Failure::failed(format!("{} has no address", file.name)));
            };
            started(job, file);
            let path = job.work.join(file.name.as_str());
            let download = timeout(DOWNLOAD, get(&http, url, &path));
            watched(job, file, job.work, download).await.map_err(|_| {
                Failure::failed(format!("{url} was not downloaded within {} s", DOWNLOAD.as_secs()))
            })??;
            brought.push(Brought { file, path });
        }
        Ok(brought)
    }
}

/// Hashes a file and keeps it in the store under what it is, so that it need not be fetched or built again.
async fn keep(store: &Store, Brought { file, path }: Brought<'_>) -> Result<Measured> {
    let (store, file) = (store.clone(), file.clone());
    blocking(move || {
        let size = fs::metadata(&path)?.len();
        let digest = hash_file(&path, file.digest.algorithm())?;
        let found = LockedFile { digest, ..file };
        store.admit_hashed(&path, &found, digest, size)?;
        Ok(Measured { digest, size })
    })
    .await
}

async fn get(http: &reqwest::Client, url: &Url, path: &Utf8Path) -> Result<()> {
    let unreached =
        |error: reqwest::Error| Failure::failed(format!("cannot download {url}")).seen(&error.without_url());
    let silent = || Failure::failed(format!("{url} said nothing for {} s", SILENCE.as_secs()));
    let answer = timeout(SILENCE, http.get(url.clone()).send()).await.map_err(|_| silent())?;
    let mut answer = answer.and_then(Response::error_for_status).map_err(unreached)?;
    let mut file = fs_err::tokio::File::create(path).await?;
    let mut length = 0;
    while let Some(piece) =
        timeout(SILENCE, answer.chunk()).await.map_err(|_| silent())?.map_err(unreached)?
    {
        length += piece.len() as u64;
        if length > LARGEST {
            return Err(Failure::failed(format!("{url} is larger than {LARGEST} bytes")));
        }
        file.write_all(&piece).await?;
    }
    file.flush().await?;
    Ok(())
}
