//! Container images, put together from pinned artifacts: no Dockerfile, no base image, no registry.
//!
//! ```text
//! lock + installed tools -> layer (one per artifact, on a generated base) -> config, manifest -> archive -> Docker or a file
//! ```
//!
//! Invariant: the same lock makes the same bytes on any machine at any time: entries are sorted, times are 0, owners are
//! root, modes are two. So an image's id is known beforehand, and `deps.lock` pins it.
//!
//! Invariant: an artifact's layer is the same in every image, whatever lies below it.
//!
//! Invariant: bytes go from the installed files straight to where they are wanted, and every layer is hashed on its way
//! and compared with its pin. Nothing is kept in memory or beside.

mod archive;
mod assembled;
mod config;
mod content;
#[cfg(test)]
pub(crate) mod fixture;
mod layer;
mod measured;
mod packed;
mod place;
mod tar;
#[cfg(test)]
mod tests;

pub use archive::Archive;
pub use assembled::{Assembled, Identity, artifacts, assemble, reference};
pub(crate) use assembled::{LayerDigests, measure};
pub(crate) use packed::pack;
pub use place::path_inside;

/// The label of every image made here; its value is the image's name in the lock.
pub const LABEL: &str = "meshlab.image";
/// The repository of all images, as in `meshlab/consul:1.22.7`.
pub const REPOSITORY: &str = "meshlab";
