//! The config and the manifest of an image. Their digests identify the image, so the fields of the JSON have a fixed
//! order.

use std::collections::BTreeMap;

use serde::Serialize;

use super::LABEL;
use crate::artifacts::lockfile::{Artifact, Image};
use crate::core::failure::{Failure, Result};
use crate::core::model::{Digest, Platform};

pub(super) const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
const LAYER_TYPE: &str = "application/vnd.oci.image.layer.v1.tar";
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The creation time of all images. The real time would change the digest.
const EPOCH: &str = "1970-01-01T00:00:00Z";

#[derive(Serialize)]
#[allow(clippy::struct_field_names, reason = "the OCI format has this name")]
struct Config<'a> {
    created: &'a str,
    architecture: &'a str,
    os: &'a str,
    config: Process<'a>,
    rootfs: RootFs<'a>,
    history: Vec<History<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Process<'a> {
    env: [&'a str; 1],
    cmd: [&'a str; 1],
    working_dir: &'a str,
    labels: BTreeMap<&'a str, String>,
}

#[derive(Serialize)]
struct RootFs<'a> {
    r#type: &'a str,
    diff_ids: &'a [Digest],
}

/// The description of a layer, for `docker history`.
#[derive(Serialize)]
struct History<'a> {
    created: &'a str,
    created_by: String,
}

/// The config of an image. `layers` are the digests of the base layer and the artifacts' layers, in order.
pub(super) fn config(
    image: &Image,
    version: &str,
    platform: Platform,
    artifacts: &[&Artifact],
    layers: &[Digest],
) -> Result<Vec<u8>> {
    let mut licenses: Vec<&str> = artifacts.iter().map(|artifact| artifact.license.as_str()).collect();
    licenses.sort_unstable();
    licenses.dedup();
    let labels = BTreeMap::from([
        (LABEL, image.name.to_string()),
        ("org.opencontainers.image.description", image.summary.clone()),
        ("org.opencontainers.image.licenses", licenses.join(" AND ")),
        ("org.opencontainers.image.title", format!("meshlab {}", image.name)),
        ("org.opencontainers.image.version", version.to_owned()),
    ]);
    let base = std::iter::once("meshlab: base".to_owned());
    let others = artifacts.iter().map(|artifact| format!("meshlab: {} {}", artifact.name, artifact.version));
    json(&Config {
        created: EPOCH,
        architecture: platform.go_arch(),
        os: "linux",
        config: Process { env: [PATH], cmd: ["/bin/sh"], working_dir: "/", labels },
        rootfs: RootFs { r#type: "layers", diff_ids: layers },
        history: base.chain(others).map(|created_by| History { created: EPOCH, created_by }).collect(),
    })
}

/// A reference to a blob by its digest.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    media_type: &'static str,
    digest: Digest,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<DescribedPlatform>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<&'static str, String>,
}

#[derive(Debug, Clone, Serialize)]
struct DescribedPlatform {
    architecture: &'static str,
    os: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    schema_version: u32,
    media_type: &'static str,
    config: Descriptor,
    layers: Vec<Descriptor>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    schema_version: u32,
    media_type: &'static str,
    manifests: Vec<Descriptor>,
}

impl Descriptor {
    fn new(media_type: &'static str, digest: Digest, size: u64) -> Self {
        Self { media_type, digest, size, platform: None, annotations: BTreeMap::new() }
    }

    /// The entry of an image in an index, with its name for containerd and OCI tools.
    pub(super) fn image(manifest: &[u8], reference: &str, platform: Platform) -> Self {
        let tag = reference.rsplit_once(':').map_or(reference, |(_, tag)| tag);
        Self {
            platform: Some(DescribedPlatform { architecture: platform.go_arch(), os: "linux" }),
            annotations: BTreeMap::from([
                ("io.containerd.image.name", format!("docker.io/{reference}")),
                ("org.opencontainers.image.ref.name", tag.to_owned()),
            ]),
            ..Self::new(MANIFEST_TYPE, Digest::sha256_of(manifest), manifest.len() as u64)
        }
    }
}

/// The OCI manifest of an image.
pub(super) fn manifest(config: &[u8], layers: &[(Digest, u64)]) -> Result<Vec<u8>> {
    json(&Manifest {
        schema_version: 2,
        media_type: MANIFEST_TYPE,
        config: Descriptor::new(CONFIG_TYPE, Digest::sha256_of(config), config.len() as u64),
        layers: layers.iter().map(|(digest, size)| Descriptor::new(LAYER_TYPE, *digest, *size)).collect(),
    })
}

/// The index of an OCI layout.
pub(super) fn index(manifests: Vec<Descriptor>) -> Result<Vec<u8>> {
    json(&Index { schema_version: 2, media_type: "application/vnd.oci.image.index.v1+json", manifests })
}

/// An entry in `manifest.json` of a Docker archive.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DockerImage {
    pub(super) config: String,
    pub(super) repo_tags: [String; 1],
    pub(super) layers: Vec<String>,
}

pub(super) fn json(value: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|error| Failure::failed("cannot write JSON").seen(&error))
}
