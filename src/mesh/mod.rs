//! The mesh of a lab: Consul, Nomad and Envoy, what runs on them, and what they know.

pub mod api;
pub mod jobs;
pub mod logs;
pub mod trace;
pub mod vm;
pub mod why;
