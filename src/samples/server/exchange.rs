//! What belongs to one request while it is answered.

use std::time::{Instant, SystemTime};

use hyper::HeaderMap;
use hyper::header::HeaderValue;
use serde::{Serialize, Serializer};

use super::identity::{self, TRACE_PARENT};

/// One request: who it is, and what was done for it.
#[derive(Debug)]
pub(in crate::samples) struct Exchange {
    begun: Instant,
    request_id: HeaderValue,
    trace_parent: Option<HeaderValue>,
    /// What others were asked, in order.
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

    /// When the head of the request was complete.
    pub(in crate::samples) fn begun(&self) -> Instant {
        self.begun
    }

    /// To be passed on in every call.
    pub(in crate::samples) fn request_id(&self) -> &HeaderValue {
        &self.request_id
    }

    /// To be passed on as it is, if there is one.
    pub(in crate::samples) fn trace_parent(&self) -> Option<&HeaderValue> {
        self.trace_parent.as_ref()
    }
}

/// One call to another service, as the access log tells it.
#[derive(Debug, Serialize)]
pub(in crate::samples) struct Call {
    /// When it began.
    #[serde(serialize_with = "utc")]
    pub(in crate::samples) time: SystemTime,
    /// The service meant.
    pub(in crate::samples) upstream: &'static str,
    /// Where it was sought.
    pub(in crate::samples) to: String,
    /// What was asked.
    pub(in crate::samples) path: String,
    /// The answer's status; none if there was no answer.
    pub(in crate::samples) status: Option<u16>,
    /// How long it took.
    pub(in crate::samples) micros: u64,
    /// Which instance answered, if it said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::samples) instance: Option<String>,
    /// What was wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::samples) error: Option<String>,
}

/// `2026-11-24T06:37:16.123456Z`
pub(in crate::samples) fn utc<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    // A clock before 1970 is wrong in any case.
    let time = humantime::format_rfc3339_micros((*time).max(SystemTime::UNIX_EPOCH));
    serializer.collect_str(&time)
}

/// Microseconds since then.
pub(in crate::samples) fn micros_between(begun: Instant, ended: Instant) -> u64 {
    u64::try_from(ended.saturating_duration_since(begun).as_micros()).unwrap_or(u64::MAX)
}
