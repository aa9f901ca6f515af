//! One file by HTTP, in one pass over its bytes: network, digest and disk at once.
//!
//! Invariant: the only way from here into the store is a digest that was computed over every byte of the file.

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
use attempt::Trouble;
use sink::Sink;

/// Requests per file and address, all in all.
const ATTEMPTS: u32 = 4;

/// How much an attempt has to bring to count as progress, in bytes.
const WORTHWHILE: u64 = 1024 * 1024;
const FIRST_BACK_OFF: Duration = Duration::from_millis(100);
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// Downloads files; shared by everything a run does.
pub(crate) struct Downloader {
    http: Http,
    capacity: Arc<Capacity>,
}

/// A file, and one address to get it from.
pub(crate) struct Wanted<'a> {
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

    /// Brings the file into the store, going on from whatever an earlier run left. Dropping the future stops it;
    /// what has arrived is kept.
    pub(crate) async fn fetch(&self, wanted: &Wanted<'_>) -> Result<()> {
        let digest = &wanted.file.digest;
        if wanted.store.contains(digest) {
            return Ok(());
        }
        self.refuse_dead(wanted.url)?;
        wanted.store.prepare(digest)?;
        let claim = Claim::wait(&wanted.store.lock_path(digest), |holder| {
            wanted.report(waiting(wanted.artifact, Claimed::File { file: wanted.file.name.clone() }, holder));
        })
        .await?;
        if wanted.store.contains(digest) {
            return Ok(());
        }
        let _permit = self.capacity.job().await?;
        self.refuse_dead(wanted.url)?;
        self.bring(wanted, &Arc::new(claim)).await
    }

    /// A host that was found dead in this run is not asked again.
    fn refuse_dead(&self, url: &Url) -> Result<()> {
        match self.http.dead(url) {
            None => Ok(()),
            Some(why) => {
                Err(Failure::failed(format!("{} did not answer before", client::host_of(url))).seen_text(why))
            }
        }
    }

    async fn bring(&self, wanted: &Wanted<'_>, claim: &Arc<Claim>) -> Result<()> {
        let Wanted { file, store, .. } = *wanted;
        let partial = store.partial_path(&file.digest);
        loop {
            let mut sink =
                Sink::open(&partial, file.digest.algorithm(), file.size.limit(), Arc::clone(claim))?;
            let ended = self.attempts(wanted, &mut sink).await;
            let resumed = sink.resumed() > 0;
            let written = match ended {
                Ok(()) => sink.finish().await?,
                // What an earlier run left may be to blame: once more, from nothing.
                Err(Trouble::Longer) => {
                    sink.give_up().await?;
                    if resumed {
                        fs_err::remove_file(&partial)?;
                        continue;
                    }
                    return Err(store.reject_longer(&partial, file).detail("from", shown(wanted.url)));
                }
                Err(Trouble::Final(failure) | Trouble::Again(failure)) => {
                    sink.give_up().await?;
                    return Err(failure);
                }
            };
            if written.digest != file.digest && resumed {
                fs_err::remove_file(&partial)?;
                continue;
            }
            let size = ByteSize(written.length);
            self.admit(wanted, written, claim).await?;
            wanted.report(ProvisionEvent::FetchFinished {
                artifact: wanted.artifact.clone(),
                file: file.name.clone(),
                size,
            });
            return Ok(());
        }
    }

    /// Asks until the body is whole, a few times at most, each time from where the last one ended.
    async fn attempts(&self, wanted: &Wanted<'_>, sink: &mut Sink) -> Result<(), Trouble> {
        let attempts = Attempts {
            sink,
            progress: Progress::default(),
            back_off: FIRST_BACK_OFF,
            is_first: true,
            fruitless: 0,
        };
        let attempts = Mutex::new(attempts);
        retry(async || attempts.lock().await.next(self, wanted).await).await
    }

    /// The verdict on the digest, and the move into the store. Waits for the disk, hence on a thread of its own.
    async fn admit(&self, wanted: &Wanted<'_>, written: sink::Written, claim: &Arc<Claim>) -> Result<()> {
        let (store, file, claim) = (wanted.store.clone(), wanted.file.clone(), Arc::clone(claim));
        let admitted = tokio::task::spawn_blocking(move || {
            let _claim = claim;
            let partial = store.partial_path(&file.digest);
            store.admit_hashed(&partial, &file, written.digest, written.length)
        })
        .await
        .map_err(|error| Failure::failed("storing a download was cut short").seen(&error))?;
        admitted.map_err(|failure| failure.detail("from", shown(wanted.url)))
    }
}

/// How an attempt ended, for the log.
fn said(attempted: &Result<(), Trouble>) -> String {
    match attempted {
        Ok(()) => "fetched".to_owned(),
        Err(Trouble::Again(failure)) => format!("may try again ({failure})"),
        Err(Trouble::Final(failure)) => format!("gives up ({failure})"),
        Err(Trouble::Longer) => "gives up (longer than the lock allows)".to_owned(),
    }
}

/// The event while the process `pid` holds a claim.
pub(crate) fn waiting(artifact: &ArtifactName, claim: Claimed, pid: Option<u32>) -> ProvisionEvent {
    ProvisionEvent::Waiting { artifact: artifact.clone(), claim, pid }
}

impl Wanted<'_> {
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
    progress: Progress,
    back_off: Duration,
    is_first: bool,
    /// How many attempts in succession brought next to nothing.
    fruitless: u32,
}

impl Attempts<'_> {
    /// One attempt: how it ended, or the pause before the next one.
    async fn next(
        &mut self,
        downloader: &Downloader,
        wanted: &Wanted<'_>,
    ) -> ControlFlow<Result<(), Trouble>, Duration> {
        let before = self.sink.length();
        if wanted.file.size.exact() == Some(before) {
            if self.is_first {
                wanted.report_started(wanted.file.size.exact(), self.sink);
            }
            return ControlFlow::Break(Ok(()));
        }
        let url = shown(wanted.url);
        tracing::info!(bytes_here = before, fruitless = self.fruitless, "fetches {url}");
        let attempted = downloader.attempt(wanted, self.sink, &mut self.progress, self.is_first).await;
        tracing::info!(bytes = self.sink.length(), "{} {url}", said(&attempted));
        match attempted {
            Err(Trouble::Again(failure)) => {
                // A line that breaks often still brings a big file home, as long as each attempt brings some of it.
                if self.sink.length() >= before + WORTHWHILE {
                    (self.fruitless, self.back_off) = (0, FIRST_BACK_OFF);
                } else {
                    self.fruitless += 1;
                }
                if self.fruitless >= ATTEMPTS || downloader.http.dead(wanted.url).is_some() {
                    return ControlFlow::Break(Err(Trouble::Again(failure)));
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

/// What the attempts on one file share.
#[derive(Default)]
struct Progress {
    /// When progress was told last: telling every piece would drown everything else.
    told: Option<Instant>,
    /// The server's tag for these bytes, so that the rest is not taken from other ones.
    tag: Option<reqwest::header::HeaderValue>,
}

impl Progress {
    fn tell(&mut self, wanted: &Wanted<'_>, done: u64) {
        let now = Instant::now();
        if self.told.is_some_and(|told| now.duration_since(told) < PROGRESS_INTERVAL) {
            return;
        }
        self.told = Some(now);
        wanted.report(ProvisionEvent::FetchProgress {
            artifact: wanted.artifact.clone(),
            file: wanted.file.name.clone(),
            done: ByteSize(done),
        });
    }
}
