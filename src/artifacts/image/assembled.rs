//! From the lock and the installed tools to images whose every byte is known, before one is read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::layer::Layer;
use super::{REPOSITORY, config, content, measured, place};
use crate::artifacts::lockfile::{Artifact, Image, ImagePin, Lock};
use crate::artifacts::tool::{InstalledTool, Tools};
use crate::core::failure::{Failure, FailureKind, Result};
use crate::core::model::{ArtifactName, Digest, Platform, Slug};

/// The name of the generated layer, beside those of artifacts.
const BASE: &str = "base";
/// The longest tag that Docker takes.
const LONGEST_TAG: usize = 128;

/// What an image is called, and what it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its name in the lock.
    pub name: Slug,
    /// Repository and tag, as in `meshlab/consul:1.22.7`.
    pub reference: String,
    /// The SHA-256 of its config: its id in Docker.
    pub id: Digest,
    /// The SHA-256 of its manifest: its id where Docker keeps images in containerd.
    pub manifest_id: Digest,
}

impl Identity {
    /// What the lock pins, if it does for this platform.
    pub fn pinned(lock: &Lock, image: &Image, platform: Platform) -> Result<Option<Self>> {
        let Some(pin) = image.pin(platform) else { return Ok(None) };
        Ok(Some(Self {
            name: image.name.clone(),
            reference: reference(lock, image)?,
            id: pin.config,
            manifest_id: pin.manifest,
        }))
    }

    /// Whether a Docker daemon means this image by that id.
    pub fn is(&self, id: &str) -> bool {
        id.parse().is_ok_and(|id: Digest| id == self.id || id == self.manifest_id)
    }
}

/// An image of installed tools.
#[derive(Debug, Clone)]
pub struct Assembled {
    /// What it is called, and what it must be.
    pub identity: Identity,
    /// For which platform.
    pub platform: Platform,
    /// Whether the lock pins it. Else a tool came from another source than the pinned one, and its bytes are others.
    pub is_pinned: bool,
    pub(super) config: Vec<u8>,
    pub(super) manifest: Vec<u8>,
    pub(super) layers: Vec<LayerOf>,
}

/// A layer and what it must hash to.
#[derive(Debug, Clone)]
pub(super) struct LayerOf {
    /// `base`, or an artifact.
    pub(super) of: String,
    pub(super) layer: Arc<Layer>,
    pub(super) digest: Digest,
    pub(super) size: u64,
}

impl Assembled {
    /// The bytes of all its layers.
    pub fn size(&self) -> u64 {
        self.layers.iter().map(|layer| layer.size).sum()
    }

    /// What each layer holds (`base`, or an artifact), its digest and its size, the lowest first.
    pub fn layers(&self) -> impl Iterator<Item = (&str, &Digest, u64)> {
        self.layers.iter().map(|layer| (layer.of.as_str(), &layer.digest, layer.size))
    }
}

/// The artifacts that images are made of, in the lock's order. Without names, those of all images.
pub fn artifacts(lock: &Lock, names: &[Slug]) -> Result<Vec<ArtifactName>> {
    let wanted: BTreeSet<&ArtifactName> =
        images(lock, names)?.into_iter().flat_map(|image| &image.contents).collect();
    Ok(wanted.into_iter().cloned().collect())
}

/// The images of these names, each once, in the lock's order; without names, all.
pub(super) fn images<'a>(lock: &'a Lock, names: &[Slug]) -> Result<Vec<&'a Image>> {
    for name in names {
        lock.image(name)?;
    }
    Ok(lock.images.iter().filter(|image| names.is_empty() || names.contains(&image.name)).collect())
}

/// Repository and tag of an image.
pub fn reference(lock: &Lock, image: &Image) -> Result<String> {
    Ok(format!("{REPOSITORY}/{}:{}", image.name, tag(lock, image)?))
}

/// The version of the artifact that the image is named after; where there are several, each with its name.
fn tag(lock: &Lock, image: &Image) -> Result<String> {
    let parts = image.tag.iter().map(|name| {
        let version = &lock.artifact(name)?.version;
        Ok(if image.tag.len() == 1 { version.clone() } else { format!("{name}-{version}") })
    });
    let parts: Vec<String> = parts.collect::<Result<_>>()?;
    let mut tag: String = parts
        .join("-")
        .chars()
        .map(|letter| if letter.is_ascii_alphanumeric() || "._-".contains(letter) { letter } else { '_' })
        .collect();
    tag.truncate(LONGEST_TAG);
    Ok(tag)
}

/// Puts images of installed tools together; without names, all. Reads lists of files, and a tool's bytes only if it
/// came from another source than the pinned one and was never measured. Blocks.
///
/// What does not come to what the lock pins is a failure: it was made by another version of meshlab.
pub fn assemble(lock: &Lock, platform: Platform, tools: &Tools, names: &[Slug]) -> Result<Vec<Assembled>> {
    let mut layers = Layers { lock, platform, known: BTreeMap::new() };
    let mut assembled = Vec::new();
    for image in images(lock, names)? {
        let pin = image.pin(platform);
        let mut parts = vec![layers.base(pin)?];
        for (number, name) in image.contents.iter().enumerate() {
            let artifact = lock.artifact(name)?;
            let tool = tools.find(artifact, platform).ok_or_else(|| not_installed(artifact, image))?;
            parts.push(layers.of(artifact, &tool, pin, number)?);
        }
        let image = put_together(lock, image, platform, parts)?;
        assembled.push(compared(image, pin)?);
    }
    Ok(assembled)
}

/// The digests of layers that were measured, by tool's folder.
pub(crate) type LayerDigests = BTreeMap<ArtifactName, Digest>;

/// What an image comes to when every layer is hashed here and now: for the lock. `known` keeps what was hashed for
/// another image. Blocks.
pub(crate) fn measure(
    lock: &Lock,
    image: &Image,
    platform: Platform,
    tools: &[InstalledTool],
    known: &mut LayerDigests,
) -> Result<ImagePin> {
    let base = content::base()?;
    let digest = base.digest()?;
    let mut parts = vec![layer_of(BASE, Arc::new(base), digest)?];
    let mut sources = Vec::new();
    for name in &image.contents {
        let artifact = lock.artifact(name)?;
        let tool =
            tools.iter().find(|tool| tool.artifact == *name).ok_or_else(|| not_installed(artifact, image))?;
        let layer = place::layer(artifact, tool, platform)?;
        let digest = match known.get(name) {
            Some(digest) => *digest,
            None => *known.entry(name.clone()).or_insert(layer.digest()?),
        };
        parts.push(layer_of(name.as_str(), Arc::new(layer), digest)?);
        sources.push(tool.source.clone());
    }
    let assembled = put_together(lock, image, platform, parts)?;
    Ok(ImagePin {
        platform,
        sources,
        config: assembled.identity.id,
        manifest: assembled.identity.manifest_id,
        layers: assembled.layers.iter().map(|layer| layer.digest).collect(),
    })
}

/// The layers of one run: images share them.
struct Layers<'a> {
    lock: &'a Lock,
    platform: Platform,
    known: BTreeMap<String, LayerOf>,
}

impl Layers<'_> {
    fn base(&mut self, pin: Option<&ImagePin>) -> Result<LayerOf> {
        let layer = content::base()?;
        let digest = match pin.and_then(|pin| pin.layers.first()) {
            Some(digest) => *digest,
            None => layer.digest()?,
        };
        self.shared(layer_of(BASE, Arc::new(layer), digest)?)
    }

    fn of(
        &mut self,
        artifact: &Artifact,
        tool: &InstalledTool,
        pin: Option<&ImagePin>,
        number: usize,
    ) -> Result<LayerOf> {
        if let Some(known) = self.known.get(artifact.name.as_str())
            && pin.is_none_or(|pin| pin.layers.get(number + 1) == Some(&known.digest))
        {
            return Ok(known.clone());
        }
        let layer = place::layer(artifact, tool, self.platform)?;
        let pinned = pin.filter(|pin| pin.sources.get(number) == Some(&tool.source));
        let digest = match pinned.and_then(|pin| pin.layers.get(number + 1)) {
            Some(digest) => *digest,
            None => measured::digest(&layer, tool)?,
        };
        self.shared(layer_of(artifact.name.as_str(), Arc::new(layer), digest)?)
    }

    /// The same layer with two digests in one lock: one of them is wrong.
    fn shared(&mut self, layer: LayerOf) -> Result<LayerOf> {
        match self.known.get(&layer.of) {
            Some(known) if known.digest != layer.digest => Err(Failure::usage(format!(
                "{} pins two digests for the layer of {}",
                self.lock.origin, layer.of
            ))
            .detail("one", known.digest.to_string())
            .detail("other", layer.digest.to_string())
            .hint("`meshlab deps lock` writes them; nothing else should")),
            _ => {
                self.known.insert(layer.of.clone(), layer.clone());
                Ok(layer)
            }
        }
    }
}

fn layer_of(of: &str, layer: Arc<Layer>, digest: Digest) -> Result<LayerOf> {
    let size = layer.size()?;
    Ok(LayerOf { of: of.to_owned(), layer, digest, size })
}

fn put_together(lock: &Lock, image: &Image, platform: Platform, layers: Vec<LayerOf>) -> Result<Assembled> {
    let artifacts =
        image.contents.iter().map(|name| lock.artifact(name)).collect::<Result<Vec<&Artifact>>>()?;
    let diffs: Vec<Digest> = layers.iter().map(|layer| layer.digest).collect();
    let sized: Vec<(Digest, u64)> = layers.iter().map(|layer| (layer.digest, layer.size)).collect();
    let config = config::config(image, &tag(lock, image)?, platform, &artifacts, &diffs)?;
    let manifest = config::manifest(&config, &sized)?;
    Ok(Assembled {
        identity: Identity {
            name: image.name.clone(),
            reference: reference(lock, image)?,
            id: Digest::sha256_of(&config),
            manifest_id: Digest::sha256_of(&manifest),
        },
        platform,
        is_pinned: false,
        config,
        manifest,
        layers,
    })
}

/// With the pinned layers everything else follows; it must be what is pinned.
fn compared(mut image: Assembled, pin: Option<&ImagePin>) -> Result<Assembled> {
    let Some(pin) = pin else { return Ok(image) };
    if !image.layers.iter().map(|layer| &layer.digest).eq(&pin.layers) {
        return Ok(image);
    }
    for (what, pinned, found) in
        [("config", pin.config, image.identity.id), ("manifest", pin.manifest, image.identity.manifest_id)]
    {
        if pinned != found {
            return Err(Failure::new(
                FailureKind::LockOutdated,
                format!("image {} does not come to what the lock pins", image.identity.name),
            )
            .detail(format!("{what} pinned"), pinned.to_string())
            .detail("found", found.to_string())
            .hint("the lock was changed, or made by another version of meshlab: `meshlab deps lock` pins it anew"));
        }
    }
    image.is_pinned = true;
    Ok(image)
}

fn not_installed(artifact: &Artifact, image: &Image) -> Failure {
    Failure::new(
        FailureKind::NotCached,
        format!("{} {} is not installed, and image {} has it", artifact.name, artifact.version, image.name),
    )
    .hint(format!("meshlab provision {}", artifact.name))
}
