//! Answers of all services.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Response, StatusCode};
use serde::Serialize;

/// A complete answer.
pub(in crate::samples) type Reply = Response<Full<Bytes>>;

/// An answer that refuses a request. Boxed, so that a `Result` stays small.
pub(in crate::samples) type Refusal = Box<Reply>;

/// Methods of a path that is read.
pub(in crate::samples) const GET: [Method; 2] = [Method::GET, Method::HEAD];
/// Methods of a path that acts.
pub(in crate::samples) const POST: [Method; 1] = [Method::POST];

/// Status 200 with plain text.
pub(in crate::samples) fn text(text: String) -> Reply {
    whole(StatusCode::OK, HeaderValue::from_static("text/plain; charset=utf-8"), text.into())
}

/// An answer in JSON.
pub(in crate::samples) fn json(status: StatusCode, value: &impl Serialize) -> Reply {
    // Serialization fails only for maps with keys that are not strings, and there are none.
    let body = serde_json::to_vec(value).unwrap_or_default();
    whole(status, HeaderValue::from_static("application/json"), body.into())
}

/// An answer of any type.
pub(in crate::samples) fn whole(status: StatusCode, content_type: HeaderValue, body: Bytes) -> Reply {
    let mut reply = Response::new(Full::new(body));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, content_type);
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

/// An answer with an error status and its reason.
pub(in crate::samples) fn refuse(status: StatusCode, reason: &str) -> Refusal {
    #[derive(Serialize)]
    struct Refused<'a> {
        reason: &'a str,
    }
    Box::new(json(status, &Refused { reason }))
}

/// Status 404, with the paths that exist.
pub(in crate::samples) fn not_found(path: &str, available: &str) -> Refusal {
    let shown: String = path.chars().take(200).collect();
    refuse(StatusCode::NOT_FOUND, &format!("no such path: {shown}; available: {available}"))
}

/// Status 405 for every other method.
pub(in crate::samples) fn only(allowed: &[Method], method: &Method) -> Result<(), Refusal> {
    if allowed.contains(method) {
        return Ok(());
    }
    let allowed = allowed.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
    let mut reply =
        refuse(StatusCode::METHOD_NOT_ALLOWED, &format!("method {method} not allowed; use {allowed}"));
    if let Ok(value) = HeaderValue::from_str(&allowed) {
        reply.headers_mut().insert(ALLOW, value);
    }
    Err(reply)
}
