//! `meshlab bench`: load tests with wrk, and the CPU and memory of the lab's components during the load.
//!
//! - [`plan`]: the load and the targets, checked before anything runs.
//! - [`probe`]: one call that checks a target's answer before the load.
//! - [`wrk`] and [`block`]: runs wrk, and parses its output.
//! - [`sampler`] and [`timeline`]: CPU and memory of every component, from /proc, in bounded memory.
//! - [`compare`]: several targets in alternating rounds.
//! - [`service`]: figures of each sample service on its own.
//! - [`report`]: the result as JSON and as an HTML page.

pub mod block;
pub mod compare;
mod component;
pub mod machine;
pub mod plan;
pub mod probe;
pub mod report;
pub mod sampler;
pub mod service;
pub mod timeline;
pub mod wrk;
