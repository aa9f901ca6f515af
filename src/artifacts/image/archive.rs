//! Writes images into one tar archive, which is an OCI layout and a Docker archive at the same time.
//!
//! ```text
//! blobs/sha256/<hex>       configs, manifests and layers, each once
//! index.json, oci-layout   for OCI tools and containerd
//! manifest.json            for `docker load` and podman
//! ```

use std::collections::BTreeSet;
use std::io::Write;

use super::assembled::{AssembledImage, NamedLayer};
use super::config::{self, Descriptor, DockerImage};
use super::tar::{self, MemberKind};
use crate::core::failure::{Failure, FailureKind, Result};
use crate::core::model::{Digest, Hashed};

const FOLDER_MODE: u32 = 0o755;
const FILE_MODE: u32 = 0o644;
const LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// An archive of images to write. Its size is known before it is written.
#[derive(Debug)]
pub struct Archive {
    members: Vec<Member>,
    size: u64,
}

#[derive(Debug)]
struct Member {
    name: String,
    content: MemberContent,
}

#[derive(Debug)]
enum MemberContent {
    Folder,
    Bytes(Vec<u8>),
    Layer(NamedLayer),
}

impl Archive {
    /// Creates an archive of images for one platform.
    pub fn new(images: &[AssembledImage]) -> Result<Self> {
        let folder = |name: &str| Member { name: name.to_owned(), content: MemberContent::Folder };
        let mut blobs: Vec<Member> = Vec::new();
        let mut seen: BTreeSet<Digest> = BTreeSet::new();
        let (mut index, mut docker) = (Vec::new(), Vec::new());
        for image in images {
            index.push(Descriptor::image(&image.manifest, &image.identity.reference, image.platform));
            docker.push(DockerImage {
                config: blob(&image.identity.id),
                repo_tags: [image.identity.reference.clone()],
                layers: image.layers.iter().map(|layer| blob(&layer.digest)).collect(),
            });
            let texts = [(image.identity.id, &image.config), (image.identity.manifest_id, &image.manifest)];
            let texts = texts.map(|(digest, text)| (digest, MemberContent::Bytes(text.clone())));
            let layers = image.layers.iter().map(|layer| (layer.digest, MemberContent::Layer(layer.clone())));
            for (digest, content) in texts.into_iter().chain(layers) {
                if seen.insert(digest) {
                    blobs.push(Member { name: blob(&digest), content });
                }
            }
        }
        let text =
            |name: &str, text: Vec<u8>| Member { name: name.to_owned(), content: MemberContent::Bytes(text) };
        let mut members = vec![
            text("oci-layout", LAYOUT.to_vec()),
            text("index.json", config::index(index)?),
            text("manifest.json", config::json(&docker)?),
            folder("blobs"),
            folder("blobs/sha256"),
        ];
        members.append(&mut blobs);
        let mut size = tar::END;
        for member in &members {
            size += member.header()?.len() as u64 + member.size().next_multiple_of(tar::BLOCK);
        }
        Ok(Self { members, size })
    }

    /// The size of the archive in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Writes the archive. Hashes every layer while writing, and fails with the artifact's name if a digest does not
    /// match. Blocks.
    pub fn write(&self, out: &mut dyn Write) -> Result<()> {
        for member in &self.members {
            out.write_all(&member.header()?)?;
            match &member.content {
                MemberContent::Folder => {}
                MemberContent::Bytes(bytes) => out.write_all(bytes)?,
                MemberContent::Layer(layer) => write_layer(layer, out)?,
            }
            tar::pad(out, member.size())?;
        }
        tar::end(out)?;
        Ok(out.flush()?)
    }
}

impl Member {
    fn size(&self) -> u64 {
        match &self.content {
            MemberContent::Folder => 0,
            MemberContent::Bytes(bytes) => bytes.len() as u64,
            MemberContent::Layer(layer) => layer.size,
        }
    }

    fn header(&self) -> Result<Vec<u8>> {
        match self.content {
            MemberContent::Folder => tar::header(&self.name, FOLDER_MODE, MemberKind::Folder),
            _ => tar::header(&self.name, FILE_MODE, MemberKind::File(self.size())),
        }
    }
}

fn blob(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().name(), digest.hex())
}

fn write_layer(layer: &NamedLayer, out: &mut dyn Write) -> Result<()> {
    let mut hashed = Hashed::new(out);
    layer.layer.write(&mut hashed)?;
    let (found, ..) = hashed.finish();
    if found == layer.digest {
        return Ok(());
    }
    let hint = if layer.name == "base" {
        "deps.lock was edited or made by another version of meshlab: run `meshlab deps lock` to pin it again"
            .to_owned()
    } else {
        format!(
            "check the tool with `meshlab deps verify {0}`, or reinstall it with `meshlab clean --tools` and `meshlab provision {0}`",
            layer.name
        )
    };
    Err(Failure::new(
        FailureKind::Untrusted,
        format!("the image layer of {} does not have the pinned digest", layer.name),
    )
    .detail("expected", layer.digest.to_string())
    .observed(found.to_string())
    .hint(hint))
}
