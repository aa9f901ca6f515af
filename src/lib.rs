//! meshlab: a reproducible service-mesh lab.
#![cfg_attr(not(test), warn(clippy::unwrap_used))]

pub mod artifact;
pub(crate) mod assets;
pub mod cli;
pub mod command;
pub mod event;
pub mod failure;
pub mod lockfile;
pub mod model;
pub mod nearest;
