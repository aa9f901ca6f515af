//! Builds container images from pinned artifacts, without Dockerfile, base image or registry.
//!
//! ```text
//! lock + installed tools -> layer (one per artifact, on a generated base) -> config, manifest -> archive -> Docker or a file
//! ```
//!
//! Invariant: the same lock always produces the same bytes. Entries are sorted, times are 0, the owner is root, and
//! modes are normalized. So image ids are known in advance, and `deps.lock` pins them.
//!
//! Invariant: an artifact's layer is the same in every image, whatever the layers below.
//!
//! Invariant: files are streamed from the installed tools to the target. Every layer is hashed while it is written, and
//! compared with its pin. No copy is kept in memory or on disk.

mod archive;
mod assembled;
mod config;
mod content;
mod digest_cache;
#[cfg(test)]
pub(crate) mod fixture;
mod layer;
mod layout;
mod packed;
mod tar;
#[cfg(test)]
mod tests;

pub use archive::Archive;
pub use assembled::{AssembledImage, ImageIdentity, artifacts, assemble, reference};
pub(crate) use assembled::{LayerDigests, measure};
pub use layout::path_inside;
pub(crate) use packed::pack;

/// The label of every image that meshlab builds. Its value is the image's name in the lock.
pub const LABEL: &str = "meshlab.image";
/// The repository of all images, as in `meshlab/consul:1.22.7`.
pub const REPOSITORY: &str = "meshlab";
