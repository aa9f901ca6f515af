//! Provisions tools: plans which artifacts are missing, then fetches and installs them in parallel.
//!
//! Invariant: when all tools are installed, nothing is written or locked, and no HTTP client is created.

mod engine;
mod failure;
mod fetch;
mod plan;
mod store;

use std::collections::BTreeMap;
use std::time::Instant;

pub use plan::{ArtifactState, PlannedArtifact, ProvisionPlan};
pub use store::store;

use super::source;
use super::tool::InstalledTool;
use super::work::blocking;
use crate::artifacts::lockfile::{Lock, Profile, Source};
use crate::core::event::{Event, ProvisionEvent, ProvisionOutcome, ProvisionRow, SharedReporter, Warning};
use crate::core::failure::{Failure, Result};
use crate::core::model::ArtifactName;
use crate::core::settings::Settings;

/// The artifacts to provision.
#[derive(Debug, Clone, Default)]
pub struct ProvisionRequest {
    /// Artifacts by name.
    pub names: Vec<ArtifactName>,
    /// Profiles: further artifacts.
    pub profiles: Vec<Profile>,
    /// The sources to fetch from. Installed tools are used whatever their source.
    pub sources: Sources,
}

/// The kinds of source to fetch from. The mirror is always allowed, because the digests are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sources {
    /// All sources, in the lock's order.
    #[default]
    Any,
    /// Only release files of the projects.
    Upstream,
    /// Only package managers.
    Registry,
}

impl Sources {
    /// Whether these sources include `source`.
    pub fn allow(self, source: &Source) -> bool {
        match self {
            Self::Any => true,
            Self::Upstream => !source.kind.is_registry(),
            Self::Registry => source.kind.is_registry(),
        }
    }
}

/// The requested tools, all installed.
#[derive(Debug, Clone)]
pub struct Provisioned {
    tools: BTreeMap<ArtifactName, InstalledTool>,
    /// The outcome for each artifact in the lock's order, with toolchains for builds.
    pub rows: Vec<ProvisionRow>,
}

impl Provisioned {
    /// The tool of an artifact.
    pub fn tool(&self, name: &str) -> Result<&InstalledTool> {
        self.tools.values().find(|tool| tool.artifact.as_str() == name).ok_or_else(|| {
            Failure::failed(format!("tool {name} was not provisioned"))
                .hint("add it to the lab's `tools`; otherwise this is an error in meshlab")
        })
    }

    /// All tools, sorted by name.
    pub fn tools(&self) -> impl Iterator<Item = &InstalledTool> {
        self.tools.values()
    }
}

/// Fetches and installs the missing tools of a request. Dropping the future stops all work; the next call continues it.
pub async fn provision(
    request: &ProvisionRequest,
    settings: &Settings,
    lock: &Lock,
    reporter: &SharedReporter,
) -> Result<Provisioned> {
    let started = Instant::now();
    let plan = plan::plan(request, settings, lock)?;
    let wanted: Vec<_> = plan.artifacts.iter().filter(|planned| !planned.state.is_ready()).collect();
    reporter.report(Event::Provision(ProvisionEvent::Planned {
        platform: plan.platform,
        ready: plan.artifacts.len() - wanted.len(),
        wanted: wanted.iter().map(|planned| planned.artifact.name.clone()).collect(),
    }));
    if settings.offline
        && let Some(failure) = failure::offline(&plan)
    {
        return Err(failure);
    }
    let finished = if wanted.is_empty() {
        engine::all_ready(&plan)
    } else {
        engine::Engine::new(request.sources, settings, lock, plan.platform, reporter).run(&plan).await
    };
    reporter.report(Event::Provision(ProvisionEvent::Finished {
        rows: finished.rows.clone(),
        took: started.elapsed(),
    }));
    if finished.failures.is_empty() {
        sweep(&finished.rows, settings, reporter).await;
    }
    match failure::of_several(finished.failures) {
        Some(failure) => Err(failure),
        None => Ok(Provisioned { tools: finished.tools, rows: finished.rows }),
    }
}

/// Removes the folders that package managers used in this run. A failed run keeps them for the next one.
async fn sweep(rows: &[ProvisionRow], settings: &Settings, reporter: &SharedReporter) {
    let used = |kind: &str| {
        rows.iter()
            .any(|row| matches!(&row.outcome, ProvisionOutcome::Installed { from, .. } | ProvisionOutcome::Stored { from, .. } if from == kind))
    };
    let (apt, go, cache) = (used("apt"), used("go"), settings.dirs.cache.clone());
    let swept = blocking(move || {
        if apt {
            source::apt::sweep(&cache)?;
        }
        if go {
            source::go::sweep(&cache)?;
        }
        Ok(())
    });
    if let Err(failure) = swept.await {
        reporter.report(Event::Warning(Warning::BuildFolderNotCleared { failure }));
    }
}

/// Plans a request without carrying it out.
pub fn plan<'a>(
    request: &ProvisionRequest,
    settings: &Settings,
    lock: &'a Lock,
) -> Result<ProvisionPlan<'a>> {
    plan::plan(request, settings, lock)
}
