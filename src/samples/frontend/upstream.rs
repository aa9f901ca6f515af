//! Calls to add-svc and sub-svc.

use std::convert::Infallible;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::{Request, StatusCode, Uri};
use tokio::time::{Instant, timeout_at};

use crate::core::failure::cause_chain;
use crate::samples::arithmetic::EXECUTE;
use crate::samples::host_port::HostPort;
use crate::samples::integer::{self, IntegerError};
use crate::samples::pool::Pool;
use crate::samples::server::{Call, Exchange, REQUEST_ID, TRACE_PARENT, X_INSTANCE, micros_between};

/// The deadline of one call, connection included.
pub(super) const CALL_DEADLINE: Duration = Duration::from_secs(2);
/// The maximum length of an answer, in bytes. An integer has 20; a proxy's error has more.
const MAX_ANSWER_BYTES: usize = 16 * 1024;
/// The most of an unexpected answer that an error shows, in characters.
const MAX_SHOWN_CHARS: usize = 200;
/// A path that no service has.
const MISSING_PATH: &str = "/api/v1/no/such/path";

/// A service that the frontend calls.
pub(super) struct Upstream {
    name: &'static str,
    address: HostPort,
    client: Pool,
}

/// The answer to a call.
struct Answer {
    status: StatusCode,
    instance: Option<String>,
    body: Bytes,
}

impl Upstream {
    pub(super) fn new(name: &'static str, address: HostPort, client: Pool) -> Self {
        Self { name, address, client }
    }

    /// Calculates with a call.
    pub(super) async fn execute(
        &self,
        l: i64,
        r: i64,
        exchange: &mut Exchange,
        deadline: Instant,
    ) -> Result<i64, UpstreamError> {
        self.call(format!("{EXECUTE}?l={l}&r={r}"), exchange, deadline, integer_of).await
    }

    /// Calls a path that the service does not have, and returns the error.
    pub(super) async fn call_missing_path(
        &self,
        exchange: &mut Exchange,
        deadline: Instant,
    ) -> UpstreamError {
        let read = |answer: &Answer| Err::<Infallible, _>(CallError::Unexpected(describe(answer)));
        let Err(error) = self.call(MISSING_PATH.to_owned(), exchange, deadline, read).await;
        error
    }

    /// Makes one call, and records it in the exchange.
    async fn call<T>(
        &self,
        path: String,
        exchange: &mut Exchange,
        deadline: Instant,
        read: impl FnOnce(&Answer) -> Result<T, CallError>,
    ) -> Result<T, UpstreamError> {
        let (time, begun) = (SystemTime::now(), Instant::now());
        let own = begun + CALL_DEADLINE;
        let answer = match timeout_at(own.min(deadline), self.get(&path, exchange)).await {
            Ok(answer) => answer,
            Err(_) if own <= deadline => Err(CallError::Timeout),
            Err(_) => Err(CallError::NoTimeLeft),
        };
        let micros = micros_between(begun.into_std(), std::time::Instant::now());
        let (answer, outcome) = match answer {
            Ok(answer) => {
                let outcome = read(&answer);
                (Some(answer), outcome)
            }
            Err(error) => (None, Err(error)),
        };
        exchange.calls.push(Call {
            time,
            upstream: self.name,
            to: self.address.to_string(),
            path: path.clone(),
            status: answer.as_ref().map(|answer| answer.status.as_u16()),
            micros,
            instance: answer.and_then(|answer| answer.instance),
            error: outcome.as_ref().err().map(ToString::to_string),
        });
        let failed = |error| UpstreamError { service: self.name, address: self.address.clone(), path, error };
        outcome.map_err(failed)
    }

    async fn get(&self, path: &str, exchange: &Exchange) -> Result<Answer, CallError> {
        let uri =
            Uri::builder().scheme("http").authority(self.address.authority()).path_and_query(path).build();
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = uri?;
        request.headers_mut().insert(REQUEST_ID, exchange.request_id().clone());
        if let Some(parent) = exchange.trace_parent() {
            request.headers_mut().insert(TRACE_PARENT, parent.clone());
        }
        let response = self.client.request(request).await?;
        let status = response.status();
        let instance = response.headers().get(X_INSTANCE).and_then(|name| name.to_str().ok());
        let instance = instance.map(|name| name.chars().take(MAX_SHOWN_CHARS).collect());
        let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await;
        let body = body.map_err(|error| CallError::Body { status, error })?.to_bytes();
        Ok(Answer { status, instance, body })
    }
}

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
enum CallError {
    #[error("no answer within {CALL_DEADLINE:?}")]
    Timeout,
    #[error("the calls before left no time for an answer")]
    NoTimeLeft,
    #[error("{}", cause_chain(.0))]
    Address(#[from] hyper::http::Error),
    #[error("{}", cause_chain(.0))]
    Request(#[from] hyper_util::client::legacy::Error),
    #[error("{status}, then {}", cause_chain(.error.as_ref()))]
    Body { status: StatusCode, error: Box<dyn std::error::Error + Send + Sync> },
    #[error("{0}")]
    Unexpected(String),
    #[error("{answer}, which {error}")]
    Integer { answer: String, error: IntegerError },
}

/// A call that failed, and which.
#[derive(Debug, thiserror::Error)]
#[error("{service} at {address}, GET {path}: {error}")]
pub(super) struct UpstreamError {
    service: &'static str,
    address: HostPort,
    path: String,
    error: CallError,
}

fn integer_of(answer: &Answer) -> Result<i64, CallError> {
    if answer.status != StatusCode::OK {
        return Err(CallError::Unexpected(describe(answer)));
    }
    // Services in other languages may append a newline.
    let text = std::str::from_utf8(&answer.body).unwrap_or("not UTF-8");
    integer::parse(text.trim_ascii()).map_err(|error| CallError::Integer { answer: describe(answer), error })
}

fn describe(answer: &Answer) -> String {
    let text = String::from_utf8_lossy(&answer.body);
    let mut letters = text.trim().chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    let shown: String = letters.by_ref().take(MAX_SHOWN_CHARS).collect();
    if shown.is_empty() {
        return format!("answered {} with an empty body", answer.status);
    }
    let cut = if letters.next().is_some() { "..." } else { "" };
    format!("answered {}: {shown}{cut}", answer.status)
}
