//! The environment of lab 2 through the binary, with the real Consul, Nomad, Envoy and nginx: used as a person would, and
//! broken on purpose; as processes and as containers.
//!
//! Two environments run at a time at most. The tools come from the user's own folders, or are provisioned first.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "tests")]
#![allow(clippy::zombie_processes, reason = "a test that fails leaves the rest to the system")]

mod containers;
mod environment;
mod everyday;
#[path = "../lab/harness.rs"]
mod harness;
mod languages;
mod left_behind;
mod lesson;
mod mending;
mod neighbours;
mod offline;
mod rights;
mod sockets;
#[path = "../support/mod.rs"]
mod support;
mod trace;

const TOOLS: &[&str] = &["consul", "nomad", "envoy", "nginx", "wrk"];
