//! Getting artifacts: download, verify, store, unpack.

pub(crate) mod measure;
pub(crate) mod source;
pub mod store;
