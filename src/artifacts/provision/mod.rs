//! From names to tools in place: what has to be done, and doing it in parallel.
//!
//! Invariant: when everything is in place nothing is written, nothing is locked, and no HTTP client is made.

mod engine;
mod failure;
mod fetch;
mod plan;
mod store;

use std::collections::BTreeMap;
use std::time::Instant;

pub use plan::{Plan, PlannedArtifact, State};
pub use store::store;

use super::source;
use super::tool::InstalledTool;
use super::work::blocking;
use crate::artifacts::lockfile::{Lock, Profile, Source};
use crate::core::event::{Event, ProvisionEvent, ProvisionOutcome, ProvisionRow, SharedReporter, Warning};
use crate::core::failure::{Failure, Result};
use crate::core::model::ArtifactName;
use crate::core::settings::Settings;

/// What is wanted.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Artifacts by name.
    pub names: Vec<ArtifactName>,
    /// Sets of artifacts, in addition.
    pub profiles: Vec<Profile>,
    /// Where bytes may come from. Tools that are in place are used wherever they came from.
    pub sources: Sources,
}

/// Which kinds of source may be used. The mirror is always allowed: the digests are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sources {
    /// All, in the lock's order.
    #[default]
    Any,
    /// Only the projects' own release files.
    Upstream,
    /// Only package managers.
    Registry,
}

impl Sources {
    /// Whether a source may be used.
    pub fn allow(self, source: &Source) -> bool {
        match self {
            Self::Any => true,
            Self::Upstream => !source.kind.is_registry(),
            Self::Registry => source.kind.is_registry(),
        }
    }
}

/// The tools that were asked for, all in place.
#[derive(Debug, Clone)]
pub struct Provisioned {
    tools: BTreeMap<ArtifactName, InstalledTool>,
    /// What became of each artifact, in the order of the lock; pulled-in toolchains too.
    pub rows: Vec<ProvisionRow>,
}

impl Provisioned {
    /// A tool by its artifact's name.
    pub fn tool(&self, name: &str) -> Result<&InstalledTool> {
        self.tools.values().find(|tool| tool.artifact.as_str() == name).ok_or_else(|| {
            Failure::failed(format!("{name} is needed and was not asked for"))
                .hint("this is a mistake in meshlab or in the lab's list of tools")
        })
    }

    /// All tools, by name.
    pub fn tools(&self) -> impl Iterator<Item = &InstalledTool> {
        self.tools.values()
    }
}

/// Gets what is missing and tells where everything lies. Dropping the future stops all work; the next call goes on
/// from there.
pub async fn provision(
    request: &Request,
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
        engine::nothing_to_do(&plan)
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

/// Removes what the clients of this run kept for its other artifacts. A run that failed keeps it for the next one.
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

/// What would be done, without doing it.
pub fn plan<'a>(request: &Request, settings: &Settings, lock: &'a Lock) -> Result<Plan<'a>> {
    plan::plan(request, settings, lock)
}
