//! Several images in one tar: an OCI layout, and an archive of Docker's at the same time.
//!
//! ```text
//! blobs/sha256/<hex>   configs, manifests and layers, each once
//! index.json, oci-layout   what OCI tools and containerd read
//! manifest.json            what `docker load` and podman read
//! ```

use std::collections::BTreeSet;
use std::io::Write;

use super::assembled::{Assembled, LayerOf};
use super::config::{self, Descriptor, DockerImage};
use super::tar::{self, Kind};
use crate::core::failure::{Failure, FailureKind, Result};
use crate::core::model::{Digest, Hashed};

const FOLDER: u32 = 0o755;
const PLAIN: u32 = 0o644;
const LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// Images on their way into one tar. Its length is known before it is written.
#[derive(Debug)]
pub struct Archive {
    members: Vec<Member>,
    size: u64,
}

#[derive(Debug)]
struct Member {
    name: String,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Folder,
    Bytes(Vec<u8>),
    Layer(LayerOf),
}

impl Archive {
    /// An archive of these images, of one platform.
    pub fn new(images: &[Assembled]) -> Result<Self> {
        let folder = |name: &str| Member { name: name.to_owned(), content: Content::Folder };
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
            let texts = texts.map(|(digest, text)| (digest, Content::Bytes(text.clone())));
            let layers = image.layers.iter().map(|layer| (layer.digest, Content::Layer(layer.clone())));
            for (digest, content) in texts.into_iter().chain(layers) {
                if seen.insert(digest) {
                    blobs.push(Member { name: blob(&digest), content });
                }
            }
        }
        let text =
            |name: &str, text: Vec<u8>| Member { name: name.to_owned(), content: Content::Bytes(text) };
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

    /// Its length.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Writes it. Every layer is hashed on its way; one that is not what it should be ends it, with its artifact's name.
    /// Blocks.
    pub fn write(&self, out: &mut dyn Write) -> Result<()> {
        for member in &self.members {
            out.write_all(&member.header()?)?;
            match &member.content {
                Content::Folder => {}
                Content::Bytes(bytes) => out.write_all(bytes)?,
                Content::Layer(layer) => stream(layer, out)?,
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
            Content::Folder => 0,
            Content::Bytes(bytes) => bytes.len() as u64,
            Content::Layer(layer) => layer.size,
        }
    }

    fn header(&self) -> Result<Vec<u8>> {
        match self.content {
            Content::Folder => tar::header(&self.name, FOLDER, Kind::Folder),
            _ => tar::header(&self.name, PLAIN, Kind::File(self.size())),
        }
    }
}

fn blob(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().name(), digest.hex())
}

fn stream(layer: &LayerOf, out: &mut dyn Write) -> Result<()> {
    let mut hashed = Hashed::new(out);
    layer.layer.write(&mut hashed)?;
    let (found, ..) = hashed.finish();
    if found == layer.digest {
        return Ok(());
    }
    let hint = if layer.of == "base" {
        "the lock was changed, or made by another version of meshlab: `meshlab deps lock` pins it anew"
            .to_owned()
    } else {
        format!(
            "`meshlab deps verify {0}` looks at it; `meshlab clean --tools` and `meshlab provision {0}` bring it anew",
            layer.of
        )
    };
    Err(Failure::new(
        FailureKind::Untrusted,
        format!("the image layer of {} is not the pinned one", layer.of),
    )
    .detail("expected", layer.digest.to_string())
    .observed(found.to_string())
    .hint(hint))
}
