//! Answers, as all services give them.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Response, StatusCode};
use serde::Serialize;

/// A whole answer.
pub(in crate::samples) type Reply = Response<Full<Bytes>>;

/// An answer that says why not. Boxed, so that a `Result` stays small where all is well.
pub(in crate::samples) type Refusal = Box<Reply>;

/// What may be done with something that is only read.
pub(in crate::samples) const GET: [Method; 2] = [Method::GET, Method::HEAD];
/// What may be done with something that acts.
pub(in crate::samples) const POST: [Method; 1] = [Method::POST];

/// 200 with plain text.
pub(in crate::samples) fn text(text: String) -> Reply {
    whole(StatusCode::OK, HeaderValue::from_static("text/plain; charset=utf-8"), text.into())
}

/// JSON.
pub(in crate::samples) fn json(status: StatusCode, value: &impl Serialize) -> Reply {
    // Only a map with keys that are no text cannot be written, and there is none.
    let body = serde_json::to_vec(value).unwrap_or_default();
    whole(status, HeaderValue::from_static("application/json"), body.into())
}

/// Anything.
pub(in crate::samples) fn whole(status: StatusCode, content_type: HeaderValue, body: Bytes) -> Reply {
    let mut reply = Response::new(Full::new(body));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, content_type);
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

/// The client's fault, and which.
pub(in crate::samples) fn refuse(status: StatusCode, reason: &str) -> Refusal {
    #[derive(Serialize)]
    struct Told<'a> {
        reason: &'a str,
    }
    Box::new(json(status, &Told { reason }))
}

/// 404, and what there is instead.
pub(in crate::samples) fn nothing_at(path: &str, there_is: &str) -> Refusal {
    let shown: String = path.chars().take(200).collect();
    refuse(StatusCode::NOT_FOUND, &format!("nothing is at {shown}; there is {there_is}"))
}

/// 405 for every other method than these.
pub(in crate::samples) fn only(allowed: &[Method], method: &Method) -> Result<(), Refusal> {
    if allowed.contains(method) {
        return Ok(());
    }
    let allowed = allowed.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
    let mut reply = refuse(
        StatusCode::METHOD_NOT_ALLOWED,
        &format!("the method {method} does nothing here; use {allowed}"),
    );
    if let Ok(value) = HeaderValue::from_str(&allowed) {
        reply.headers_mut().insert(ALLOW, value);
    }
    Err(reply)
}
