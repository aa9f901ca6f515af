//! Docker. Only files in this folder name bollard's types.

pub mod images;
