//! Downloads files by HTTP: resumes, retries, and hashes the bytes while they are written.
//!
//! Invariant: a file enters the store only with a digest computed over all its bytes.

mod attempt;
mod client;
mod sink;
#[cfg(test)]
mod tests;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use url::Url;

pub(crate) use client::{Http, Timeouts, shown};

use super::capacity::Capacity;
use super::store::Store;
use crate::artifacts::lockfile::LockedFile;
use crate::core::claim::Claim;
use crate::core::event::{Claimed, Event, ProvisionEvent, SharedReporter};
use crate::core::failure::{Failure, Result};
use crate::core::model::{ArtifactName, ByteSize};
use crate::core::settings::Environment;
use crate::core::until::retry;
use attempt::AttemptError;
use sink::Sink;

/// The most attempts in a row without progress, per file and URL.
const MAX_ATTEMPTS: u32 = 4;

/// The bytes that an attempt must download to count as progress.
const MIN_PROGRESS: u64 = 1024 * 1024;
const FIRST_BACK_OFF: Duration = Duration::from_millis(100);
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// Downloads files. One downloader is shared by all tasks of a run.
pub(crate) struct Downloader {
    http: Http,
    capacity: Arc<Capacity>,
}

/// A file to download from one URL.
pub(crate) struct DownloadRequest<'a> {
    pub(crate) artifact: &'a ArtifactName,
    pub(crate) file: &'a LockedFile,
    pub(crate) url: &'a Url,
    /// The source's name in events.
    pub(crate) from: &'static str,
    pub(crate) store: &'a Store,
    pub(crate) reporter: &'a SharedReporter,
}

impl Downloader {
    pub(crate) fn new(environment: &Environment, timeouts: Timeouts, capacity: Arc<Capacity>) -> Self {
        Self { http: Http::new(environment, timeouts), capacity }
    }

    /// Downloads the file into the store, resuming the partial file of an earlier run. Dropping the future stops the
    /// download and keeps the partial file.
    pub(crate) async fn fetch(&self, request: &DownloadRequest<'_>) -> Result<()> {
        let digest = &request.file.digest;
        if request.store.contains(digest) {
            return Ok(());
        }
        self.refuse_dead(request.url)?;
        request.store.prepare(digest)?;
        let claim = Claim::wait(&request.store.lock_path(digest), |holder| {
            request.report(waiting(
                request.artifact,
                Claimed::File { file: request.file.name.clone() },
                holder,
            ));
        })
        .await?;
        if request.store.contains(digest) {
            return Ok(());
        }
        let _permit = self.capacity.job().await?;
        self.refuse_dead(request.url)?;
        self.download(request, &Arc::new(claim)).await
    }

    /// Fails if the host of `url` did not respond earlier in this run.
    fn refuse_dead(&self, url: &Url) -> Result<()> {
        match self.http.dead(url) {
            None => Ok(()),
            Some(why) => {
                Err(Failure::failed(format!("{} did not answer earlier", client::host_of(url)))
                    .seen_text(why))
            }
        }
    }

    async fn download(&self, request: &DownloadRequest<'_>, claim: &Arc<Claim>) -> Result<()> {
        let DownloadRequest { file, store, .. } = *request;
        let partial = store.partial_path(&file.digest);
        loop {
            let mut sink =
                Sink::open(&partial, file.digest.algorithm(), file.size.limit(), Arc::clone(claim))?;
            let ended = self.attempts(request, &mut sink).await;
            let resumed = sink.resumed() > 0;
            let written = match ended {
                Ok(()) => sink.finish().await?,
                // The partial file of an earlier run may be wrong: start over without it.
                Err(AttemptError::TooLong) => {
                    sink.abandon().await?;
                    if resumed {
                        fs_err::remove_file(&partial)?;
                        continue;
                    }
                    return Err(store.reject_longer(&partial, file).detail("from", shown(request.url)));
                }
                Err(AttemptError::Final(failure) | AttemptError::Retry(failure)) => {
                    sink.abandon().await?;
                    return Err(failure);
                }
            };
            if written.digest != file.digest && resumed {
                fs_err::remove_file(&partial)?;
                continue;
            }
            let size = ByteSize(written.length);
            self.admit(request, written, claim).await?;
            request.report(ProvisionEvent::FetchFinished {
                artifact: request.artifact.clone(),
                file: file.name.clone(),
                size,
            });
            return Ok(());
        }
    }

    /// Makes attempts until the file is complete. Each continues where the last one ended.
    async fn attempts(&self, request: &DownloadRequest<'_>, sink: &mut Sink) -> Result<(), AttemptError> {
        let attempts = Attempts {
            sink,
            state: AttemptState::default(),
            back_off: FIRST_BACK_OFF,
            is_first: true,
            without_progress: 0,
        };
        let attempts = Mutex::new(attempts);
        retry(async || attempts.lock().await.next(self, request).await).await
    }

    /// Verifies the digest and moves the file into the store, on a blocking thread.
    async fn admit(
        &self,
        request: &DownloadRequest<'_>,
        written: sink::Written,
        claim: &Arc<Claim>,
    ) -> Result<()> {
        let (store, file, claim) = (request.store.clone(), request.file.clone(), Arc::clone(claim));
        let admitted = tokio::task::spawn_blocking(move || {
            let _claim = claim;
            let partial = store.partial_path(&file.digest);
            store.admit_hashed(&partial, &file, written.digest, written.length)
        })
        .await
        .map_err(|error| {
            Failure::failed("the task that stores a download panicked or was cancelled").seen(&error)
        })?;
        admitted.map_err(|failure| failure.detail("from", shown(request.url)))
    }
}

/// The result of an attempt, for the debug log.
fn outcome(attempted: &Result<(), AttemptError>) -> String {
    match attempted {
        Ok(()) => "fetched".to_owned(),
        Err(AttemptError::Retry(failure)) => format!("can be retried ({failure})"),
        Err(AttemptError::Final(failure)) => format!("failed ({failure})"),
        Err(AttemptError::TooLong) => "failed (longer than the lock allows)".to_owned(),
    }
}

/// The event while another process, or another task of this one, holds a claim.
pub(crate) fn waiting(artifact: &ArtifactName, claim: Claimed, pid: Option<u32>) -> ProvisionEvent {
    ProvisionEvent::Waiting { artifact: artifact.clone(), claim, pid }
}

impl DownloadRequest<'_> {
    fn report(&self, event: ProvisionEvent) {
        self.reporter.report(Event::Provision(event));
    }

    fn report_started(&self, size: Option<u64>, sink: &Sink) {
        self.report(ProvisionEvent::FetchStarted {
            artifact: self.artifact.clone(),
            file: self.file.name.clone(),
            from: self.from.to_owned(),
            size: size.map(ByteSize),
            resumed: ByteSize(sink.length()),
        });
    }
}

/// The attempts on one file.
struct Attempts<'a> {
    sink: &'a mut Sink,
    state: AttemptState,
    back_off: Duration,
    is_first: bool,
    /// The number of attempts in a row without progress.
    without_progress: u32,
}

impl Attempts<'_> {
    /// Makes one attempt. Breaks with its result, or continues with the pause before the next one.
    async fn next(
        &mut self,
        downloader: &Downloader,
        request: &DownloadRequest<'_>,
    ) -> ControlFlow<Result<(), AttemptError>, Duration> {
        let before = self.sink.length();
        if request.file.size.exact() == Some(before) {
            if self.is_first {
                request.report_started(request.file.size.exact(), self.sink);
            }
            return ControlFlow::Break(Ok(()));
        }
        let url = shown(request.url);
        tracing::info!(bytes_here = before, without_progress = self.without_progress, "fetching {url}");
        let attempted = downloader.attempt(request, self.sink, &mut self.state, self.is_first).await;
        tracing::info!(bytes = self.sink.length(), "{} {url}", outcome(&attempted));
        match attempted {
            Err(AttemptError::Retry(failure)) => {
                // On an unreliable network a large file needs many attempts, so only those without progress count.
                if self.sink.length() >= before + MIN_PROGRESS {
                    (self.without_progress, self.back_off) = (0, FIRST_BACK_OFF);
                } else {
                    self.without_progress += 1;
                }
                if self.without_progress >= MAX_ATTEMPTS || downloader.http.dead(request.url).is_some() {
                    return ControlFlow::Break(Err(AttemptError::Retry(failure)));
                }
            }
            ended => return ControlFlow::Break(ended),
        }
        let pause = self.back_off;
        self.back_off *= 2;
        self.is_first = false;
        ControlFlow::Continue(pause)
    }
}

/// The state that the attempts on one file share.
#[derive(Default)]
struct AttemptState {
    /// When progress was last reported.
    last_report: Option<Instant>,
    /// The `ETag` of the file. A resumed download requires the same one.
    etag: Option<reqwest::header::HeaderValue>,
}

impl AttemptState {
    fn report_progress(&mut self, request: &DownloadRequest<'_>, done: u64) {
        let now = Instant::now();
        if self.last_report.is_some_and(|last| now.duration_since(last) < PROGRESS_INTERVAL) {
            return;
        }
        self.last_report = Some(now);
        request.report(ProvisionEvent::FetchProgress {
            artifact: request.artifact.clone(),
            file: request.file.name.clone(),
            done: ByteSize(done),
        });
    }
}
