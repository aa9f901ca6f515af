//! The data of one request while it is answered.

use std::time::{Instant, SystemTime};

use hyper::HeaderMap;
use hyper::header::HeaderValue;
use serde::{Serialize, Serializer};

use super::identity::{self, TRACE_PARENT};

/// One request: its ids, and the calls that were made for it.
#[derive(Debug)]
pub(in crate::samples) struct Exchange {
    begun: Instant,
    request_id: HeaderValue,
    trace_parent: Option<HeaderValue>,
    /// The calls to other services, in order.
    pub(in crate::samples) calls: Vec<Call>,
}

impl Exchange {
    pub(super) fn new(headers: &HeaderMap, begun: Instant) -> Self {
        Self {
            begun,
            request_id: identity::request_id(headers),
            trace_parent: headers.get(TRACE_PARENT).cloned(),
            calls: Vec::new(),
        }
    }

    /// The time at which the head of the request was complete.
    pub(in crate::samples) fn begun(&self) -> Instant {
        self.begun
    }

    /// The id to send with every call.
    pub(in crate::samples) fn request_id(&self) -> &HeaderValue {
        &self.request_id
    }

    /// The trace header to send with every call, if there is one.
    pub(in crate::samples) fn trace_parent(&self) -> Option<&HeaderValue> {
        self.trace_parent.as_ref()
    }
}

/// One call to another service, as in the access log.
#[derive(Debug, Serialize)]
pub(in crate::samples) struct Call {
    /// The start time.
    #[serde(serialize_with = "utc")]
    pub(in crate::samples) time: SystemTime,
    /// The service.
    pub(in crate::samples) upstream: &'static str,
    /// The address that was called.
    pub(in crate::samples) to: String,
    /// The path with its query.
    pub(in crate::samples) path: String,
    /// The answer's status. `None`: no answer.
    pub(in crate::samples) status: Option<u16>,
    /// The duration in microseconds.
    pub(in crate::samples) micros: u64,
    /// The instance that answered, from its header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::samples) instance: Option<String>,
    /// The error of a failed call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::samples) error: Option<String>,
}

/// `2026-11-24T06:37:16.123456Z`
pub(in crate::samples) fn utc<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    // Times before 1970 cannot be formatted.
    let time = humantime::format_rfc3339_micros((*time).max(SystemTime::UNIX_EPOCH));
    serializer.collect_str(&time)
}

/// Microseconds from one time to another.
pub(in crate::samples) fn micros_between(begun: Instant, ended: Instant) -> u64 {
    u64::try_from(ended.saturating_duration_since(begun).as_micros()).unwrap_or(u64::MAX)
}
