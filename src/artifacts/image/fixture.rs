//! Images of small tools, for tests.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use camino::Utf8Path;
use fs_err as fs;

use super::{AssembledImage, assemble};
use crate::artifacts::lockfile::Lock;
use crate::artifacts::lockfile::edit::LockEdit;
use crate::artifacts::store::Store;
use crate::artifacts::tool::Tools;
use crate::core::model::{Digest, Platform};

pub(crate) const PLATFORM: Platform = Platform::LinuxX86_64;

/// A lock with two images of two tools, and the installed tools.
pub(crate) struct Scene {
    pub(crate) lock: Lock,
    pub(crate) tools: Tools,
    _folder: tempfile::TempDir,
}

impl Scene {
    /// `edit` changes the lock's text after the images are pinned.
    pub(crate) fn new(edit: impl Fn(String) -> String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        let (store, tools) = (Store::new(&root.join("cache")), Tools::new(root));
        let mut text = "version = 1\n".to_owned();
        for (name, kind) in [("box", "url"), ("tool", "url")] {
            let content = format!("I am {name}");
            let digest = Digest::sha256_of(content.as_bytes());
            store.prepare(&digest).unwrap();
            fs::write(store.path_of(&digest), &content).unwrap();
            let _ = writeln!(
                text,
                "[[artifact]]\nname = \"{name}\"\nversion = \"1:2+{name}\"\nlicense = \"MIT\"\nsummary = \"s\"\ncommands = {{ {name} = \"{name}\" }}\n\
                 [[artifact.source]]\nkind = \"{kind}\"\nplatform = \"{PLATFORM}\"\n[[artifact.source.file]]\nurl = \"https://example.org/{name}\"\n\
                 sha256 = \"{}\"\nsize = {}\ninstall = \"{name}\"",
                digest.hex(),
                content.len()
            );
        }
        text.push_str(
            "[[image]]\nname = \"both\"\nsummary = \"two\"\ncontents = [\"box\", \"tool\"]\ntag = [\"box\", \"tool\"]\n\
             [[image]]\nname = \"tool\"\nsummary = \"one\"\ncontents = [\"tool\"]\n",
        );
        let lock = Lock::parse(&text, "deps.lock").unwrap();
        let mut installed = Vec::new();
        for artifact in &lock.artifacts {
            installed.push(tools.install(artifact, &artifact.sources[0], &store).unwrap());
        }
        let mut known = BTreeMap::new();
        let mut edited = LockEdit::parse(&text, "deps.lock").unwrap();
        for (number, image) in lock.images.iter().enumerate() {
            let pin = super::measure(&lock, image, PLATFORM, &installed, &mut known).unwrap();
            edited.set_image_pin(image, number, &pin).unwrap();
        }
        let lock = Lock::parse(&edit(edited.text()), "deps.lock").unwrap();
        Self { lock, tools, _folder: folder }
    }

    pub(crate) fn images(&self) -> Vec<AssembledImage> {
        assemble(&self.lock, PLATFORM, &self.tools, &[]).unwrap()
    }
}
