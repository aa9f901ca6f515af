//! Fetches files into the store for any platform without installing them; for bundles.

use std::collections::BTreeMap;
use std::time::Instant;

use super::engine::Engine;
use super::failure::{not_cached, of_several};
use super::plan::{cached_or_missing, selected};
use super::{ArtifactState, ProvisionRequest, sweep};
use crate::artifacts::lockfile::{Artifact, Lock, Source};
use crate::artifacts::store::Store;
use crate::core::event::{Event, ProvisionEvent, SharedReporter};
use crate::core::failure::{Failure, Result};
use crate::core::model::{ArtifactName, Platform};
use crate::core::settings::Settings;

/// For each artifact and platform, the first source in the lock's order whose files are all stored. Missing files are
/// fetched or built first. Offline, fails with the list of missing files.
pub async fn store<'a>(
    request: &ProvisionRequest,
    platforms: &[Platform],
    settings: &Settings,
    lock: &'a Lock,
    reporter: &SharedReporter,
) -> Result<Vec<(&'a Artifact, &'a Source)>> {
    let artifacts = selected(request, lock)?;
    let (here, store) = (Platform::current()?, Store::new(&settings.dirs.cache));
    let mut missing: BTreeMap<Platform, Vec<&'a Artifact>> = BTreeMap::new();
    let mut not_stored = Vec::new();
    for platform in platforms {
        for artifact in &artifacts {
            if let ArtifactState::Missing(_, files) =
                cached_or_missing(artifact, request.sources, *platform, &store)?
            {
                missing.entry(*platform).or_default().push(artifact);
                not_stored.extend(files.into_iter().map(|file| (*artifact, file)));
            }
        }
    }
    if settings.offline && !not_stored.is_empty() {
        return Err(not_cached(&not_stored));
    }
    let mut failures = Vec::new();
    for (platform, wanted) in &missing {
        let started = Instant::now();
        let names: Vec<ArtifactName> = wanted.iter().map(|artifact| artifact.name.clone()).collect();
        let ready = artifacts.len() - names.len();
        reporter.report(Event::Provision(ProvisionEvent::Planned {
            platform: *platform,
            ready,
            wanted: names,
        }));
        let engine = Engine::new(request.sources, settings, lock, here, reporter);
        let finished = engine.store(wanted, *platform).await;
        if finished.failures.is_empty() {
            sweep(&finished.rows, settings, reporter).await;
        }
        reporter.report(Event::Provision(ProvisionEvent::Finished {
            rows: finished.rows,
            took: started.elapsed(),
        }));
        failures.extend(finished.failures);
    }
    if let Some(failure) = of_several(failures) {
        return Err(failure);
    }
    let mut chosen = Vec::new();
    for platform in platforms {
        for artifact in &artifacts {
            match cached_or_missing(artifact, request.sources, *platform, &store)? {
                ArtifactState::Stored(source) => chosen.push((*artifact, source)),
                _ => {
                    return Err(Failure::failed(format!(
                        "{} was removed from the cache during this run",
                        artifact.name
                    )));
                }
            }
        }
    }
    Ok(chosen)
}
