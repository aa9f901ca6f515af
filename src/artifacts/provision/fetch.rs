//! Fetches an artifact's files into the store, from the first source that delivers them.

use std::sync::PoisonError;

use super::engine::{Engine, Fetched};
use super::failure::{no_source, not_cached};
use super::plan::allowed;
use crate::artifacts::lockfile::{Artifact, LockedFile, Source, SourceKind};
use crate::artifacts::source::{self, FetchJob, mirror};
use crate::artifacts::store::hash_file;
use crate::artifacts::tool::InstalledTool;
use crate::artifacts::work::{WorkFolder, blocking};
use crate::core::event::{Event, SourceFailure, Warning};
use crate::core::failure::{Failure, Result};
use crate::core::model::{ArtifactName, Platform};

impl<'a> Engine<'a> {
    /// Fetches all files of one source: a source whose files are all stored, else the first that delivers them.
    pub(super) async fn fetch(
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

    /// Fetches the files of one source: from the mirror, and the rest with the source's own client.
    async fn fetch_source(
        &self,
        artifact: &'a Artifact,
        source: &'a Source,
        missing: &[&'a LockedFile],
        earlier: &mut Vec<SourceFailure>,
        failures: &mut Vec<Failure>,
    ) -> Result<&'static str> {
        let work = WorkFolder::create(&self.store, artifact.name.as_str()).await?;
        let mut job = FetchJob {
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
            return Err(Failure::failed(format!("{} did not deliver {}", source.kind.name(), file.name)));
        }
        self.remember(missing);
        work.remove().await?;
        Ok(source.kind.name())
    }

    /// Installs the pinned Go toolchain, at the time of the first build.
    async fn toolchain(&self, artifact: &Artifact, name: &ArtifactName) -> Result<InstalledTool> {
        let is_toolchain = |artifact: &Artifact| {
            self.lock.artifacts.iter().flat_map(|other| &other.sources).any(
                |source| matches!(&source.kind, SourceKind::Go(build) if build.toolchain == artifact.name),
            )
        };
        if is_toolchain(artifact) {
            // A toolchain that waits for a toolchain could deadlock.
            return Err(Failure::failed(format!(
                "{} is a toolchain, so it cannot be built with a toolchain",
                artifact.name
            )));
        }
        self.ensure(self.lock.artifact(name)?).await
    }

    /// The files of a source that are not stored. A file of an earlier run is hashed before it is used; if it has
    /// changed, it is moved to `rejected/` and counts as missing.
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
        let (file, kept_at) = (file.name.clone(), self.store.set_aside(&path, file, &digest).ok());
        self.reporter.report(Event::Warning(Warning::CachedFileChanged { file, kept_at }));
        Ok(false)
    }

    fn remember(&self, files: &[&LockedFile]) {
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        verified.extend(files.iter().map(|file| file.digest));
    }
}
