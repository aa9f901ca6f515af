//! The HTTP APIs of the control planes and of Envoy, as far as meshlab uses them: typed answers, a deadline on every call.

pub mod consul;
pub mod envoy;
pub mod nomad;
pub mod task_logs;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::time::Duration;

use hyper::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::core::failure::{Failure, FailureKind, Result};
use crate::core::http::{self, HttpError, HttpRequest, HttpResponse};
use crate::core::secret::Token;

/// The pause between two looks at a control plane.
pub(crate) const API_POLL_INTERVAL: Duration = Duration::from_millis(25);

/// How long an answer may take that nobody holds back on purpose.
pub(crate) const REQUEST_DEADLINE: Duration = Duration::from_secs(10);

/// An HTTP API that takes a token in a header.
#[derive(Debug, Clone)]
struct Api {
    /// `Consul` or `Nomad`, for errors.
    name: &'static str,
    address: SocketAddr,
    header: &'static str,
    token: Option<Token>,
}

impl Api {
    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        deadline: Duration,
    ) -> Result<HttpResponse, HttpError> {
        let token = self.token.as_ref().map(|token| (self.header, token.expose()));
        let headers: Vec<(&str, &str)> = token.into_iter().collect();
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        http::send(self.address, HttpRequest { method, path, headers: &headers, body, deadline }).await
    }

    /// A call that must succeed; the answer is read as JSON, and an empty one as `null`.
    async fn expect<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<T> {
        let answer = self
            .call(method.clone(), path, body, REQUEST_DEADLINE)
            .await
            .map_err(|error| self.unreachable(&error))?;
        self.read(&method, path, &answer)
    }

    fn read<T: DeserializeOwned>(&self, method: &Method, path: &str, answer: &HttpResponse) -> Result<T> {
        let path = path.split('?').next().unwrap_or_default();
        if answer.status != StatusCode::OK {
            return Err(self.refused(method, path, answer));
        }
        let bytes: &[u8] = if answer.body.is_empty() { b"null" } else { &answer.body };
        serde_json::from_slice(bytes).map_err(|error| {
            Failure::failed(format!(
                "{} answered {method} {path} with something else than expected",
                self.name
            ))
            .seen(&error)
            .hint(self.look_at_the_log())
        })
    }

    fn refused(&self, method: &Method, path: &str, answer: &HttpResponse) -> Failure {
        let failure = Failure::failed(format!("{} refused {method} {path}", self.name)).seen_text(format!(
            "{}: {}",
            answer.status,
            shortened(&answer.text())
        ));
        match answer.status {
            StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => {
                failure.hint("the token is missing or not enough: `meshlab shell` exports the lab's own")
            }
            _ => failure.hint(self.look_at_the_log()),
        }
    }

    fn look_at_the_log(&self) -> String {
        format!("`meshlab logs {}` shows what it says of itself", self.name.to_lowercase())
    }

    fn unreachable(&self, error: &HttpError) -> Failure {
        let kind = match error {
            HttpError::Failed(_) => FailureKind::Failed,
            HttpError::Timeout(_) => FailureKind::DeadlinePassed,
        };
        Failure::new(kind, format!("{} does not answer at {}", self.name, self.address))
            .seen(error)
            .hint("`meshlab status` tells what runs; `meshlab up` mends what does not")
    }
}

/// What a server said, fit for one line of an error.
fn shortened(text: &str) -> String {
    const MOST: usize = 600;
    let text = text.trim();
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
