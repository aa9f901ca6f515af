//! Measures what a source delivers now, regardless of the lock; for `deps lock`.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use reqwest::Response;
use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;
use url::Url;

use super::download::Http;
use super::source::delivery::{Delivered, Pins, report_started, with_progress};
use super::source::{FetchJob, apt, go, pip};
use super::store::{Store, hash_file};
use super::work::{WorkFolder, blocking};
use crate::artifacts::lockfile::{Artifact, Locator, Lock, LockedFile, Source, SourceKind};
use crate::core::event::SharedReporter;
use crate::core::failure::{Failure, Result};
use crate::core::model::{ArtifactName, Digest};
use crate::core::settings::Environment;

/// The largest download in bytes. The size in the lock may be that of an older version.
const MAX_SIZE: u64 = 8_000_000_000;
/// The longest pause before and between two chunks of a download.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// The deadline of a download: time for 1 GB at about 140 kB/s.
const DOWNLOAD_DEADLINE: Duration = Duration::from_hours(2);

/// The digest and size in bytes of a delivered file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MeasuredFile {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
}

/// Measures the files of a source, in the source's order. A trait, so that tests can replace the sources.
pub(crate) trait Measure {
    async fn measure(&self, lock: &Lock, artifact: &Artifact, source: &Source) -> Result<Vec<MeasuredFile>>;
}

/// Measures with the package managers of this machine and by HTTP.
pub(crate) struct Clients<'a, T> {
    pub(crate) store: &'a Store,
    pub(crate) environment: &'a Environment,
    pub(crate) reporter: &'a SharedReporter,
    pub(crate) http: &'a Http,
    /// Installs a Go toolchain and returns the root of its tree.
    pub(crate) toolchain: T,
}

impl<T> Measure for Clients<'_, T>
where
    T: AsyncFn(&Lock, &ArtifactName) -> Result<Utf8PathBuf>,
{
    async fn measure(&self, lock: &Lock, artifact: &Artifact, source: &Source) -> Result<Vec<MeasuredFile>> {
        let folder = WorkFolder::create(self.store, artifact.name.as_str()).await?;
        let toolchain = match &source.kind {
            SourceKind::Go(build) => Some((self.toolchain)(lock, &build.toolchain).await?),
            _ => None,
        };
        let job = FetchJob {
            artifact,
            source,
            missing: source.files.iter().collect(),
            store: self.store,
            work: folder.path(),
            environment: self.environment,
            reporter: self.reporter,
            toolchain: toolchain.as_deref(),
        };
        let delivered = match source.kind {
            SourceKind::Url => self.download(&job).await?,
            SourceKind::Pip => pip::deliver(&job, Pins::Ignored).await?,
            SourceKind::Apt => apt::deliver(&job, Pins::Ignored).await?,
            SourceKind::Go(_) => go::deliver(&job, Pins::Ignored).await?,
        };
        let mut measured = Vec::with_capacity(delivered.len());
        for file in delivered {
            measured.push(measure_and_store(self.store, file).await?);
        }
        folder.remove().await?;
        Ok(measured)
    }
}

impl<T> Clients<'_, T> {
    async fn download<'j>(&self, job: &FetchJob<'j>) -> Result<Vec<Delivered<'j>>> {
        let http = self.http.client()?;
        let mut delivered = Vec::with_capacity(job.missing.len());
        for file in job.missing.iter().copied() {
            let Locator::Url(url) = &file.locator else {
                return Err(Failure::failed(format!("{} has no URL in the lock", file.name)));
            };
            report_started(job, file);
            let path = job.work.join(file.name.as_str());
            let download = timeout(DOWNLOAD_DEADLINE, get(&http, url, &path));
            with_progress(job, file, job.work, download).await.map_err(|_| {
                Failure::failed(format!(
                    "the download of {url} took longer than {} s",
                    DOWNLOAD_DEADLINE.as_secs()
                ))
            })??;
            delivered.push(Delivered { file, path });
        }
        Ok(delivered)
    }
}

/// Hashes a file and stores it under its digest, so that it is not fetched or built again.
async fn measure_and_store(store: &Store, Delivered { file, path }: Delivered<'_>) -> Result<MeasuredFile> {
    let (store, file) = (store.clone(), file.clone());
    blocking(move || {
        let size = fs::metadata(&path)?.len();
        let digest = hash_file(&path, file.digest.algorithm())?;
        let found = LockedFile { digest, ..file };
        store.admit_hashed(&path, &found, digest, size)?;
        Ok(MeasuredFile { digest, size })
    })
    .await
}

async fn get(http: &reqwest::Client, url: &Url, path: &Utf8Path) -> Result<()> {
    let failed =
        |error: reqwest::Error| Failure::failed(format!("cannot download {url}")).seen(&error.without_url());
    let idle = || Failure::failed(format!("no data from {url} for {} s", IDLE_TIMEOUT.as_secs()));
    let response = timeout(IDLE_TIMEOUT, http.get(url.clone()).send()).await.map_err(|_| idle())?;
    let mut response = response.and_then(Response::error_for_status).map_err(failed)?;
    let mut file = fs_err::tokio::File::create(path).await?;
    let mut length = 0;
    while let Some(chunk) =
        timeout(IDLE_TIMEOUT, response.chunk()).await.map_err(|_| idle())?.map_err(failed)?
    {
        length += chunk.len() as u64;
        if length > MAX_SIZE {
            return Err(Failure::failed(format!("{url} is larger than {MAX_SIZE} bytes")));
        }
        file.write_all(&chunk).await?;
    }
    file.flush().await?;
    Ok(())
}
