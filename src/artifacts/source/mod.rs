//! Fetches the files of a source into the store, with one module per kind of source.

pub(crate) mod apt;
pub(crate) mod client;
pub(crate) mod delivery;
pub(crate) mod go;
pub(crate) mod mirror;
pub(crate) mod pip;
mod url;

use camino::Utf8Path;

use super::capacity::Capacity;
use super::download::{Downloader, waiting};
use super::store::Store;
use crate::artifacts::lockfile::{Artifact, LockedFile, Source, SourceKind};
use crate::core::claim::Claim;
use crate::core::event::{Claimed, Event, SharedReporter};
use crate::core::failure::{Failure, FailureKind, Result};
use crate::core::settings::Environment;

/// The missing files of one source, and what is needed to fetch them.
pub(crate) struct FetchJob<'a> {
    pub artifact: &'a Artifact,
    pub source: &'a Source,
    /// The files of the source that are not in the store.
    pub missing: Vec<&'a LockedFile>,
    pub store: &'a Store,
    /// An empty folder on the cache's file system. The caller removes it.
    pub work: &'a Utf8Path,
    pub environment: &'a Environment,
    pub reporter: &'a SharedReporter,
    /// The root of the pinned Go toolchain, for `go` sources.
    pub toolchain: Option<&'a Utf8Path>,
}

/// Fetches every missing file into the store. Dropping the future stops all work.
pub(crate) async fn fetch(job: FetchJob<'_>, downloader: &Downloader, capacity: &Capacity) -> Result<()> {
    // A download claims its file itself. The other clients fetch all files at once, so all are claimed here.
    if job.source.kind == SourceKind::Url {
        return url::fetch(&job, downloader).await;
    }
    let (job, _claims) = claim(job).await?;
    if job.missing.is_empty() {
        return Ok(());
    }
    match job.source.kind {
        SourceKind::Go(_) => {
            let _permit = capacity.build().await?;
            go::fetch(&job).await
        }
        SourceKind::Pip | SourceKind::Apt | SourceKind::Url => {
            let _permit = capacity.job().await?;
            match job.source.kind {
                SourceKind::Apt => apt::fetch(&job).await,
                _ => pip::fetch(&job).await,
            }
        }
    }
}

/// Claims the missing files, and drops those that another process has stored meanwhile from the job. Claims are
/// acquired in the order of the digests, so that two processes cannot deadlock.
async fn claim(job: FetchJob<'_>) -> Result<(FetchJob<'_>, Vec<Claim>)> {
    let mut files = job.missing.clone();
    files.sort_by_key(|file| file.digest);
    let mut claims = Vec::with_capacity(files.len());
    for file in files {
        job.store.prepare(&file.digest)?;
        let lock = job.store.lock_path(&file.digest);
        let claim = Claim::wait(&lock, |holder| {
            let event = waiting(&job.artifact.name, Claimed::File { file: file.name.clone() }, holder);
            job.reporter.report(Event::Provision(event));
        })
        .await?;
        claims.push(claim);
    }
    let mut job = job;
    job.missing.retain(|file| !job.store.contains(&file.digest));
    Ok((job, claims))
}

/// The most severe failure: the first of kind `Untrusted`, else the first.
pub(crate) fn most_severe(failures: Vec<Failure>) -> Option<Failure> {
    let mut failures = failures;
    let most_severe =
        failures.iter().position(|failure| failure.kind() == FailureKind::Untrusted).unwrap_or(0);
    (most_severe < failures.len()).then(|| failures.swap_remove(most_severe))
}
