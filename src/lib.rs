//! meshlab: a reproducible service-mesh lab of real components.
//!
//! # Architecture
//!
//! ```text
//! main -> cli -> command -> lab ------> runtime -> state
//!                   |        |             |
//!                   |        +-> check     +-> host   (processes, found again by their mark)
//!                   |        |             +-> docker (containers, found again by their labels) -> image
//!                   |        +-> vm        (Consul, Nomad, repository, load balancer; secrets, packages)
//!                   |
//!                   +-----> jobs       (a lab's Nomad jobs: started, seen through, stopped) -> api (Consul, Nomad)
//!                   +-----> why        (a call's way, hop by hop, and where it stops) -> api (Consul, Envoy)
//!                   +-----> bench, trace  (load and its figures; one call followed through all logs)
//!                   +-----> bundle     (the lock and its files in one file, out and in)
//!                   +-----> artifact --> source (mirror, url, pip, apt, go) -> download -> store -> unpack -> tool
//!                   +-----> repo       (serves the store over HTTP)
//!                   |
//!                 event -+-> ui        (terminal, plain lines, JSON: the only one that prints)
//!                        +-> report    (a lab's record as HTML, JSON and JUnit's XML)
//!
//! model, failure and lockfile are below all of them.
//! ```
//!
//! - [`model`]: values that cannot be wrong: digests, names, paths, addresses. Parsed at the edge.
//! - [`lockfile`]: `deps.lock` as fully valid entries, or an error with line and column.
//! - [`artifact`]: download, verify, store, unpack, install; one file per way to get bytes.
//! - [`lab`]: a lab is data (`labs/<number>-<slug>/lab.toml`); checks prove what a step claims.
//! - [`vm`]: the single-VM environment under a lab: configuration from `assets/vm`, tokens, published packages.
//! - [`jobs`]: a lab's Nomad jobs. [`api`]: Consul's and Nomad's HTTP APIs, typed. [`secret`]: tokens.
//! - [`why`]: the way from one service to another, and where it stops. [`bench`]: wrk, the components' CPU and memory, and
//!   the report.
//! - [`bundle`]: a whole lab as one deterministic file.
//! - [`runtime`]: starts, finds and ends components; observes when they are ready. `Machine` keeps the record and the
//!   deadlines, a `Runtime` does the rest: `host`, `docker`, and one that follows a script, for tests.
//! - [`runtime::host::apart`]: a network and mounts of a lab's own, for processes whose tasks have networks.
//! - [`image`]: container images from installed artifacts, every byte known beforehand. It knows nothing of Docker.
//! - [`state`]: what runs, on disk: one folder per address.
//! - [`repo`]: the package repository, read-only, over the store.
//! - [`logs`]: what components and Nomad's tasks write, across rotation; [`trace`]: one call's hops, found in it.
//! - [`svc`]: sample services and small clients that the labs' commands use.
//! - [`command`]: one file per verb. [`cli`]: what can be typed, and the settings that come of it.
//! - [`event`] and [`ui`]: what happens, as plain data; and how it looks. [`report`]: the same kept, and written to files.
//!
//! Invariant: nothing runs that was not verified against a digest in the lock, and only `deps lock` writes digests.
//!
//! Invariant: a file or folder with its final name is complete. It grows under another name and is renamed.
//!
//! Invariant: what a lab starts is recorded before it starts and carries the lab's mark, or its label, so `down` finds it
//! always.
//!
//! Invariant: every wait has a deadline and keeps what it saw last; every loop, queue and output has a bound.
//!
//! Invariant: a token is in a file of mode 0600 and in the environment of commands a person would type; never in an
//! argument, in a job, or in the environment of a component.
//!
//! Invariant: the environment of the process is read in [`cli`] only, and standard streams are written in [`ui`] only.
#![cfg_attr(not(test), warn(clippy::unwrap_used))]

pub mod api;
pub mod artifact;
pub(crate) mod assets;
pub mod bench;
pub(crate) mod beside;
pub mod bundle;
pub(crate) mod claim;
pub mod cli;
pub mod command;
pub mod event;
pub mod failure;
pub mod http;
pub mod image;
pub mod jobs;
pub mod lab;
pub mod lockfile;
pub mod logs;
pub mod model;
pub mod nearest;
pub mod repo;
pub mod report;
pub mod runtime;
pub mod secret;
pub mod signals;
pub mod state;
pub mod svc;
pub mod trace;
pub mod ui;
pub mod vm;
pub mod why;

#[cfg(test)]
#[allow(unreachable_pub, reason = "shared with the integration tests")]
#[path = "../tests/support/server.rs"]
mod fixture;
