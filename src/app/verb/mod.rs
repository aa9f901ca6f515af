//! What each verb of the command line does, with settings that are resolved.

pub mod bench;
pub mod bundle;
pub mod clean;
pub mod click;
pub mod deps;
pub mod deps_lock;
pub mod doctor;
pub mod down;
pub mod image;
pub mod jobs;
pub mod lab;
pub mod load;
pub mod logs;
pub mod provision;
pub mod repo;
mod runtime;
pub mod shell;
pub mod status;
pub mod svc;
pub mod trace;
pub mod up;
pub mod why;

/// What a command has to say on standard output. `main` prints one of the two.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// For people; empty if the events have said everything.
    pub human: String,
    /// For programs, with a `schema` number.
    pub json: serde_json::Value,
}
