//! What has to be done: a look at markers and at file names, nothing else.

use std::collections::BTreeSet;

use super::{Request, Sources};
use crate::artifacts::lockfile::{Artifact, Lock, LockedFile, Source};
use crate::artifacts::store::Store;
use crate::artifacts::tool::{InstalledTool, Tools};
use crate::core::failure::{Failure, Result};
use crate::core::model::Platform;
use crate::core::settings::Settings;

/// The artifacts that were asked for, in the order of the lock.
#[derive(Debug)]
pub struct Plan<'a> {
    /// For which platform.
    pub platform: Platform,
    /// Each artifact with what is to be done.
    pub artifacts: Vec<PlannedArtifact<'a>>,
}

/// One artifact, and what is to be done about it.
#[derive(Debug)]
pub struct PlannedArtifact<'a> {
    /// The artifact.
    pub artifact: &'a Artifact,
    /// What is to be done.
    pub state: State<'a>,
}

/// What is to be done about an artifact.
#[derive(Debug)]
pub enum State<'a> {
    /// Nothing.
    Ready(InstalledTool),
    /// It is only to be unpacked.
    Stored(&'a Source),
    /// Files are to be fetched, from this source first.
    Missing(&'a Source, Vec<&'a LockedFile>),
}

impl State<'_> {
    /// Whether nothing is to be done.
    pub fn is_ready(&self) -> bool {
        matches!(self, Self::Ready(_))
    }
}

pub(super) fn plan<'a>(request: &Request, settings: &Settings, lock: &'a Lock) -> Result<Plan<'a>> {
    let platform = Platform::current()?;
    let (tools, store) = (Tools::new(&settings.dirs.data), Store::new(&settings.dirs.cache));
    let artifacts = selected(request, lock)?
        .into_iter()
        .map(|artifact| {
            let state = match tools.find(artifact, platform) {
                Some(tool) => State::Ready(tool),
                None => lacking(artifact, request.sources, platform, &store)?,
            };
            Ok(PlannedArtifact { artifact, state })
        })
        .collect::<Result<_>>()?;
    Ok(Plan { platform, artifacts })
}

pub(super) fn selected<'a>(request: &Request, lock: &'a Lock) -> Result<Vec<&'a Artifact>> {
    let named =
        request.names.iter().map(|name| Ok(&lock.artifact(name)?.name)).collect::<Result<BTreeSet<_>>>()?;
    let wanted = |artifact: &&Artifact| {
        named.contains(&artifact.name)
            || artifact.profiles.iter().any(|profile| request.profiles.contains(profile))
    };
    Ok(lock.artifacts.iter().filter(wanted).collect())
}

pub(super) fn lacking<'a>(
    artifact: &'a Artifact,
    sources: Sources,
    platform: Platform,
    store: &Store,
) -> Result<State<'a>> {
    let allowed = allowed(artifact, sources, platform)?;
    let missing = |source: &&'a Source| -> Vec<&'a LockedFile> {
        source.files.iter().filter(|file| !store.contains(&file.digest)).collect()
    };
    if let Some(source) = allowed.iter().find(|source| missing(source).is_empty()) {
        return Ok(State::Stored(source));
    }
    Ok(State::Missing(allowed[0], missing(&allowed[0])))
}

/// The sources that may be used, in order; at least one.
pub(super) fn allowed(artifact: &Artifact, sources: Sources, platform: Platform) -> Result<Vec<&Source>> {
    let all: Vec<&Source> = artifact.sources_for(platform).collect();
    if all.is_empty() {
        let known: BTreeSet<&str> = artifact.sources.iter().map(|source| source.platform.name()).collect();
        return Err(Failure::failed(format!("{} {} is not locked for {platform}", artifact.name, artifact.version))
            .detail("locked for", known.into_iter().collect::<Vec<_>>().join(", "))
            .hint("no file of it with a published digest is known for this platform; name the artifacts you need instead of a profile"));
    }
    let kinds: BTreeSet<&str> = all.iter().map(|source| source.kind.name()).collect();
    let allowed: Vec<&Source> = all.into_iter().filter(|source| sources.allow(source)).collect();
    if allowed.is_empty() {
        let asked = if sources == Sources::Upstream { "upstream" } else { "registry" };
        return Err(Failure::failed(format!("{} {} has no {asked} source", artifact.name, artifact.version))
            .detail("sources", kinds.into_iter().collect::<Vec<_>>().join(", "))
            .hint("use --source auto for this artifact"));
    }
    Ok(allowed)
}
