//! Getting artifacts: download, verify, store, unpack.

pub mod store;
pub mod unpack;
