//! Plans which artifacts to fetch and install. Reads markers and file names only.

use std::collections::BTreeSet;

use super::{ProvisionRequest, Sources};
use crate::artifacts::lockfile::{Artifact, Lock, LockedFile, Source};
use crate::artifacts::store::Store;
use crate::artifacts::tool::{InstalledTool, Tools};
use crate::core::failure::{Failure, Result};
use crate::core::model::Platform;
use crate::core::settings::Settings;

/// The requested artifacts in the lock's order, and what each needs.
#[derive(Debug)]
pub struct ProvisionPlan<'a> {
    /// The platform of this machine.
    pub platform: Platform,
    /// Each artifact with its state.
    pub artifacts: Vec<PlannedArtifact<'a>>,
}

/// A requested artifact and its state.
#[derive(Debug)]
pub struct PlannedArtifact<'a> {
    /// The artifact.
    pub artifact: &'a Artifact,
    /// What is missing.
    pub state: ArtifactState<'a>,
}

/// Whether an artifact is installed, cached or missing.
#[derive(Debug)]
pub enum ArtifactState<'a> {
    /// Installed.
    Ready(InstalledTool),
    /// All files of this source are cached, but not installed.
    Stored(&'a Source),
    /// These files are not cached. This source is tried first.
    Missing(&'a Source, Vec<&'a LockedFile>),
}

impl ArtifactState<'_> {
    /// Whether the artifact is installed.
    pub fn is_ready(&self) -> bool {
        matches!(self, Self::Ready(_))
    }
}

pub(super) fn plan<'a>(
    request: &ProvisionRequest,
    settings: &Settings,
    lock: &'a Lock,
) -> Result<ProvisionPlan<'a>> {
    let platform = Platform::current()?;
    let (tools, store) = (Tools::new(&settings.dirs.data), Store::new(&settings.dirs.cache));
    let artifacts = selected(request, lock)?
        .into_iter()
        .map(|artifact| {
            let state = match tools.find(artifact, platform) {
                Some(tool) => ArtifactState::Ready(tool),
                None => cached_or_missing(artifact, request.sources, platform, &store)?,
            };
            Ok(PlannedArtifact { artifact, state })
        })
        .collect::<Result<_>>()?;
    Ok(ProvisionPlan { platform, artifacts })
}

pub(super) fn selected<'a>(request: &ProvisionRequest, lock: &'a Lock) -> Result<Vec<&'a Artifact>> {
    let named =
        request.names.iter().map(|name| Ok(&lock.artifact(name)?.name)).collect::<Result<BTreeSet<_>>>()?;
    let wanted = |artifact: &&Artifact| {
        named.contains(&artifact.name)
            || artifact.profiles.iter().any(|profile| request.profiles.contains(profile))
    };
    Ok(lock.artifacts.iter().filter(wanted).collect())
}

pub(super) fn cached_or_missing<'a>(
    artifact: &'a Artifact,
    sources: Sources,
    platform: Platform,
    store: &Store,
) -> Result<ArtifactState<'a>> {
    let allowed = allowed(artifact, sources, platform)?;
    let missing = |source: &&'a Source| -> Vec<&'a LockedFile> {
        source.files.iter().filter(|file| !store.contains(&file.digest)).collect()
    };
    if let Some(source) = allowed.iter().find(|source| missing(source).is_empty()) {
        return Ok(ArtifactState::Stored(source));
    }
    Ok(ArtifactState::Missing(allowed[0], missing(&allowed[0])))
}

/// The allowed sources in the lock's order; at least one.
pub(super) fn allowed(artifact: &Artifact, sources: Sources, platform: Platform) -> Result<Vec<&Source>> {
    let all: Vec<&Source> = artifact.sources_for(platform).collect();
    if all.is_empty() {
        let known: BTreeSet<&str> = artifact.sources.iter().map(|source| source.platform.name()).collect();
        return Err(Failure::failed(format!("{} {} is not locked for {platform}", artifact.name, artifact.version))
            .detail("locked for", known.into_iter().collect::<Vec<_>>().join(", "))
            .hint("deps.lock has no file of it for this platform; name the artifacts that you need instead of a profile"));
    }
    let kinds: BTreeSet<&str> = all.iter().map(|source| source.kind.name()).collect();
    let allowed: Vec<&Source> = all.into_iter().filter(|source| sources.allow(source)).collect();
    if allowed.is_empty() {
        let kind = if sources == Sources::Upstream { "upstream" } else { "registry" };
        return Err(Failure::failed(format!("{} {} has no {kind} source", artifact.name, artifact.version))
            .detail("sources", kinds.into_iter().collect::<Vec<_>>().join(", "))
            .hint("use --source auto for this artifact"));
    }
    Ok(allowed)
}
