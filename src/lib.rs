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
pub mod runtime;
pub mod signals;
pub mod state;
pub mod svc;
pub mod ui;
