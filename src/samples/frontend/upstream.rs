//! Calls to add-svc and sub-svc, wherever their proxies listen.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::{Request, StatusCode, Uri};
use tokio::time::{Instant, timeout_at};

use crate::core::failure::cause_chain;
use crate::samples::arithmetic::EXECUTE;
use crate::samples::host_port::HostPort;
use crate::samples::integer;
use crate::samples::pool::Pool;
use crate::samples::server::{Call, Exchange, REQUEST_ID, TRACE_PARENT, X_INSTANCE, micros_between};

/// For one call, its connection included.
pub(super) const CALL: Duration = Duration::from_secs(2);
/// The longest answer that is read; an integer has 20 bytes, a proxy's complaint some more.
const LONGEST_ANSWER: usize = 16 * 1024;
/// What of a wrong answer is shown.
const SHOWN: usize = 200;
/// A path that no service has.
const NOTHING: &str = "/api/v1/no/such/path";

/// One of the services the frontend needs.
pub(super) struct Upstream {
    name: &'static str,
    address: HostPort,
    client: Pool,
}

/// What came back.
struct Answer {
    status: StatusCode,
    instance: Option<String>,
    body: Bytes,
}

impl Upstream {
    pub(super) fn new(name: &'static str, address: HostPort, client: Pool) -> Self {
        Self { name, address, client }
    }

    /// Has it calculated there; `Err` says what went wrong, on what.
    pub(super) async fn execute(
        &self,
        l: i64,
        r: i64,
        exchange: &mut Exchange,
        deadline: Instant,
    ) -> Result<i64, String> {
        self.call(format!("{EXECUTE}?l={l}&r={r}"), exchange, deadline, integer_of).await
    }

    /// Asks for what is not there, and says how that failed.
    pub(super) async fn ask_for_nothing(&self, exchange: &mut Exchange, deadline: Instant) -> String {
        let wrong = |answer: &Answer| Err::<(), _>(answered(answer));
        self.call(NOTHING.to_owned(), exchange, deadline, wrong).await.err().unwrap_or_default()
    }

    /// One call, noted in the exchange whatever comes of it.
    async fn call<T>(
        &self,
        path: String,
        exchange: &mut Exchange,
        deadline: Instant,
        read: impl FnOnce(&Answer) -> Result<T, String>,
    ) -> Result<T, String> {
        let (time, begun) = (SystemTime::now(), Instant::now());
        let own = begun + CALL;
        let answer = match timeout_at(own.min(deadline), self.get(&path, exchange)).await {
            Ok(answer) => answer,
            Err(_) if own <= deadline => Err(format!("no answer within {CALL:?}")),
            Err(_) => Err("no time was left for an answer, with all the calls before".to_owned()),
        };
        let micros = micros_between(begun.into_std(), std::time::Instant::now());
        let outcome = answer.as_ref().map_err(Clone::clone).and_then(read);
        let details = outcome
            .as_ref()
            .err()
            .map(|seen| format!("{} at {}, GET {path}: {seen}", self.name, self.address));
        let answer = answer.ok();
        exchange.calls.push(Call {
            time,
            upstream: self.name,
            to: self.address.to_string(),
            path,
            status: answer.as_ref().map(|answer| answer.status.as_u16()),
            micros,
            instance: answer.and_then(|answer| answer.instance),
            error: outcome.as_ref().err().cloned(),
        });
        outcome.map_err(|_| details.unwrap_or_default())
    }

    async fn get(&self, path: &str, exchange: &Exchange) -> Result<Answer, String> {
        let uri =
            Uri::builder().scheme("http").authority(self.address.authority()).path_and_query(path).build();
        let uri = uri.map_err(|error| cause_chain(&error))?;
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = uri;
        request.headers_mut().insert(REQUEST_ID, exchange.request_id().clone());
        if let Some(parent) = exchange.trace_parent() {
            request.headers_mut().insert(TRACE_PARENT, parent.clone());
        }
        let response = self.client.request(request).await.map_err(|error| cause_chain(&error))?;
        let status = response.status();
        let instance = response.headers().get(X_INSTANCE).and_then(|name| name.to_str().ok());
        let instance = instance.map(|name| name.chars().take(SHOWN).collect());
        let body = Limited::new(response.into_body(), LONGEST_ANSWER).collect().await;
        let body =
            body.map_err(|error| format!("{status}, and then {}", cause_chain(error.as_ref())))?.to_bytes();
        Ok(Answer { status, instance, body })
    }
}

fn integer_of(answer: &Answer) -> Result<i64, String> {
    if answer.status != StatusCode::OK {
        return Err(answered(answer));
    }
    // Services in other languages may end the line.
    let text = std::str::from_utf8(&answer.body).unwrap_or("not UTF-8");
    integer::parse(text.trim_ascii()).map_err(|error| format!("{}; that {error}", answered(answer)))
}

fn answered(answer: &Answer) -> String {
    let text = String::from_utf8_lossy(&answer.body);
    let mut letters = text.trim().chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    let shown: String = letters.by_ref().take(SHOWN).collect();
    if shown.is_empty() {
        return format!("answered {} with nothing", answer.status);
    }
    let cut = if letters.next().is_some() { "..." } else { "" };
    format!("answered {}: {shown}{cut}", answer.status)
}
