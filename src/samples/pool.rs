//! An HTTP/1.1 client with keep-alive connections.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

/// Idle connections for each host.
const MAX_IDLE: usize = 256;

/// How long an idle connection is kept: less than proxies keep it.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Connections to any address. Cheap to clone; clones share the connections.
pub(super) type Pool = Client<HttpConnector, Empty<Bytes>>;

/// A pool with this deadline for a connection.
pub(super) fn new(connect_deadline: Duration) -> Pool {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(connect_deadline));
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(MAX_IDLE)
        .build(connector)
}
