//! Carries out a plan, with all artifacts in parallel.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all};
use tokio::sync::OnceCell;

use super::{ArtifactState, ProvisionPlan, Sources};
use crate::artifacts::capacity::Capacity;
use crate::artifacts::download::{Downloader, Timeouts, waiting};
use crate::artifacts::lockfile::{Artifact, Lock, Source};
use crate::artifacts::store::Store;
use crate::artifacts::tool::{InstalledTool, Tools};
use crate::artifacts::work::blocking;
use crate::core::claim::Claim;
use crate::core::event::{
    Claimed, Event, ProvisionEvent, ProvisionOutcome, ProvisionRow, SharedReporter, SourceFailure,
};
use crate::core::failure::{Failure, FailureKind, Result};
use crate::core::model::{ArtifactName, ByteSize, Digest, Platform};
use crate::core::settings::Settings;

/// The state that all artifacts of one run share.
pub(super) struct Engine<'a> {
    pub(super) sources: Sources,
    pub(super) settings: &'a Settings,
    pub(super) lock: &'a Lock,
    platform: Platform,
    pub(super) reporter: &'a SharedReporter,
    pub(super) store: Store,
    tools: Tools,
    pub(super) capacity: Arc<Capacity>,
    pub(super) downloader: Downloader,
    /// One per artifact, so that an artifact that is needed twice is installed once.
    outcomes: BTreeMap<&'a ArtifactName, OnceCell<Outcome>>,
    /// The stored files that were hashed in this run.
    pub(super) verified: Mutex<BTreeSet<Digest>>,
}

#[derive(Debug, Clone)]
struct Outcome {
    result: Result<InstalledTool>,
    row: ProvisionRow,
}

/// The result of a run.
pub(super) struct RunResult {
    pub(super) tools: BTreeMap<ArtifactName, InstalledTool>,
    pub(super) rows: Vec<ProvisionRow>,
    pub(super) failures: Vec<Failure>,
}

/// The result for a plan whose tools are all installed.
pub(super) fn all_ready(plan: &ProvisionPlan<'_>) -> RunResult {
    let ready = plan.artifacts.iter().filter_map(|planned| match &planned.state {
        ArtifactState::Ready(tool) => Some(tool.clone()),
        _ => None,
    });
    let rows = plan.artifacts.iter().map(|planned| ready_row(planned.artifact)).collect();
    RunResult { tools: ready.map(|tool| (tool.artifact.clone(), tool)).collect(), rows, failures: Vec::new() }
}

fn ready_row(artifact: &Artifact) -> ProvisionRow {
    ProvisionRow {
        artifact: artifact.name.clone(),
        version: artifact.version.clone(),
        outcome: ProvisionOutcome::Ready,
        earlier: Vec::new(),
    }
}

/// Where an artifact's files came from, and how many bytes were fetched.
pub(super) struct Fetched<'a> {
    pub(super) source: &'a Source,
    pub(super) from: &'static str,
    pub(super) bytes: u64,
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

    /// Installs all artifacts of the plan. A failure does not stop the others: their files are cached for the next run.
    pub(super) async fn run(&self, plan: &ProvisionPlan<'a>) -> RunResult {
        let requested: Vec<_> = plan.artifacts.iter().map(|planned| planned.artifact).collect();
        let results = join_all(requested.iter().map(|artifact| self.ensure(artifact))).await;
        let mut finished = RunResult { tools: BTreeMap::new(), rows: Vec::new(), failures: Vec::new() };
        for result in results {
            match result {
                Ok(tool) => drop(finished.tools.insert(tool.artifact.clone(), tool)),
                Err(failure) => finished.failures.push(failure),
            }
        }
        // In the lock's order, with the toolchains that builds needed.
        finished.rows =
            self.outcomes.values().filter_map(OnceCell::get).map(|outcome| outcome.row.clone()).collect();
        finished
    }

    /// Installs a tool once, however often it is called. Boxed, because a build calls it for its toolchain.
    pub(super) fn ensure<'s>(&'s self, artifact: &'a Artifact) -> BoxFuture<'s, Result<InstalledTool>> {
        async move {
            let Some(cell) = self.outcomes.get(&artifact.name) else {
                return Err(Failure::failed(format!("{} is not in the lock", artifact.name)));
            };
            cell.get_or_init(|| self.provide(artifact)).await.result.clone()
        }
        .boxed()
    }

    /// Installs one artifact and reports events.
    async fn provide(&self, artifact: &'a Artifact) -> Outcome {
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
        let (artifact, failure) = (artifact.name.clone(), failure.clone());
        self.report(ProvisionEvent::Failed { artifact, failure: failure.clone() });
        ProvisionOutcome::Failed { failure }
    }

    /// Fetches the files of the artifacts into the store for any platform, without installing them. Toolchains for
    /// builds are installed for this machine.
    pub(super) async fn store(&self, artifacts: &[&'a Artifact], platform: Platform) -> RunResult {
        let results = join_all(artifacts.iter().map(|artifact| self.store_one(artifact, platform))).await;
        let mut finished = RunResult { tools: BTreeMap::new(), rows: Vec::new(), failures: Vec::new() };
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
            self.report(waiting(&artifact.name, Claimed::Artifact, holder));
        })
        .await?;
        // Another process may have installed it meanwhile.
        if let Some(tool) = self.tools.find(artifact, self.platform) {
            return Ok((tool, None));
        }
        let claim = Arc::new(claim);
        let (mut refused, mut failures) = (Vec::new(), Vec::new());
        loop {
            let fetched = self.fetch(artifact, self.platform, &refused, earlier, &mut failures).await?;
            match self.unpack(artifact, fetched.source, &claim).await {
                Ok(tool) => return Ok((tool, Some(fetched))),
                // The locked file of this source is unsafe; that of another source may be safe.
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
            // Held until the work ends, even if the future is dropped: no other process may use the folder meanwhile.
            let _claim = claim;
            tools.install(&artifact, &source, &store)
        })
        .await
    }

    /// Reports a failed source, each reason once.
    pub(super) fn source_failed(
        &self,
        artifact: &Artifact,
        from: &str,
        failure: &Failure,
        earlier: &mut Vec<SourceFailure>,
    ) {
        let failed = SourceFailure { from: from.to_owned(), failure: failure.clone() };
        if earlier.contains(&failed) {
            return;
        }
        self.report(ProvisionEvent::SourceFailed {
            artifact: artifact.name.clone(),
            from: failed.from.clone(),
            failure: failed.failure.clone(),
        });
        earlier.push(failed);
    }

    fn report(&self, event: ProvisionEvent) {
        self.reporter.report(Event::Provision(event));
    }
}
