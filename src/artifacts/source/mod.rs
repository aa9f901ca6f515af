//! Ways to get a source's files into the store: one file per client.

pub(crate) mod apt;
pub(crate) mod bring;
pub(crate) mod client;
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

/// The files of one source that are wanted, and what a client needs to bring them.
pub(crate) struct Job<'a> {
    pub artifact: &'a Artifact,
    pub source: &'a Source,
    /// Files of the source that the store lacks.
    pub missing: Vec<&'a LockedFile>,
    pub store: &'a Store,
    /// An empty folder on the cache's file system, removed afterwards.
    pub work: &'a Utf8Path,
    pub environment: &'a Environment,
    pub reporter: &'a SharedReporter,
    /// The tree of the pinned Go toolchain, for `go` sources.
    pub toolchain: Option<&'a Utf8Path>,
}

/// Brings every missing file into the store, or says why not. Dropping the future stops whatever it started.
pub(crate) async fn fetch(job: Job<'_>, downloader: &Downloader, capacity: &Capacity) -> Result<()> {
    // Downloads claim their file themselves; the other clients bring all files in one go, so all are claimed.
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

/// Claims the missing files in the order of their digests, so that two processes never wait for each other, and
/// strikes off what another one brought meanwhile.
async fn claim(job: Job<'_>) -> Result<(Job<'_>, Vec<Claim>)> {
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

/// The failure that matters most: a wrong digest before anything else.
pub(crate) fn gravest(failures: Vec<Failure>) -> Option<Failure> {
    let mut failures = failures;
    let gravest = failures.iter().position(|failure| failure.kind() == FailureKind::Untrusted).unwrap_or(0);
    (gravest < failures.len()).then(|| failures.swap_remove(gravest))
}
