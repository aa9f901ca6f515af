//! Artifacts, the pinned files of `deps.lock`: download, verify, store, unpack, and serve them.

pub mod bundle;
mod capacity;
pub(crate) mod deps_lock;
pub(crate) mod download;
pub mod image;
pub mod lockfile;
pub(crate) mod measure;
pub mod provision;
#[cfg(test)]
mod real_clients;
pub mod repo;
pub(crate) mod source;
pub mod store;
pub mod tool;
pub mod unpack;
pub(crate) mod work;
