//! The server: accepts connections, and shuts down cleanly.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::catalog::Catalog;
use super::connection;
use super::options::{Options, Shared};
use super::slots::{Slot, Slots};
use crate::core::accept::accept;
use crate::core::failure::{Failure, FailureKind, Result};

/// A server that listens. It handles requests once [`Server::run`] is called.
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
    /// Listens on an address. Port 0 selects a free port.
    pub async fn bind(listen: SocketAddr, catalog: Catalog, options: Options) -> Result<Self> {
        let failure = |error: io::Error| cannot_listen(listen, &error);
        let listener = TcpListener::bind(listen).await.map_err(failure)?;
        let address = listener.local_addr().map_err(failure)?;
        let Options { log, problems, limits } = options;
        Ok(Self { listener, address, shared: Arc::new(Shared { catalog, log, problems, limits }) })
    }

    /// The address that the server listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Handles requests until `shutdown`. Then accepts no more, and waits up to `limits.drain` for requests in
    /// progress.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let Self { listener, shared, .. } = self;
        let slots = Slots::new(shared.limits.connections);
        let mut connections = JoinSet::new();
        let mut shutdown = pin!(shutdown);
        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut shutdown => break,
                accepted = accept_slot(&listener, &slots) => accepted,
            };
            // Removes finished tasks.
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

/// Accepts a connection, then waits for a slot. A connection that waits closes an idle one.
async fn accept_slot(listener: &TcpListener, slots: &Arc<Slots>) -> Option<(TcpStream, Slot)> {
    let (stream, _) = accept(listener).await;
    Some((stream, slots.acquire().await?))
}

fn cannot_listen(listen: SocketAddr, error: &io::Error) -> Failure {
    let port = listen.port();
    let failure = |kind, message: String| Failure::new(kind, message).seen(error);
    match error.kind() {
        io::ErrorKind::AddrInUse => failure(
            FailureKind::Failed,
            format!("the package repository cannot listen on {listen}: port {port} is in use"),
        )
        .hint(format!("stop the process on that port (`ss -ltnp 'sport = :{port}'` shows it), or choose another port with --listen")),
        io::ErrorKind::PermissionDenied => failure(
            FailureKind::MissingRequirement,
            format!("the package repository has no permission to listen on {listen}"),
        )
        .hint("ports below 1024 need root; choose another port with --listen"),
        io::ErrorKind::AddrNotAvailable => failure(
            FailureKind::Usage,
            format!("this machine has no address {}", listen.ip()),
        )
        .hint("choose an address of this machine with --listen (`ip -brief address` lists them)"),
        _ => failure(FailureKind::Failed, format!("the package repository cannot listen on {listen}")),
    }
}
