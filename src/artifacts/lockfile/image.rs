//! `[[image]]`: container images that are put together from artifacts, and what they come to.

use std::collections::BTreeSet;
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;

use super::Artifact;
use super::fault::Fault;
use crate::core::model::{ArtifactName, Digest, DigestAlgorithm, Platform, Slug};

/// A container image: one layer per artifact, on a small base layer that is generated.
#[derive(Debug, Clone)]
pub struct Image {
    /// Its name, the key of the lock.
    pub name: Slug,
    /// What it is, in a few words.
    pub summary: String,
    /// Its artifacts, the lowest layer first.
    pub contents: Vec<ArtifactName>,
    /// Those of its artifacts whose versions make its tag; at least one.
    pub tag: Vec<ArtifactName>,
    /// What it comes to, at most once for a platform.
    pub pins: Vec<ImagePin>,
}

/// What an image comes to on one platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImagePin {
    /// The platform.
    pub platform: Platform,
    /// The kind of source that each artifact's files are from, in the order of the contents. Another source may make
    /// other bytes (a release file and a build of the same version differ).
    pub sources: Vec<String>,
    /// The SHA-256 of the image's config: its id in Docker.
    pub config: Digest,
    /// The SHA-256 of its OCI manifest: its id where Docker keeps images in containerd.
    pub manifest: Digest,
    /// The SHA-256 of each layer's tar, the base layer first.
    pub layers: Vec<Digest>,
}

impl Image {
    /// What it comes to on a platform, if that was ever measured.
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

pub(super) fn images(raw: Vec<Spanned<RawImage>>, artifacts: &[Artifact]) -> Result<Vec<Image>, Fault> {
    let mut images: Vec<Image> = Vec::with_capacity(raw.len());
    for raw in raw {
        let span = raw.span();
        let image = image(raw.into_inner(), artifacts)?;
        if let Some(before) = images.last()
            && before.name >= image.name
        {
            let (name, before) = (&image.name, &before.name);
            let what = format!("expected images sorted by name, each once; {name} follows {before}");
            return Err(Fault::new(span, what));
        }
        images.push(image);
    }
    Ok(images)
}

fn image(raw: RawImage, artifacts: &[Artifact]) -> Result<Image, Fault> {
    let name_at = raw.name.span();
    let name = raw.name.into_inner();
    if raw.summary.contains(char::is_control) {
        let what = format!("expected text without control characters, found {:?}", raw.summary);
        return Err(Fault::new(name_at, what));
    }
    let contents_at = raw.contents.span();
    let mut contents = Vec::new();
    for entry in raw.contents.into_inner() {
        let at = entry.span();
        let entry = entry.into_inner();
        if !artifacts.iter().any(|artifact| artifact.name == entry) {
            return Err(Fault::new(at, format!("expected an artifact of this lock, found {entry}")));
        }
        if contents.contains(&entry) {
            return Err(Fault::new(at, format!("expected each artifact once, found {entry} again")));
        }
        contents.push(entry);
    }
    if contents.is_empty() {
        return Err(Fault::new(contents_at, "expected at least one artifact"));
    }
    let mut tag = Vec::new();
    for entry in raw.tag {
        if !contents.contains(entry.get_ref()) {
            let what = format!("expected artifacts of this image's contents, found {}", entry.get_ref());
            return Err(Fault::new(entry.span(), what));
        }
        tag.push(entry.into_inner());
    }
    if tag.is_empty() {
        if !contents.contains(&name) {
            let what = format!(
                "expected tag = [...] with the artifacts that give the version: {name} is none of the contents"
            );
            return Err(Fault::new(name_at, what));
        }
        tag.push(name.clone());
    }
    let mut pins: Vec<ImagePin> = Vec::new();
    let mut seen = BTreeSet::new();
    for raw in raw.pin {
        let at = raw.span();
        let pin = pin(raw.into_inner(), &contents, artifacts)?;
        if !seen.insert(pin.platform) {
            return Err(Fault::new(at, format!("expected one pin for {}, found another", pin.platform)));
        }
        pins.push(pin);
    }
    Ok(Image { name, summary: raw.summary, contents, tag, pins })
}

fn pin(raw: RawPin, contents: &[ArtifactName], artifacts: &[Artifact]) -> Result<ImagePin, Fault> {
    let sources_at = raw.sources.span();
    let named = raw.sources.into_inner();
    if named.len() != contents.len() {
        let what =
            format!("expected one source for each of the {} contents, found {}", contents.len(), named.len());
        return Err(Fault::new(sources_at, what));
    }
    let mut sources = Vec::with_capacity(named.len());
    for (kind, name) in named.into_iter().zip(contents) {
        let known = artifacts
            .iter()
            .filter(|artifact| artifact.name == *name)
            .flat_map(|artifact| artifact.sources_for(raw.platform))
            .any(|source| source.kind.name() == kind.get_ref());
        if !known {
            let what = format!(
                "expected the kind of a source that {name} has for {}, found {:?}",
                raw.platform,
                kind.get_ref()
            );
            return Err(Fault::new(kind.span(), what));
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
    // The base layer is the one more.
    if layers.len() != contents.len() + 1 {
        let what = format!(
            "expected {} layers, the base layer and one for each of the contents, found {}",
            contents.len() + 1,
            layers.len()
        );
        return Err(Fault::new(layers_at, what));
    }
    Ok(ImagePin {
        platform: raw.platform,
        sources,
        config: digest(&raw.config, raw.config.span())?,
        manifest: digest(&raw.manifest, raw.manifest.span())?,
        layers,
    })
}

fn digest(hex: &Spanned<String>, at: Range<usize>) -> Result<Digest, Fault> {
    Digest::from_hex(DigestAlgorithm::Sha256, hex.get_ref())
        .map_err(|invalid| Fault::new(at, invalid.to_string()))
}
