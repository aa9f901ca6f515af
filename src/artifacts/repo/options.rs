//! What whoever runs the server decides, and what all its connections share of it: what is served, what clients may take
//! up, and who is told.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::catalog::Catalog;

/// One request that was answered. Method and path are the client's words: not safe to print as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access<'a> {
    /// The method; empty where the request was not understood.
    pub method: &'a str,
    /// The target of the request line; empty where the request was not understood.
    pub path: &'a str,
    /// The status.
    pub status: u16,
    /// How many bytes of the body were sent.
    pub bytes: u64,
    /// From the request's last byte read to the answer's last byte handed to the system.
    pub micros: u64,
}

/// Takes a line of the access log. Called from several tasks at once; must not block for long.
pub type AccessLog = Arc<dyn Fn(&Access<'_>) + Send + Sync>;

/// Takes what whoever runs the server should know, a sentence each. Called like [`AccessLog`].
pub type ProblemLog = Arc<dyn Fn(&str) + Send + Sync>;

/// What a client may take up, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at once. Where one more comes, an idle one is closed; where none is idle, it waits.
    pub connections: usize,
    /// For the head of a request to arrive.
    pub head: Duration,
    /// Between two requests of a connection.
    pub idle: Duration,
    /// For a client that takes nothing of its answer.
    pub stalled: Duration,
    /// For requests under way when the server is stopped.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 512,
            head: Duration::from_secs(10),
            idle: Duration::from_mins(1),
            stalled: Duration::from_mins(1),
            drain: Duration::from_secs(5),
        }
    }
}

/// How a server behaves.
#[derive(Clone, Default)]
pub struct Options {
    /// Where requests are logged.
    pub log: Option<AccessLog>,
    /// Where problems are told that only whoever runs the server can mend.
    pub problems: Option<ProblemLog>,
    /// What clients may take up.
    pub limits: Limits,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("log", &self.log.is_some())
            .field("problems", &self.problems.is_some())
            .field("limits", &self.limits)
            .finish()
    }
}

/// What all connections share.
pub(super) struct Shared {
    pub(super) catalog: Catalog,
    pub(super) log: Option<AccessLog>,
    pub(super) problems: Option<ProblemLog>,
    pub(super) limits: Limits,
}
