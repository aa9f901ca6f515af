//! Doing what the plan says, all artifacts at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all};
use tokio::sync::OnceCell;

use super::failure::{no_source, not_cached, reason};
use super::plan::allowed;
use super::{Plan, Sources, State};
use crate::artifact::capacity::Capacity;
use crate::artifact::download::{Downloader, Timeouts, waiting};
use crate::artifact::source::{self, Job, mirror};
use crate::artifact::store::{Store, hash_file};
use crate::artifact::tool::{InstalledTool, Tools};
use crate::artifact::work::{WorkFolder, blocking};
use crate::claim::Claim;
use crate::cli::Settings;
use crate::event::{Event, ProvisionEvent, ProvisionOutcome, ProvisionRow, SharedReporter, SourceFailure};
use crate::failure::{Failure, FailureKind, Result};
use crate::lockfile::{Artifact, Lock, LockedFile, Source, SourceKind};
use crate::model::{ArtifactName, ByteSize, Digest, Platform};

/// What all artifacts of one run share.
pub(super) struct Engine<'a> {
    sources: Sources,
    settings: &'a Settings,
    lock: &'a Lock,
    platform: Platform,
    reporter: &'a SharedReporter,
    store: Store,
    tools: Tools,
    capacity: Arc<Capacity>,
    downloader: Downloader,
    /// One per artifact, so that a toolchain that is asked for and also needed is fetched once.
    outcomes: BTreeMap<&'a ArtifactName, OnceCell<Outcome>>,
    /// Stored files whose bytes were hashed in this run.
    verified: Mutex<BTreeSet<Digest>>,
}

#[derive(Debug, Clone)]
struct Outcome {
    result: Result<InstalledTool>,
    row: ProvisionRow,
}

/// What a run came to.
pub(super) struct Finished {
    pub(super) tools: BTreeMap<ArtifactName, InstalledTool>,
    pub(super) rows: Vec<ProvisionRow>,
    pub(super) failures: Vec<Failure>,
}

/// The short way, when everything is in place.
pub(super) fn nothing_to_do(plan: &Plan<'_>) -> Finished {
    let ready = plan.artifacts.iter().filter_map(|planned| match &planned.state {
        State::Ready(tool) => Some(tool.clone()),
        _ => None,
    });
    let rows = plan.artifacts.iter().map(|planned| ready_row(planned.artifact)).collect();
    Finished { tools: ready.map(|tool| (tool.artifact.clone(), tool)).collect(), rows, failures: Vec::new() }
}

fn ready_row(artifact: &Artifact) -> ProvisionRow {
    ProvisionRow {
        artifact: artifact.name.clone(),
        version: artifact.version.clone(),
        outcome: ProvisionOutcome::Ready,
        earlier: Vec::new(),
    }
}

/// Where an artifact's files came from, and which sources failed before.
struct Fetched<'a> {
    source: &'a Source,
    from: &'static str,
    bytes: u64,
}

impl<'a> Engine<'a> {
    pub(super) fn new(
        sources: Sources,
        settings: &'a Settings,
        lock: &'a Lock,
        platform: Platform,
        reporter: &'a SharedReporter,
    ) -> Self {
        let capacity = Arc::new(Capacity::new(settings.jobs));
        Self {
            sources,
            settings,
            lock,
            platform,
            reporter,
            store: Store::new(&settings.dirs.cache),
            tools: Tools::new(&settings.dirs.data),
            downloader: Downloader::new(&settings.environment, Timeouts::default(), Arc::clone(&capacity)),
            capacity,
            outcomes: lock.artifacts.iter().map(|artifact| (&artifact.name, OnceCell::new())).collect(),
            verified: Mutex::new(BTreeSet::new()),
        }
    }

    /// Brings all artifacts of the plan into place. One that fails does not stop the others: what they bring is
    /// there for the next run.
    pub(super) async fn run(&self, plan: &Plan<'a>) -> Finished {
        let asked: Vec<_> = plan.artifacts.iter().map(|planned| planned.artifact).collect();
        let results = join_all(asked.iter().map(|artifact| self.ensure(artifact))).await;
        let mut finished = Finished { tools: BTreeMap::new(), rows: Vec::new(), failures: Vec::new() };
        for result in results {
            match result {
                Ok(tool) => drop(finished.tools.insert(tool.artifact.clone(), tool)),
                Err(failure) => finished.failures.push(failure),
            }
        }
        // The lock's order; toolchains that were pulled in are among them.
        finished.rows =
            self.outcomes.values().filter_map(OnceCell::get).map(|outcome| outcome.row.clone()).collect();
        finished
    }

    /// The tool, got once however many ask for it. Boxed because a build asks for its toolchain here.
    fn ensure<'s>(&'s self, artifact: &'a Artifact) -> BoxFuture<'s, Result<InstalledTool>> {
        async move {
            let Some(cell) = self.outcomes.get(&artifact.name) else {
                return Err(Failure::failed(format!("{} is not in the lock", artifact.name)));
            };
            cell.get_or_init(|| self.bring(artifact)).await.result.clone()
        }
        .boxed()
    }

    /// One artifact, from whatever state it is in to its place, told in events.
    async fn bring(&self, artifact: &'a Artifact) -> Outcome {
        let started = Instant::now();
        let mut earlier = Vec::new();
        let (result, outcome) = match self.install(artifact, &mut earlier).await {
            Ok((tool, None)) => (Ok(tool), ProvisionOutcome::Ready),
            Ok((installed, Some(fetched))) => {
                let from = fetched.from.to_owned();
                let took = started.elapsed();
                self.report(ProvisionEvent::Installed {
                    artifact: artifact.name.clone(),
                    version: artifact.version.clone(),
                    from: from.clone(),
                    took,
                });
                (Ok(installed), ProvisionOutcome::Installed { from, fetched: ByteSize(fetched.bytes), took })
            }
            Err(failure) => {
                let outcome = self.failed(artifact, &failure);
                (Err(failure), outcome)
            }
        };
        let row = ProvisionRow { outcome, earlier, ..ready_row(artifact) };
        Outcome { result, row }
    }

    fn failed(&self, artifact: &Artifact, failure: &Failure) -> ProvisionOutcome {
        let reason = reason(failure);
        self.report(ProvisionEvent::Failed { artifact: artifact.name.clone(), reason: reason.clone() });
        ProvisionOutcome::Failed { reason }
    }

    /// Brings the files of all these artifacts into the store, for whatever platform, and installs none of them. A
    /// toolchain that builds one is installed for this machine.
    pub(super) async fn store(&self, artifacts: &[&'a Artifact], platform: Platform) -> Finished {
        let results = join_all(artifacts.iter().map(|artifact| self.store_one(artifact, platform))).await;
        let mut finished = Finished { tools: BTreeMap::new(), rows: Vec::new(), failures: Vec::new() };
        finished
            .rows
            .extend(self.outcomes.values().filter_map(OnceCell::get).map(|outcome| outcome.row.clone()));
        for (row, result) in results {
            finished.rows.push(row);
            finished.failures.extend(result.err());
        }
        finished.rows.sort_by(|one, other| one.artifact.cmp(&other.artifact));
        finished
    }

    async fn store_one(&self, artifact: &'a Artifact, platform: Platform) -> (ProvisionRow, Result<()>) {
        let started = Instant::now();
        let (mut earlier, mut failures) = (Vec::new(), Vec::new());
        let (outcome, result) = match self.fetch(artifact, platform, &[], &mut earlier, &mut failures).await {
            Ok(fetched) => {
                let (from, took) = (fetched.from.to_owned(), started.elapsed());
                self.report(ProvisionEvent::Stored {
                    artifact: artifact.name.clone(),
                    version: artifact.version.clone(),
                    from: from.clone(),
                    took,
                });
                (ProvisionOutcome::Stored { from, fetched: ByteSize(fetched.bytes), took }, Ok(()))
            }
            Err(failure) => (self.failed(artifact, &failure), Err(failure)),
        };
        (ProvisionRow { outcome, earlier, ..ready_row(artifact) }, result)
    }

    async fn install(
        &self,
        artifact: &'a Artifact,
        earlier: &mut Vec<SourceFailure>,
    ) -> Result<(InstalledTool, Option<Fetched<'a>>)> {
        if let Some(tool) = self.tools.find(artifact, self.platform) {
            return Ok((tool, None));
        }
        let claim = Claim::wait(&self.tools.lock_path(&artifact.name), |holder| {
            self.report(waiting(&artifact.name, artifact.name.as_str(), holder));
        })
        .await?;
        // Another meshlab may have done it while this one waited.
        if let Some(tool) = self.tools.find(artifact, self.platform) {
            return Ok((tool, None));
        }
        let claim = Arc::new(claim);
        let (mut refused, mut failures) = (Vec::new(), Vec::new());
        loop {
            let fetched = self.fetch(artifact, self.platform, &refused, earlier, &mut failures).await?;
            match self.unpack(artifact, fetched.source, &claim).await {
                Ok(tool) => return Ok((tool, Some(fetched))),
                // What one source has locked is unsafe; what another one has may be good.
                Err(failure) if failure.kind() == FailureKind::Untrusted => {
                    self.source_failed(artifact, fetched.source.kind.name(), &failure, earlier);
                    refused.push(fetched.source);
                    failures.push(failure);
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    async fn unpack(
        &self,
        artifact: &Artifact,
        source: &Source,
        claim: &Arc<Claim>,
    ) -> Result<InstalledTool> {
        let _permit = self.capacity.job().await?;
        self.report(ProvisionEvent::Unpacking { artifact: artifact.name.clone() });
        let (tools, store) = (self.tools.clone(), self.store.clone());
        let (artifact, source, claim) = (artifact.clone(), source.clone(), Arc::clone(claim));
        blocking(move || {
            // Held to the end even if nobody waits for it any more: nothing else may touch the folder meanwhile.
            let _claim = claim;
            tools.install(&artifact, &source, &store)
        })
        .await
    }

    /// All files of one source into the store: a source that is complete there, else the first that delivers.
    async fn fetch(
        &self,
        artifact: &'a Artifact,
        platform: Platform,
        refused: &[&'a Source],
        earlier: &mut Vec<SourceFailure>,
        failures: &mut Vec<Failure>,
    ) -> Result<Fetched<'a>> {
        let mut sources = allowed(artifact, self.sources, platform)?;
        sources.retain(|source| !refused.iter().any(|refused| std::ptr::eq(*refused, *source)));
        if sources.is_empty() {
            return Err(no_source(artifact, earlier, std::mem::take(failures)));
        }
        for source in &sources {
            if source.files.iter().all(|file| self.store.contains(&file.digest))
                && self.missing(source).await?.is_empty()
            {
                return Ok(Fetched { source, from: "cache", bytes: 0 });
            }
        }
        if self.settings.offline {
            let missing = self.missing(sources[0]).await?;
            let missing: Vec<_> = missing.into_iter().map(|file| (artifact, file)).collect();
            return Err(not_cached(&missing));
        }
        for source in sources {
            let missing = self.missing(source).await?;
            match self.fetch_source(artifact, source, &missing, earlier, failures).await {
                Ok(from) => {
                    let sizes = missing.iter().filter_map(|file| {
                        fs_err::metadata(self.store.path_of(&file.digest)).ok().map(|found| found.len())
                    });
                    return Ok(Fetched { source, from, bytes: sizes.sum() });
                }
                Err(failure) => {
                    self.source_failed(artifact, source.kind.name(), &failure, earlier);
                    failures.push(failure);
                }
            }
        }
        Err(no_source(artifact, earlier, std::mem::take(failures)))
    }

    /// One source: the mirror first, then the source's own client for what the mirror lacks.
    async fn fetch_source(
        &self,
        artifact: &'a Artifact,
        source: &'a Source,
        missing: &[&'a LockedFile],
        earlier: &mut Vec<SourceFailure>,
        failures: &mut Vec<Failure>,
    ) -> Result<&'static str> {
        let work = WorkFolder::create(&self.store, artifact.name.as_str()).await?;
        let mut job = Job {
            artifact,
            source,
            missing: missing.to_vec(),
            store: &self.store,
            work: work.path(),
            environment: &self.settings.environment,
            reporter: self.reporter,
            toolchain: None,
        };
        if let Some(mirror) = &self.settings.mirror {
            match mirror::fetch(mirror, &job, &self.downloader).await {
                Ok(()) => {
                    self.remember(missing);
                    work.remove().await?;
                    return Ok(mirror::NAME);
                }
                Err(failure) => {
                    self.source_failed(artifact, mirror::NAME, &failure, earlier);
                    failures.push(failure);
                }
            }
            job.missing.retain(|file| !self.store.contains(&file.digest));
        }
        let toolchain = match &source.kind {
            SourceKind::Go(build) => Some(self.toolchain(artifact, &build.toolchain).await?.tree()),
            _ => None,
        };
        job.toolchain = toolchain.as_deref();
        source::fetch(job, &self.downloader, &self.capacity).await?;
        if let Some(file) = missing.iter().find(|file| !self.store.contains(&file.digest)) {
            return Err(Failure::failed(format!("{} did not bring {}", source.kind.name(), file.name)));
        }
        self.remember(missing);
        work.remove().await?;
        Ok(source.kind.name())
    }

    /// The pinned Go, fetched only now that something is really going to be built.
    async fn toolchain(&self, artifact: &Artifact, name: &ArtifactName) -> Result<InstalledTool> {
        let is_toolchain = |artifact: &Artifact| {
            self.lock.artifacts.iter().flat_map(|other| &other.sources).any(
                |source| matches!(&source.kind, SourceKind::Go(build) if build.toolchain == artifact.name),
            )
        };
        if is_toolchain(artifact) {
            // Waiting for itself, or in a circle, would never end.
            return Err(Failure::failed(format!(
                "{} is a toolchain and can't be built by one",
                artifact.name
            )));
        }
        self.ensure(self.lock.artifact(name)?).await
    }

    /// The files of a source that are not stored with their locked digest. A file that an earlier run stored is
    /// hashed again before it is used; one that changed is kept aside and fetched anew.
    async fn missing(&self, source: &'a Source) -> Result<Vec<&'a LockedFile>> {
        let mut missing = Vec::new();
        for file in &source.files {
            if !self.is_stored(file).await? {
                missing.push(file);
            }
        }
        Ok(missing)
    }

    async fn is_stored(&self, file: &LockedFile) -> Result<bool> {
        if self.verified.lock().unwrap_or_else(PoisonError::into_inner).contains(&file.digest) {
            return Ok(true);
        }
        if !self.store.contains(&file.digest) {
            return Ok(false);
        }
        let _permit = self.capacity.job().await?;
        let path = self.store.path_of(&file.digest);
        let (hashed, algorithm) = (path.clone(), file.digest.algorithm());
        let digest = blocking(move || hash_file(&hashed, algorithm)).await?;
        if digest == file.digest {
            self.remember(&[file]);
            return Ok(true);
        }
        let length = fs_err::metadata(&path).map_or(0, |found| found.len());
        let failure = self.store.reject(&path, file, &digest, length);
        let kept = failure.details().last().map(|fact| format!("; {} {}", fact.label, fact.text));
        let text = format!("{} changed in the cache and is not used{}", file.name, kept.unwrap_or_default());
        self.reporter.report(Event::Warning { text });
        Ok(false)
    }

    fn remember(&self, files: &[&LockedFile]) {
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        verified.extend(files.iter().map(|file| file.digest));
    }

    /// Tells that a source failed; the same about the same one is told once.
    fn source_failed(
        &self,
        artifact: &Artifact,
        from: &str,
        failure: &Failure,
        earlier: &mut Vec<SourceFailure>,
    ) {
        let failed = SourceFailure { from: from.to_owned(), reason: reason(failure) };
        if earlier.contains(&failed) {
            return;
        }
        self.report(ProvisionEvent::SourceFailed {
            artifact: artifact.name.clone(),
            from: failed.from.clone(),
            reason: failed.reason.clone(),
        });
        earlier.push(failed);
    }

    fn report(&self, event: ProvisionEvent) {
        self.reporter.report(Event::Provision(event));
    }
}
