//! Getting artifacts: download, verify, store, unpack.

pub(crate) mod source;
pub mod store;
pub mod unpack;
