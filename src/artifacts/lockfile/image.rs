//! The `[[image]]` tables: container images built from artifacts, and their pins.

use std::collections::BTreeSet;
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;

use super::Artifact;
use super::error::LockError;
use crate::core::model::{ArtifactName, Digest, DigestAlgorithm, Platform, Slug};

/// A container image: a generated base layer, and one layer per artifact.
#[derive(Debug, Clone)]
pub struct Image {
    /// The unique name.
    pub name: Slug,
    /// A short description.
    pub summary: String,
    /// The artifacts, lowest layer first.
    pub contents: Vec<ArtifactName>,
    /// The artifacts whose versions are the tag; at least one.
    pub tag: Vec<ArtifactName>,
    /// The pins, at most one per platform.
    pub pins: Vec<ImagePin>,
}

/// The digests of an image for one platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImagePin {
    /// The platform.
    pub platform: Platform,
    /// The kind of source of each artifact, in the order of the contents. Sources of the same version may have
    /// different files (a release file and a build differ).
    pub sources: Vec<String>,
    /// The SHA-256 of the config; the image id in Docker.
    pub config: Digest,
    /// The SHA-256 of the OCI manifest; the image id in Docker with the containerd image store.
    pub manifest: Digest,
    /// The SHA-256 of each layer's tar archive, base layer first.
    pub layers: Vec<Digest>,
}

impl Image {
    /// The pin for a platform, if there is one.
    pub fn pin(&self, platform: Platform) -> Option<&ImagePin> {
        self.pins.iter().find(|pin| pin.platform == platform)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawImage {
    name: Spanned<Slug>,
    summary: String,
    contents: Spanned<Vec<Spanned<ArtifactName>>>,
    #[serde(default)]
    tag: Vec<Spanned<ArtifactName>>,
    #[serde(default)]
    pin: Vec<Spanned<RawPin>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPin {
    platform: Platform,
    sources: Spanned<Vec<Spanned<String>>>,
    config: Spanned<String>,
    manifest: Spanned<String>,
    layers: Spanned<Vec<Spanned<String>>>,
}

pub(super) fn images(raw: Vec<Spanned<RawImage>>, artifacts: &[Artifact]) -> Result<Vec<Image>, LockError> {
    let mut images: Vec<Image> = Vec::with_capacity(raw.len());
    for raw in raw {
        let span = raw.span();
        let image = image(raw.into_inner(), artifacts)?;
        if let Some(before) = images.last()
            && before.name >= image.name
        {
            let (name, before) = (&image.name, &before.name);
            let what = format!("expected images sorted by name, each once; {name} follows {before}");
            return Err(LockError::new(span, what));
        }
        images.push(image);
    }
    Ok(images)
}

fn image(raw: RawImage, artifacts: &[Artifact]) -> Result<Image, LockError> {
    let name_at = raw.name.span();
    let name = raw.name.into_inner();
    if raw.summary.contains(char::is_control) {
        let what = format!("expected text without control characters, found {:?}", raw.summary);
        return Err(LockError::new(name_at, what));
    }
    let contents_at = raw.contents.span();
    let mut contents = Vec::new();
    for entry in raw.contents.into_inner() {
        let at = entry.span();
        let entry = entry.into_inner();
        if !artifacts.iter().any(|artifact| artifact.name == entry) {
            return Err(LockError::new(at, format!("expected an artifact of this lock, found {entry}")));
        }
        if contents.contains(&entry) {
            return Err(LockError::new(at, format!("expected each artifact once, found {entry} again")));
        }
        contents.push(entry);
    }
    if contents.is_empty() {
        return Err(LockError::new(contents_at, "expected at least one artifact"));
    }
    let mut tag = Vec::new();
    for entry in raw.tag {
        if !contents.contains(entry.get_ref()) {
            let what = format!("expected artifacts of this image's contents, found {}", entry.get_ref());
            return Err(LockError::new(entry.span(), what));
        }
        tag.push(entry.into_inner());
    }
    if tag.is_empty() {
        if !contents.contains(&name) {
            let what = format!(
                "expected tag = [...] with the artifacts that give the version: {name} is not in contents"
            );
            return Err(LockError::new(name_at, what));
        }
        tag.push(name.clone());
    }
    let mut pins: Vec<ImagePin> = Vec::new();
    let mut seen = BTreeSet::new();
    for raw in raw.pin {
        let at = raw.span();
        let pin = pin(raw.into_inner(), &contents, artifacts)?;
        if !seen.insert(pin.platform) {
            return Err(LockError::new(at, format!("expected one pin for {}, found another", pin.platform)));
        }
        pins.push(pin);
    }
    Ok(Image { name, summary: raw.summary, contents, tag, pins })
}

fn pin(raw: RawPin, contents: &[ArtifactName], artifacts: &[Artifact]) -> Result<ImagePin, LockError> {
    let sources_at = raw.sources.span();
    let kinds = raw.sources.into_inner();
    if kinds.len() != contents.len() {
        let what =
            format!("expected one source for each of the {} contents, found {}", contents.len(), kinds.len());
        return Err(LockError::new(sources_at, what));
    }
    let mut sources = Vec::with_capacity(kinds.len());
    for (kind, name) in kinds.into_iter().zip(contents) {
        let is_known = artifacts
            .iter()
            .filter(|artifact| artifact.name == *name)
            .flat_map(|artifact| artifact.sources_for(raw.platform))
            .any(|source| source.kind.name() == kind.get_ref());
        if !is_known {
            let what = format!(
                "expected the kind of a source that {name} has for {}, found {:?}",
                raw.platform,
                kind.get_ref()
            );
            return Err(LockError::new(kind.span(), what));
        }
        sources.push(kind.into_inner());
    }
    let layers_at = raw.layers.span();
    let layers: Vec<Digest> = raw
        .layers
        .into_inner()
        .into_iter()
        .map(|layer| digest(&layer, layer.span()))
        .collect::<Result<_, _>>()?;
    // One more for the base layer.
    if layers.len() != contents.len() + 1 {
        let what = format!(
            "expected {} layers, the base layer and one for each of the contents, found {}",
            contents.len() + 1,
            layers.len()
        );
        return Err(LockError::new(layers_at, what));
    }
    Ok(ImagePin {
        platform: raw.platform,
        sources,
        config: digest(&raw.config, raw.config.span())?,
        manifest: digest(&raw.manifest, raw.manifest.span())?,
        layers,
    })
}

fn digest(hex: &Spanned<String>, at: Range<usize>) -> Result<Digest, LockError> {
    Digest::from_hex(DigestAlgorithm::Sha256, hex.get_ref())
        .map_err(|invalid| LockError::new(at, invalid.to_string()))
}
