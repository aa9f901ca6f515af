//! The files of `assets/`, embedded in the binary.

use include_dir::{Dir, include_dir};

use crate::core::model::{Digest, DigestAlgorithm, Hasher, Slug};

static ASSETS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/assets");

/// A Go module without code: its go.mod and go.sum pin the modules that a `go build` may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GoWrapper {
    /// The content of go.mod.
    pub(crate) go_mod: &'static [u8],
    /// The content of go.sum.
    pub(crate) go_sum: &'static [u8],
}

impl GoWrapper {
    /// The digest of go.mod followed by go.sum; `inputs` in `deps.lock`.
    pub(crate) fn digest(&self) -> Digest {
        let mut hasher = Hasher::new(DigestAlgorithm::Sha256);
        hasher.update(self.go_mod);
        hasher.update(self.go_sum);
        hasher.finish()
    }
}

/// A file of `assets/dashboard`, or an empty string. A test checks that every file in use exists.
pub(crate) fn dashboard(file: &str) -> &'static str {
    let found = ASSETS.get_file(format!("dashboard/{file}"));
    found.and_then(include_dir::File::contents_utf8).unwrap_or_default()
}

/// The Go wrapper in `assets/go/<name>`.
pub(crate) fn go_wrapper(name: &Slug) -> Option<GoWrapper> {
    let bytes = |file: &str| ASSETS.get_file(format!("go/{name}/{file}")).map(include_dir::File::contents);
    Some(GoWrapper { go_mod: bytes("go.mod")?, go_sum: bytes("go.sum")? })
}

/// The Lua script for wrk that sends the benchmark's request.
pub(crate) fn bench_script() -> &'static [u8] {
    ASSETS.get_file("bench/compute.lua").map(include_dir::File::contents).unwrap_or_default()
}

/// A configuration template in `assets/vm`.
pub(crate) fn vm_file(name: &str) -> Option<&'static str> {
    ASSETS.get_file(format!("vm/{name}"))?.contents_utf8()
}

/// A file in `assets/image`: part of the base layer of container images.
pub(crate) fn image_file(name: &str) -> Option<&'static str> {
    ASSETS.get_file(format!("image/{name}"))?.contents_utf8()
}

/// A file in `assets/lab`: the template of a new lab, or the guide to writing one.
pub(crate) fn lab_file(name: &str) -> Option<&'static str> {
    ASSETS.get_file(format!("lab/{name}"))?.contents_utf8()
}

/// The names of all Go wrappers.
pub(crate) fn go_wrappers() -> Vec<&'static str> {
    ASSETS
        .get_dir("go")
        .map(|folder| folder.dirs().filter_map(|wrapper| wrapper.path().file_name()?.to_str()).collect())
        .unwrap_or_default()
}
