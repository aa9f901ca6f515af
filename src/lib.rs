//! meshlab: a reproducible service-mesh lab of real components.
//!
//! # Architecture
//!
//! Each layer uses those to its left only; `tests/architecture.rs` reads this line and holds every import against it.
//!
//! ```text
//! core <- artifacts <- machine <- mesh <- samples <- labs <- app <- main
//! ```
//!
//! - [`core`]: values that are valid once they exist, failures, events, settings.
//! - [`artifacts`]: the lock; download, verify, store, unpack, install; container images, bundles, the package repository.
//! - [`machine`]: where components run (host processes or containers), and the record of what runs.
//! - [`mesh`]: Consul, Nomad and Envoy: APIs, configuration, jobs, `why`, logs, traces.
//! - [`samples`]: the sample services, the dashboard, the load generator.
//! - [`labs`]: labs as data, the checks that prove a step, progress, benchmarks.
//! - [`app`]: the command line, one verb after the other; terminal, JSON and report output.
//!
//! Invariant: nothing runs that was not verified against a digest in the lock, and only `deps lock` writes digests.
//!
//! Invariant: a file or folder with its final name is complete. It grows under a temporary name and is renamed.
//!
//! Invariant: whatever a lab starts is recorded before it starts and carries the lab's mark or label, so `down` always
//! finds it.
//!
//! Invariant: every wait has a deadline and keeps its last observation; every loop, queue and output has a bound.
//!
//! Invariant: a token is in a file of mode 0600 and in the environment of commands a person would type; never in an
//! argument, in a job, or in the environment of a component.
//!
//! Invariant: the process environment is read in [`core::settings`] only, and standard streams are written in [`app::ui`]
//! only.
#![cfg_attr(not(test), warn(clippy::unwrap_used))]

pub mod app;
pub mod artifacts;
pub mod core;
pub mod labs;
pub mod machine;
pub mod mesh;
pub mod samples;
