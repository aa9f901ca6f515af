//! An HTTP/1.1 client that keeps its connections.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

/// Connections that are kept for the next call, and for how long: less than proxies keep them.
const MOST_KEPT: usize = 256;
const KEPT: Duration = Duration::from_secs(30);

/// Connections to any address. Cheap to clone; clones share them.
pub(super) type Pool = Client<HttpConnector, Empty<Bytes>>;

/// A pool that waits no longer than this for a connection.
pub(super) fn new(connect: Duration) -> Pool {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(connect));
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(KEPT)
        .pool_max_idle_per_host(MOST_KEPT)
        .build(connector)
}
