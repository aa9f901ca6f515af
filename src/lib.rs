//! meshlab: a reproducible service-mesh lab.
#![cfg_attr(not(test), warn(clippy::unwrap_used))]

pub mod artifact;
pub(crate) mod assets;
pub mod cli;
pub mod command;
pub mod event;
pub mod failure;
pub mod http;
pub mod lab;
pub mod lockfile;
pub mod model;
pub mod nearest;
pub mod repo;
pub mod runtime;
pub mod signals;
pub mod state;
pub mod svc;
pub mod ui;

#[cfg(test)]
#[allow(unreachable_pub, reason = "shared with the integration tests")]
#[path = "../tests/support/server.rs"]
mod fixture;
