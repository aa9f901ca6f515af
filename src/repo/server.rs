//! Listening, limits, and an orderly end.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::catalog::Catalog;
use super::connection;
use super::slots::{Slot, Slots};
use crate::failure::{Failure, FailureKind, Result};

/// One request that was answered. Method and path are the client's words: not safe to print as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access<'a> {
    /// The method; empty where the request was not understood.
    pub method: &'a str,
    /// The target of the request line; empty where the request was not understood.
    pub path: &'a str,
    /// The status.
    pub status: u16,
    /// How many bytes of the body were sent.
    pub bytes: u64,
    /// From the request's last byte read to the answer's last byte handed to the system.
    pub micros: u64,
}

/// Takes a line of the access log. Called from several tasks at once; must not block for long.
pub type AccessLog = Arc<dyn Fn(&Access<'_>) + Send + Sync>;

/// Takes what whoever runs the server should know, a sentence each. Called like [`AccessLog`].
pub type ProblemLog = Arc<dyn Fn(&str) + Send + Sync>;

/// What a client may take up, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at once. Where one more comes, an idle one is closed; where none is idle, it waits.
    pub connections: usize,
    /// For the head of a request to arrive.
    pub head: Duration,
    /// Between two requests of a connection.
    pub idle: Duration,
    /// For a client that takes nothing of its answer.
    pub stalled: Duration,
    /// For requests under way when the server is stopped.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 512,
            head: Duration::from_secs(10),
            idle: Duration::from_mins(1),
            stalled: Duration::from_mins(1),
            drain: Duration::from_secs(5),
        }
    }
}

/// How a server behaves.
#[derive(Clone, Default)]
pub struct Options {
    /// Where requests are logged.
    pub log: Option<AccessLog>,
    /// Where problems are told that only whoever runs the server can mend.
    pub problems: Option<ProblemLog>,
    /// What clients may take up.
    pub limits: Limits,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("log", &self.log.is_some())
            .field("problems", &self.problems.is_some())
            .field("limits", &self.limits)
            .finish()
    }
}

/// What all connections share.
pub(super) struct Shared {
    pub(super) catalog: Catalog,
    pub(super) log: Option<AccessLog>,
    pub(super) problems: Option<ProblemLog>,
    pub(super) limits: Limits,
}

/// A server that listens, and answers as soon as it is run.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Server {
    /// Listens. Port 0 takes any that is free.
    pub async fn bind(listen: SocketAddr, catalog: Catalog, options: Options) -> Result<Self> {
        let cannot = |error: io::Error| cannot_listen(listen, &error);
        let listener = TcpListener::bind(listen).await.map_err(cannot)?;
        let address = listener.local_addr().map_err(cannot)?;
        let Options { log, problems, limits } = options;
        Ok(Self { listener, address, shared: Arc::new(Shared { catalog, log, problems, limits }) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers requests until `shutdown`; then takes no more, and gives those under way `limits.drain`.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let Self { listener, shared, .. } = self;
        let slots = Slots::new(shared.limits.connections);
        let mut connections = JoinSet::new();
        let mut shutdown = pin!(shutdown);
        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut shutdown => break,
                accepted = accept(&listener, &slots) => accepted,
            };
            // Those that have ended: never more than there are slots.
            while connections.try_join_next().is_some() {}
            if let Some((stream, slot)) = accepted {
                let shared = Arc::clone(&shared);
                connections.spawn(async move { connection::serve(stream, &shared, &slot).await });
            }
        }
        drop(listener);
        slots.close();
        let drained = async { while connections.join_next().await.is_some() {} };
        if timeout(shared.limits.drain, drained).await.is_err() {
            connections.shutdown().await;
        }
    }
}

/// The next connection, and a slot for it. It is taken before there is one: that it waits is what makes room.
async fn accept(listener: &TcpListener, slots: &Arc<Slots>) -> Option<(TcpStream, Slot)> {
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, slots.take().await?)),
        Err(error) => {
            // The client may be gone already. With no descriptors left, trying again at once would only burn time.
            if !matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
                sleep(Duration::from_millis(50)).await;
            }
            None
        }
    }
}

fn cannot_listen(listen: SocketAddr, error: &io::Error) -> Failure {
    let port = listen.port();
    let failure = |kind, message: String| Failure::new(kind, message).seen(error);
    match error.kind() {
        io::ErrorKind::AddrInUse => failure(
            FailureKind::Failed,
            format!("the package repository cannot listen on {listen}: port {port} is in use"),
        )
        .hint(format!("stop what listens there (`ss -ltnp 'sport = :{port}'` names it), or choose another port with --listen")),
        io::ErrorKind::PermissionDenied => failure(
            FailureKind::MachineLacks,
            format!("the package repository may not listen on {listen}"),
        )
        .hint("ports below 1024 are for root; choose another with --listen"),
        io::ErrorKind::AddrNotAvailable => failure(
            FailureKind::Usage,
            format!("this machine has no address {}", listen.ip()),
        )
        .hint("choose one of its own with --listen; `ip -brief address` lists them"),
        _ => failure(FailureKind::Failed, format!("the package repository cannot listen on {listen}")),
    }
}
