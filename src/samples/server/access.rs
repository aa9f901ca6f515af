//! The access log: one JSON line for each request and each event of the service.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Instant, SystemTime};

use hyper::body::{Body as _, Incoming};
use hyper::{Method, Request, StatusCode, Uri};
use serde::Serialize;

use super::exchange::{Call, Exchange, micros_between, utc};
use super::identity::Instance;
use super::log::Log;
use super::reply::Reply;

/// The most of a path that is logged, in bytes.
const MAX_PATH_BYTES: usize = 2048;

/// Counts and logs requests.
pub(super) struct Access {
    service: &'static str,
    calls_others: bool,
    instance: Instance,
    log: Log,
    requests: AtomicU64,
}

/// An event of the service.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(super) enum Event<'a> {
    /// It accepts connections. Always the first line.
    Listening { address: SocketAddr },
    /// A client sent no valid HTTP, and got 400 or 431.
    NotHttp { peer: &'a str, seen: String },
    /// It has stopped.
    Stopped { requests: u64 },
}

#[derive(Serialize)]
struct EventLine<'a> {
    #[serde(serialize_with = "utc")]
    time: SystemTime,
    #[serde(flatten)]
    event: &'a Event<'a>,
    service: &'static str,
    instance: &'a str,
}

#[derive(Serialize)]
struct RequestLine<'a> {
    #[serde(serialize_with = "utc")]
    time: SystemTime,
    service: &'static str,
    instance: &'a str,
    request_id: &'a str,
    method: &'a str,
    path: &'a str,
    /// `None`: the client closed the connection before the answer.
    status: Option<u16>,
    bytes: u64,
    micros: u64,
    peer: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    calls: Option<&'a [Call]>,
}

impl Access {
    pub(super) fn new(service: &'static str, calls_others: bool, instance: Instance, log: Log) -> Self {
        Self { service, calls_others, instance, log, requests: AtomicU64::new(0) }
    }

    pub(super) fn instance(&self) -> &Instance {
        &self.instance
    }

    /// The number of requests.
    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Relaxed)
    }

    /// The number of dropped lines.
    pub(super) fn dropped(&self) -> u64 {
        self.log.dropped()
    }

    /// Writes the remaining lines, and returns the number of dropped ones.
    pub(super) async fn close(&self) -> u64 {
        self.log.close().await
    }

    pub(super) fn event(&self, event: &Event<'_>) {
        let (service, instance) = (self.service, self.instance.name());
        self.write(&EventLine { time: SystemTime::now(), event, service, instance });
    }

    /// Begins the record of a request. It is logged when it is finished or dropped.
    pub(super) fn begin(&self, request: &Request<Incoming>, peer: Arc<str>, begun: Instant) -> Record<'_> {
        self.requests.fetch_add(1, Relaxed);
        Record {
            access: self,
            time: SystemTime::now(),
            method: request.method().clone(),
            uri: request.uri().clone(),
            peer,
            exchange: Exchange::new(request.headers(), begun),
            outcome: None,
        }
    }

    fn write(&self, line: &impl Serialize) {
        // Nothing reads the log any more.
        if self.log.is_gone() {
            return self.log.drop_line();
        }
        let mut text = Vec::with_capacity(512);
        if serde_json::to_writer(&mut text, line).is_ok() {
            text.push(b'\n');
            self.log.write(&text);
        }
    }
}

/// A request in progress.
pub(super) struct Record<'a> {
    access: &'a Access,
    time: SystemTime,
    method: Method,
    uri: Uri,
    peer: Arc<str>,
    exchange: Exchange,
    outcome: Option<(StatusCode, u64, Instant)>,
}

impl Record<'_> {
    pub(super) fn exchange(&mut self) -> &mut Exchange {
        &mut self.exchange
    }

    /// Records the answer, and returns its time.
    pub(super) fn finish(mut self, reply: &Reply) -> Instant {
        let now = Instant::now();
        let bytes = if self.method == Method::HEAD { 0 } else { reply.body().size_hint().lower() };
        self.outcome = Some((reply.status(), bytes, now));
        now
    }
}

impl Drop for Record<'_> {
    fn drop(&mut self) {
        let (status, bytes, ended) = match self.outcome {
            Some((status, bytes, ended)) => (Some(status.as_u16()), bytes, ended),
            // The connection broke, and hyper dropped the answer's future.
            None => (None, 0, Instant::now()),
        };
        let path = self.uri.path_and_query().map_or("", |path| path.as_str());
        self.access.write(&RequestLine {
            time: self.time,
            service: self.access.service,
            instance: self.access.instance.name(),
            request_id: self.exchange.request_id().to_str().unwrap_or_default(),
            method: self.method.as_str(),
            path: &path[..path.floor_char_boundary(MAX_PATH_BYTES)],
            status,
            bytes,
            micros: micros_between(self.exchange.begun(), ended),
            peer: &self.peer,
            calls: self.access.calls_others.then_some(&self.exchange.calls),
        });
    }
}
