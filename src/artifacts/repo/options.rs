//! The options of a server: logs and limits.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::catalog::Catalog;

/// A handled request, for the access log. Method and path come from the client: escape them before printing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access<'a> {
    /// The method; empty if the request was invalid.
    pub method: &'a str,
    /// The target of the request line; empty if the request was invalid.
    pub path: &'a str,
    /// The status code.
    pub status: u16,
    /// The number of body bytes that were sent.
    pub bytes: u64,
    /// The time from reading the request to sending the response, in microseconds.
    pub micros: u64,
}

/// Writes a line of the access log. Several tasks call it concurrently, so it must not block for long.
pub type AccessLog = Arc<dyn Fn(&Access<'_>) + Send + Sync>;

/// Logs a problem for the operator of the server. Called like [`AccessLog`].
pub type ProblemLog = Arc<dyn Fn(&str) + Send + Sync>;

/// Limits on connections and times.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The most connections. A further one closes an idle connection, or waits.
    pub connections: usize,
    /// The time to receive the head of a request.
    pub head: Duration,
    /// The time between two requests on a connection.
    pub idle: Duration,
    /// How long a client may receive nothing of a response.
    pub stalled: Duration,
    /// The time for requests in progress when the server stops.
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

/// The options of a server.
#[derive(Clone, Default)]
pub struct Options {
    /// The access log.
    pub log: Option<AccessLog>,
    /// The log for problems that only the operator of the server can fix.
    pub problems: Option<ProblemLog>,
    /// The limits.
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

/// The state that all connections share.
pub(super) struct Shared {
    pub(super) catalog: Catalog,
    pub(super) log: Option<AccessLog>,
    pub(super) problems: Option<ProblemLog>,
    pub(super) limits: Limits,
}
