//! meshlab: a reproducible service-mesh lab.
#![cfg_attr(not(test), warn(clippy::unwrap_used))]

pub mod artifact;
pub mod cli;
pub mod command;
pub mod event;
pub mod failure;
pub mod lockfile;
pub mod model;
pub mod nearest;

#[cfg(test)]
#[allow(unreachable_pub, reason = "shared with the integration tests")]
#[path = "../tests/support/server.rs"]
mod fixture;
