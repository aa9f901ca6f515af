//! Assembles images from the lock and the installed tools. Digests and sizes are known before any layer is read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::layer::Layer;
use super::{REPOSITORY, config, content, digest_cache, layout};
use crate::artifacts::lockfile::{Artifact, Image, ImagePin, Lock};
use crate::artifacts::tool::{InstalledTool, Tools};
use crate::core::failure::{Failure, FailureKind, Result};
use crate::core::model::{ArtifactName, Digest, Platform, Slug};

/// The name of the base layer. All other layers are named after an artifact.
const BASE: &str = "base";
/// The longest tag that Docker accepts.
const MAX_TAG: usize = 128;

/// The name and the digests of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageIdentity {
    /// The name in the lock.
    pub name: Slug,
    /// Repository and tag, as in `meshlab/consul:1.22.7`.
    pub reference: String,
    /// The SHA-256 of the config; the image id in Docker.
    pub id: Digest,
    /// The SHA-256 of the manifest; the image id in Docker with the containerd image store.
    pub manifest_id: Digest,
}

impl ImageIdentity {
    /// The identity that the lock pins for a platform, if it does.
    pub fn pinned(lock: &Lock, image: &Image, platform: Platform) -> Result<Option<Self>> {
        let Some(pin) = image.pin(platform) else { return Ok(None) };
        Ok(Some(Self {
            name: image.name.clone(),
            reference: reference(lock, image)?,
            id: pin.config,
            manifest_id: pin.manifest,
        }))
    }

    /// Whether `id`, as Docker reports it, is this image.
    pub fn has_id(&self, id: &str) -> bool {
        id.parse().is_ok_and(|id: Digest| id == self.id || id == self.manifest_id)
    }
}

/// An image assembled from installed tools.
#[derive(Debug, Clone)]
pub struct AssembledImage {
    /// The name and the digests.
    pub identity: ImageIdentity,
    /// The platform.
    pub platform: Platform,
    /// Whether it matches its pin in the lock. If not, a tool came from another source than the pinned one.
    pub is_pinned: bool,
    pub(super) config: Vec<u8>,
    pub(super) manifest: Vec<u8>,
    pub(super) layers: Vec<NamedLayer>,
}

/// A layer with its name and expected digest.
#[derive(Debug, Clone)]
pub(super) struct NamedLayer {
    /// `base`, or the artifact's name.
    pub(super) name: String,
    pub(super) layer: Arc<Layer>,
    pub(super) digest: Digest,
    pub(super) size: u64,
}

impl AssembledImage {
    /// The size of all layers in bytes.
    pub fn size(&self) -> u64 {
        self.layers.iter().map(|layer| layer.size).sum()
    }

    /// The name of each layer (`base`, or the artifact), its digest and its size in bytes, lowest layer first.
    pub fn layers(&self) -> impl Iterator<Item = (&str, &Digest, u64)> {
        self.layers.iter().map(|layer| (layer.name.as_str(), &layer.digest, layer.size))
    }
}

/// The artifacts in the named images, or in all images without names.
pub fn artifacts(lock: &Lock, names: &[Slug]) -> Result<Vec<ArtifactName>> {
    let wanted: BTreeSet<&ArtifactName> =
        images(lock, names)?.into_iter().flat_map(|image| &image.contents).collect();
    Ok(wanted.into_iter().cloned().collect())
}

/// The named images in the lock's order, or all without names.
pub(super) fn images<'a>(lock: &'a Lock, names: &[Slug]) -> Result<Vec<&'a Image>> {
    for name in names {
        lock.image(name)?;
    }
    Ok(lock.images.iter().filter(|image| names.is_empty() || names.contains(&image.name)).collect())
}

/// Repository and tag of an image, as in `meshlab/consul:1.22.7`.
pub fn reference(lock: &Lock, image: &Image) -> Result<String> {
    Ok(format!("{REPOSITORY}/{}:{}", image.name, tag(lock, image)?))
}

/// The tag of an image: the version of the artifact it is named after, or name and version of each if there are
/// several.
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
    tag.truncate(MAX_TAG);
    Ok(tag)
}

/// Assembles the named images, or all without names. Reads file lists only; hashes a tool's files only if it came from
/// another source than the pinned one and was not hashed before. Blocks.
///
/// Fails if an image does not match its pin, which means that another version of meshlab made the lock.
pub fn assemble(
    lock: &Lock,
    platform: Platform,
    tools: &Tools,
    names: &[Slug],
) -> Result<Vec<AssembledImage>> {
    let mut layers = Layers { lock, platform, known: BTreeMap::new() };
    let mut assembled = Vec::new();
    for image in images(lock, names)? {
        let pin = image.pin(platform);
        let mut parts = vec![layers.base(pin)?];
        for (number, name) in image.contents.iter().enumerate() {
            let artifact = lock.artifact(name)?;
            let tool = tools.find(artifact, platform).ok_or_else(|| not_installed(artifact, image))?;
            parts.push(layers.artifact(artifact, &tool, pin, number)?);
        }
        let image = build_image(lock, image, platform, parts)?;
        assembled.push(check_pin(image, pin)?);
    }
    Ok(assembled)
}

/// The digests of layers that were hashed, by artifact.
pub(crate) type LayerDigests = BTreeMap<ArtifactName, Digest>;

/// Computes the pin of an image for the lock, by hashing its layers. `known` caches the digests of layers for further
/// images. Blocks.
pub(crate) fn measure(
    lock: &Lock,
    image: &Image,
    platform: Platform,
    tools: &[InstalledTool],
    known: &mut LayerDigests,
) -> Result<ImagePin> {
    let base = content::base()?;
    let digest = base.digest()?;
    let mut parts = vec![named_layer(BASE, Arc::new(base), digest)?];
    let mut sources = Vec::new();
    for name in &image.contents {
        let artifact = lock.artifact(name)?;
        let tool =
            tools.iter().find(|tool| tool.artifact == *name).ok_or_else(|| not_installed(artifact, image))?;
        let layer = layout::layer(artifact, tool, platform)?;
        let digest = match known.get(name) {
            Some(digest) => *digest,
            None => *known.entry(name.clone()).or_insert(layer.digest()?),
        };
        parts.push(named_layer(name.as_str(), Arc::new(layer), digest)?);
        sources.push(tool.source.clone());
    }
    let assembled = build_image(lock, image, platform, parts)?;
    Ok(ImagePin {
        platform,
        sources,
        config: assembled.identity.id,
        manifest: assembled.identity.manifest_id,
        layers: assembled.layers.iter().map(|layer| layer.digest).collect(),
    })
}

/// The layers that images of one run share.
struct Layers<'a> {
    lock: &'a Lock,
    platform: Platform,
    known: BTreeMap<String, NamedLayer>,
}

impl Layers<'_> {
    fn base(&mut self, pin: Option<&ImagePin>) -> Result<NamedLayer> {
        let layer = content::base()?;
        let digest = match pin.and_then(|pin| pin.layers.first()) {
            Some(digest) => *digest,
            None => layer.digest()?,
        };
        self.shared(named_layer(BASE, Arc::new(layer), digest)?)
    }

    fn artifact(
        &mut self,
        artifact: &Artifact,
        tool: &InstalledTool,
        pin: Option<&ImagePin>,
        number: usize,
    ) -> Result<NamedLayer> {
        if let Some(known) = self.known.get(artifact.name.as_str())
            && pin.is_none_or(|pin| pin.layers.get(number + 1) == Some(&known.digest))
        {
            return Ok(known.clone());
        }
        let layer = layout::layer(artifact, tool, self.platform)?;
        let pinned = pin.filter(|pin| pin.sources.get(number) == Some(&tool.source));
        let digest = match pinned.and_then(|pin| pin.layers.get(number + 1)) {
            Some(digest) => *digest,
            None => digest_cache::digest(&layer, tool)?,
        };
        self.shared(named_layer(artifact.name.as_str(), Arc::new(layer), digest)?)
    }

    /// Caches a layer. Fails if the lock pins two digests for it.
    fn shared(&mut self, layer: NamedLayer) -> Result<NamedLayer> {
        match self.known.get(&layer.name) {
            Some(known) if known.digest != layer.digest => Err(Failure::usage(format!(
                "{} pins two digests for the layer of {}",
                self.lock.origin, layer.name
            ))
            .detail("one", known.digest.to_string())
            .detail("other", layer.digest.to_string())
            .hint("run `meshlab deps lock` to pin them again; do not edit the digests by hand")),
            _ => {
                self.known.insert(layer.name.clone(), layer.clone());
                Ok(layer)
            }
        }
    }
}

fn named_layer(name: &str, layer: Arc<Layer>, digest: Digest) -> Result<NamedLayer> {
    let size = layer.size()?;
    Ok(NamedLayer { name: name.to_owned(), layer, digest, size })
}

fn build_image(
    lock: &Lock,
    image: &Image,
    platform: Platform,
    layers: Vec<NamedLayer>,
) -> Result<AssembledImage> {
    let artifacts =
        image.contents.iter().map(|name| lock.artifact(name)).collect::<Result<Vec<&Artifact>>>()?;
    let diffs: Vec<Digest> = layers.iter().map(|layer| layer.digest).collect();
    let sized: Vec<(Digest, u64)> = layers.iter().map(|layer| (layer.digest, layer.size)).collect();
    let config = config::config(image, &tag(lock, image)?, platform, &artifacts, &diffs)?;
    let manifest = config::manifest(&config, &sized)?;
    Ok(AssembledImage {
        identity: ImageIdentity {
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

/// Compares an image with its pin. If the layers are the pinned ones, config and manifest must be as well.
fn check_pin(mut image: AssembledImage, pin: Option<&ImagePin>) -> Result<AssembledImage> {
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
                format!("image {} does not match its pin in deps.lock", image.identity.name),
            )
            .detail(format!("{what} pinned"), pinned.to_string())
            .detail("found", found.to_string())
            .hint("deps.lock was edited or made by another version of meshlab: run `meshlab deps lock` to pin it again"));
        }
    }
    image.is_pinned = true;
    Ok(image)
}

fn not_installed(artifact: &Artifact, image: &Image) -> Failure {
    Failure::new(
        FailureKind::NotCached,
        format!(
            "{} {} is not installed, but image {} contains it",
            artifact.name, artifact.version, image.name
        ),
    )
    .hint(format!("meshlab provision {}", artifact.name))
}
