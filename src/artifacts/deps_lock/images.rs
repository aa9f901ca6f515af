//! Computes the pins of container images: verifies the stored files, unpacks every artifact, and hashes every layer.
//! Works for any platform, because nothing is run.

use std::collections::BTreeMap;

use crate::artifacts::image::{self, LayerDigests};
use crate::artifacts::lockfile::{Artifact, Image, ImagePin, Lock, Source};
use crate::artifacts::store::{Store, hash_file};
use crate::artifacts::tool::{InstalledTool, Tools};
use crate::artifacts::work::{WorkFolder, blocking};
use crate::core::failure::{Failure, FailureKind, Result};
use crate::core::model::{ArtifactName, Platform};

/// Computes the pin of an image. A trait, so that tests can replace it.
pub(crate) trait PinImages {
    async fn pin(&mut self, lock: &Lock, image: &Image, platform: Platform) -> Result<ImagePin>;
}

/// Computes pins from the files in the store.
pub(crate) struct FromStore<'a> {
    store: &'a Store,
    folder: Option<WorkFolder>,
    known: BTreeMap<Platform, Unpacked>,
}

/// The tools and layers that the images of one platform share.
#[derive(Clone, Default)]
struct Unpacked {
    tools: BTreeMap<ArtifactName, InstalledTool>,
    layers: LayerDigests,
}

impl<'a> FromStore<'a> {
    pub(crate) fn new(store: &'a Store) -> Self {
        Self { store, folder: None, known: BTreeMap::new() }
    }

    /// Removes the unpacked tools.
    pub(crate) async fn remove(self) -> Result<()> {
        match self.folder {
            Some(folder) => folder.remove().await,
            None => Ok(()),
        }
    }
}

impl PinImages for FromStore<'_> {
    async fn pin(&mut self, lock: &Lock, image: &Image, platform: Platform) -> Result<ImagePin> {
        let mut chosen = Vec::new();
        for (number, name) in image.contents.iter().enumerate() {
            let artifact = lock.artifact(name)?;
            let pinned = image.pin(platform).and_then(|pin| pin.sources.get(number));
            chosen.push((artifact, stored(artifact, platform, pinned, self.store)?));
        }
        if self.folder.is_none() {
            self.folder = Some(WorkFolder::create(self.store, "images").await?);
        }
        let root = self.folder.as_ref().map(|folder| folder.path().to_owned()).unwrap_or_default();
        let (tools, store) = (Tools::new(&root), self.store.clone());
        let mut unpacked = self.known.get(&platform).cloned().unwrap_or_default();
        let chosen: Vec<(Artifact, Source)> =
            chosen.into_iter().map(|(artifact, source)| (artifact.clone(), source.clone())).collect();
        let (lock, image) = (lock.clone(), image.clone());
        let (pin, unpacked) = blocking(move || {
            let mut contents = Vec::with_capacity(chosen.len());
            for (artifact, source) in &chosen {
                let tool = match unpacked.tools.get(&artifact.name) {
                    Some(tool) if tool.source == source.kind.name() => tool.clone(),
                    _ => {
                        verify(source, &store)?;
                        unpacked.layers.remove(&artifact.name);
                        tools.install(artifact, source, &store)?
                    }
                };
                unpacked.tools.insert(artifact.name.clone(), tool.clone());
                contents.push(tool);
            }
            let pin = image::measure(&lock, &image, platform, &contents, &mut unpacked.layers)?;
            Ok((pin, unpacked))
        })
        .await?;
        self.known.insert(platform, unpacked);
        Ok(pin)
    }
}

/// The pinned source if its files are stored, else the first source whose files are stored.
fn stored<'l>(
    artifact: &'l Artifact,
    platform: Platform,
    pinned: Option<&String>,
    store: &Store,
) -> Result<&'l Source> {
    let is_stored = |source: &&Source| source.files.iter().all(|file| store.contains(&file.digest));
    let is_pinned = |source: &&Source| pinned.is_some_and(|kind| source.kind.name() == kind);
    let mut pinned = artifact.sources_for(platform).filter(is_pinned).filter(is_stored);
    pinned.next().or_else(|| artifact.sources_for(platform).find(is_stored)).ok_or_else(|| {
        Failure::new(
            FailureKind::NotCached,
            format!(
                "the files of {} {} for {platform} are not in the cache",
                artifact.name, artifact.version
            ),
        )
        .hint(format!("meshlab deps lock {}", artifact.name))
    })
}

fn verify(source: &Source, store: &Store) -> Result<()> {
    for file in &source.files {
        let path = store.path_of(&file.digest);
        let found = hash_file(&path, file.digest.algorithm())?;
        if found != file.digest {
            return Err(store.reject(&path, file, &found, 0));
        }
    }
    Ok(())
}
