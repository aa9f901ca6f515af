//! The check `http`.

use std::time::Duration;

use futures_util::future::BoxFuture;
use hyper::Method;
use serde::Deserialize;
use serde_json::Value;

use super::counter::{Calls, Counter, Growth};
use super::{CheckContext, CheckKind, Mismatch, ProbeResult};
use crate::core::http::{self, HttpRequest};
use crate::core::model::{Bounded, HttpStatus, Port};

/// The deadline of one request.
const DEADLINE: Duration = Duration::from_secs(15);

/// The limit of `times`.
const MAX_TIMES: i64 = 10_000;

/// How many characters of an answer are shown.
const SHOWN: usize = 300;

/// Every request gets the expected answer, and the counters grow.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HttpCheck {
    #[serde(default)]
    method: HttpMethod,
    port: Port,
    path: String,
    /// Sent as JSON.
    body: Option<Value>,
    status: HttpStatus,
    /// Members of the JSON answer.
    json: Option<toml::Table>,
    /// Text in the answer.
    contains: Option<String>,
    times: Option<Bounded<u32, 1, MAX_TIMES>>,
    #[serde(default, rename = "counter")]
    counters: Vec<Counter<Calls>>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum HttpMethod {
    #[default]
    Get,
    Post,
    Put,
}

impl CheckKind for HttpCheck {
    fn expected(&self) -> String {
        let mut expected = format!("{} :{}{} answers {}", self.method(), self.port, self.path, self.status);
        if let Some(json) = self.expected_json() {
            expected = format!("{expected} with {json}");
        }
        if let Some(text) = &self.contains {
            expected = format!("{expected} with {text:?} in it");
        }
        if self.times() > 1 { format!("{expected}, {} times", self.times()) } else { expected }
    }

    fn probe<'a>(&'a self, context: CheckContext<'a>) -> BoxFuture<'a, ProbeResult> {
        Box::pin(async move {
            let growth = Growth::before(&self.counters, context).await?;
            let times = self.times();
            let mut last = String::new();
            for number in 1..=times {
                last = self.request(context).await.map_err(|wrong| {
                    if times > 1 { format!("request {number} of {times}: {wrong}").into() } else { wrong }
                })?;
            }
            let last = shortened(last.trim());
            let mut evidence = vec![match times {
                1 => format!("{} {last}", self.status),
                _ => format!("{times} times {} {last}", self.status),
            }];
            evidence.extend(growth.after(u64::from(times)).await?);
            Ok(evidence)
        })
    }
}

impl HttpCheck {
    fn method(&self) -> Method {
        match self.method {
            HttpMethod::Get => Method::GET,
            HttpMethod::Post => Method::POST,
            HttpMethod::Put => Method::PUT,
        }
    }

    fn times(&self) -> u32 {
        self.times.map_or(1, Bounded::get)
    }

    fn expected_json(&self) -> Option<Value> {
        self.json.as_ref().and_then(|json| serde_json::to_value(json).ok())
    }

    async fn request(&self, context: CheckContext<'_>) -> Result<String, Mismatch> {
        let at = context.at(self.port);
        let body = self.body.as_ref().map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let headers: &[(&str, &str)] =
            if self.body.is_some() { &[("Content-Type", "application/json")] } else { &[] };
        let call = HttpRequest { method: self.method(), path: &self.path, headers, body, deadline: DEADLINE };
        let answer = http::send(at, call).await.map_err(|error| format!("{at}: {error}"))?;
        let text = answer.text();
        if answer.status.as_u16() != self.status.get() {
            return Err(format!("{}: {}", answer.status, shortened(text.trim())).into());
        }
        if let Some(Value::Object(expected_json)) = self.expected_json() {
            let json: Value = serde_json::from_str(&text).unwrap_or_default();
            if let Some((name, _)) = expected_json.iter().find(|(name, value)| json.get(*name) != Some(value))
            {
                return Err(format!("{name} has a wrong value: {}", shortened(text.trim())).into());
            }
        }
        match &self.contains {
            Some(part) if !text.contains(part.as_str()) => {
                Err(format!("no {part:?} in: {}", shortened(text.trim())).into())
            }
            // Long pages are not shown.
            Some(part) if text.len() > SHOWN => Ok(format!("with {part:?}")),
            _ => Ok(text),
        }
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
