//! The one place that embeds `assets/`.

use include_dir::{Dir, include_dir};

use crate::core::model::{Digest, DigestAlgorithm, Hasher, Slug};

static ASSETS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/assets");

/// A go.mod and its go.sum: the names and checksums of the modules that a build may use, and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GoWrapper {
    /// The bytes of go.mod.
    pub(crate) go_mod: &'static [u8],
    /// The bytes of go.sum.
    pub(crate) go_sum: &'static [u8],
}

impl GoWrapper {
    /// The digest of go.mod followed by go.sum, as `inputs` in the lock.
    pub(crate) fn digest(&self) -> Digest {
        let mut hasher = Hasher::new(DigestAlgorithm::Sha256);
        hasher.update(self.go_mod);
        hasher.update(self.go_sum);
        hasher.finish()
    }
}

/// A file of the dashboard's page; empty if there is none, which a test rules out.
pub(crate) fn dashboard(file: &str) -> &'static str {
    let found = ASSETS.get_file(format!("dashboard/{file}"));
    found.and_then(include_dir::File::contents_utf8).unwrap_or_default()
}

/// The wrapper below `assets/go` with this name.
pub(crate) fn go_wrapper(name: &Slug) -> Option<GoWrapper> {
    let bytes = |file: &str| ASSETS.get_file(format!("go/{name}/{file}")).map(include_dir::File::contents);
    Some(GoWrapper { go_mod: bytes("go.mod")?, go_sum: bytes("go.sum")? })
}

/// The script that has wrk make a call again and again.
pub(crate) fn bench_script() -> &'static [u8] {
    ASSETS.get_file("bench/compute.lua").map(include_dir::File::contents).unwrap_or_default()
}

/// A configuration template below `assets/vm`.
pub(crate) fn vm_file(name: &str) -> Option<&'static str> {
    ASSETS.get_file(format!("vm/{name}"))?.contents_utf8()
}

/// A file below `assets/image`: the contents of container images' base layer.
pub(crate) fn image_file(name: &str) -> Option<&'static str> {
    ASSETS.get_file(format!("image/{name}"))?.contents_utf8()
}

/// A file below `assets/lab`: the beginning of a lab, and how to write one.
pub(crate) fn lab_file(name: &str) -> Option<&'static str> {
    ASSETS.get_file(format!("lab/{name}"))?.contents_utf8()
}

/// Names of all wrappers.
pub(crate) fn go_wrappers() -> Vec<&'static str> {
    ASSETS
        .get_dir("go")
        .map(|folder| folder.dirs().filter_map(|wrapper| wrapper.path().file_name()?.to_str()).collect())
        .unwrap_or_default()
}
