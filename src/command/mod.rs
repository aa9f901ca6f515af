//! What each verb of the command line does: settings in, work done, data or a failure out.

pub mod clean;
pub mod deps;
pub mod lab;
pub mod provision;
mod table;

/// What a command has to say on standard output. `main` prints one of the two.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// For people; empty if the events have said everything.
    pub human: String,
    /// For programs, with a `schema` number.
    pub json: serde_json::Value,
}
