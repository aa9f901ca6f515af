//! One HTTP/1.1 connection, within the limits.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::access::Event;
use super::activity::{Activity, Watched};
use super::identity::X_VERSION;
use super::reply::{self, GET, Reply};
use super::{Exchange, FAULT, REQUEST_ID, Service, Shared, X_INSTANCE};
use crate::core::failure::cause_chain;

const MAX_HEAD_BYTES: usize = 16 * 1024;
const MAX_HEADERS: usize = 64;
const HEALTH: &str = "/health/state";

/// The longest time between two checks whether a connection is overdue.
const MAX_CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Answers requests until the client closes the connection, a limit is exceeded, or the server stops.
pub(super) async fn serve<S: Service>(
    stream: TcpStream,
    peer: SocketAddr,
    shared: Arc<Shared<S>>,
    mut stopping: watch::Receiver<bool>,
) {
    // Answers are written in one piece: Nagle's algorithm would only delay them.
    let _ = stream.set_nodelay(true);
    let activity = Activity::new();
    let peer: Arc<str> = peer.to_string().into();
    let io = TokioIo::new(Watched { stream, activity: Arc::clone(&activity) });
    let service = service_fn(|request| {
        let (shared, activity, peer) = (Arc::clone(&shared), Arc::clone(&activity), Arc::clone(&peer));
        async move { Ok::<_, Infallible>(answer(request, &shared, &activity, peer).await) }
    });
    let connection = http1::Builder::new()
        .max_buf_size(MAX_HEAD_BYTES)
        .max_headers(MAX_HEADERS)
        .header_read_timeout(None)
        .serve_connection(io, service);
    let mut connection = pin!(connection);
    let mut checks = interval((shared.limits.head / 4).min(MAX_CHECK_INTERVAL).max(Duration::from_millis(1)));
    checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_stopping = false;
    loop {
        tokio::select! {
            ended = &mut connection => {
                if let Err(error) = ended && (error.is_parse() || error.is_parse_too_large()) {
                    shared.access.event(&Event::NotHttp { peer: &peer, seen: cause_chain(&error) });
                }
                return;
            }
            _ = stopping.changed(), if !is_stopping => {
                is_stopping = true;
                connection.as_mut().graceful_shutdown();
            }
            _ = checks.tick() => if activity.is_overdue(&shared.limits) {
                return;
            },
        }
    }
}

async fn answer<S: Service>(
    request: Request<Incoming>,
    shared: &Arc<Shared<S>>,
    activity: &Activity,
    peer: Arc<str>,
) -> Reply {
    let begun = Instant::now();
    activity.request_arrived(begun);
    let mut record = shared.access.begin(&request, peer, begun);
    let mut reply = reply_to(request, shared, record.exchange()).await;
    let headers = reply.headers_mut();
    headers.insert(X_VERSION, shared.version.header().clone());
    headers.insert(X_INSTANCE, shared.access.instance().header().clone());
    headers.insert(REQUEST_ID, record.exchange().request_id().clone());
    activity.answered(record.finish(&reply));
    reply
}

async fn reply_to<S: Service>(
    request: Request<Incoming>,
    shared: &Shared<S>,
    exchange: &mut Exchange,
) -> Reply {
    let is_health = request.uri().path() == HEALTH;
    if let Some(faults) = &shared.faults {
        if request.uri().path() == FAULT {
            return faults.control(request).await;
        }
        if let Some(reply) = faults.apply(is_health).await {
            return reply;
        }
    }
    if is_health { health(&request, shared) } else { shared.service.answer(request, exchange).await }
}

fn health<S: Service>(request: &Request<Incoming>, shared: &Shared<S>) -> Reply {
    #[derive(Serialize)]
    struct Health<'a> {
        status: &'static str,
        service: &'static str,
        instance: &'a str,
        version: &'a str,
        requests: u64,
        dropped_log_lines: u64,
    }
    let access = &shared.access;
    match reply::only(&GET, request.method()) {
        Err(refusal) => *refusal,
        Ok(()) => reply::json(
            StatusCode::OK,
            &Health {
                status: "up",
                service: shared.service.name(),
                instance: access.instance().name(),
                version: shared.version.text(),
                requests: access.requests(),
                dropped_log_lines: access.dropped(),
            },
        ),
    }
}
