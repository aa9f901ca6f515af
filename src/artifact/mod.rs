//! Getting artifacts: download, verify, store, unpack.

mod capacity;
pub(crate) mod download;
pub(crate) mod measure;
pub mod provision;
pub(crate) mod source;
pub mod store;
pub mod tool;
pub mod unpack;
pub(crate) mod work;
