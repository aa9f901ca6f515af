//! The load test: wrk against the running lab, what its components use meanwhile, and a report of both.
//!
//! - [`plan`]: the load, the targets and the files, checked before anything runs.
//! - [`wrk`] and [`block`]: wrk as a process, and what it printed as a typed value.
//! - [`crate::core::numbers::histogram`]: latencies and their percentiles.
//! - [`sample`] and [`timeline`]: CPU and memory of every component, from /proc, in bounded memory.
//! - [`compare`]: targets that take turns, side by side.
//! - [`service`]: services in several languages, each on its own.
//! - [`report`]: all of it as data, as JSON and as a page.

pub mod block;
pub mod compare;
mod component;
pub mod machine;
pub mod plan;
pub mod probe;
pub mod report;
pub mod sample;
pub mod service;
pub mod timeline;
pub mod wrk;
