//! The HTTP server of the sample services: limits, access log, request ids, graceful shutdown.
//!
//! A [`Service`] defines its routes. The server adds `/health/state`, and `/fault` for services with fault injection
//! ([`Faults`]).
//!
//! Invariant: one client takes at most a connection, 16 KiB of head, 64 KiB of body, and a bounded time.

mod access;
mod activity;
mod body;
mod connection;
mod exchange;
mod fault;
mod identity;
mod log;
pub(super) mod reply;
#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

pub(super) use body::read_body;
pub(super) use exchange::{Call, Exchange, micros_between, utc};
pub(super) use fault::FAULT;
pub use fault::{Fault, FaultSpec, Faults};
pub use identity::{Instance, Version};
pub(super) use identity::{REQUEST_ID, TRACE_PARENT, X_INSTANCE};
pub use log::Printer;
pub(super) use reply::{GET, POST, Refusal, Reply};

use crate::core::accept::accept;
use crate::core::failure::{Failure, FailureKind, Result};
use access::Access;
use log::Log;

/// The routes of a service, without `/health/state` and `/fault`.
pub(super) trait Service: Send + Sync + 'static {
    /// The name of the service in Consul.
    fn name(&self) -> &'static str;

    /// Whether its access log lists its calls to other services.
    fn calls_others(&self) -> bool {
        false
    }

    /// Answers a request. Calls to other services are recorded in the exchange, which has the headers to forward.
    fn answer(
        &self,
        request: Request<Incoming>,
        exchange: &mut Exchange,
    ) -> impl Future<Output = Reply> + Send;
}

/// The limits of connections and clients.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at once. Further ones wait to be accepted.
    pub connections: usize,
    /// The deadline for the head of a request, from its first byte on.
    pub head: Duration,
    /// The longest pause between two requests, or in reading an answer. It is longer than the usual pauses of a proxy, so that
    /// the server rarely closes a connection just when a request arrives.
    pub idle: Duration,
    /// The deadline for requests in progress when the service stops.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            head: Duration::from_secs(5),
            idle: Duration::from_mins(2),
            drain: Duration::from_secs(2),
        }
    }
}

/// The options of a server.
pub struct Options {
    /// The address to listen on. Port 0 selects a free port.
    pub listen: SocketAddr,
    /// The name of this instance. `None`: the address it listens on.
    pub instance: Option<Instance>,
    /// The version of the service.
    pub version: Version,
    /// The fault of the service. `None`: no fault injection.
    pub faults: Option<Faults>,
    /// Prints the lines of the log.
    pub print: Printer,
    /// The limits of clients.
    pub limits: Limits,
}

/// The end of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped {
    /// The number of dropped lines of the log.
    pub dropped: u64,
}

/// The state that all connections share.
struct Shared<S> {
    service: S,
    version: Version,
    faults: Option<Faults>,
    access: Access,
    limits: Limits,
}

/// Serves requests until `shutdown`; then stops accepting, drains the requests in progress, and writes the log.
pub(super) async fn run<S: Service>(
    service: S,
    options: Options,
    shutdown: impl Future<Output = ()>,
) -> Result<Stopped> {
    let Options { listen, instance, version, faults, print, limits } = options;
    let name = service.name();
    let cannot = |error: io::Error| cannot_listen(name, listen, &error);
    let listener = TcpListener::bind(listen).await.map_err(cannot)?;
    let address = listener.local_addr().map_err(cannot)?;
    let mut shutdown = pin!(shutdown);
    // Registers for signals before the log line about listening: from then on a signal causes a graceful shutdown.
    if is_over(shutdown.as_mut()).await {
        return Ok(Stopped { dropped: 0 });
    }
    let instance = instance.unwrap_or_else(|| Instance::at(address));
    let access = Access::new(name, service.calls_others(), instance, Log::start(print)?);
    access.event(&access::Event::Listening { address });
    let shared = Arc::new(Shared { service, version, faults, access, limits });
    accept_until(shutdown, listener, &shared).await;
    shared.access.event(&access::Event::Stopped { requests: shared.access.requests() });
    let dropped = shared.access.close().await;
    Ok(Stopped { dropped })
}

async fn accept_until<S: Service>(
    mut shutdown: Pin<&mut impl Future<Output = ()>>,
    listener: TcpListener,
    shared: &Arc<Shared<S>>,
) {
    let slots = Arc::new(Semaphore::new(shared.limits.connections));
    let (stop, stopping) = watch::channel(false);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => {}
            accepted = accept_slot(&listener, &slots) => if let Some((stream, peer, slot)) = accepted {
                let (shared, stopping) = (Arc::clone(shared), stopping.clone());
                connections.spawn(async move {
                    connection::serve(stream, peer, shared, stopping).await;
                    drop(slot);
                });
            },
        }
    }
    drop(listener);
    // It fails only without connections.
    let _ = stop.send(true);
    let drained = async { while connections.join_next().await.is_some() {} };
    if timeout(shared.limits.drain, drained).await.is_err() {
        connections.shutdown().await;
    }
}

/// Waits for a free slot, then for a connection.
async fn accept_slot(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.ok()?;
    let (stream, peer) = accept(listener).await;
    Some((stream, peer, slot))
}

/// Polls a future once, which starts it.
async fn is_over(mut future: Pin<&mut impl Future<Output = ()>>) -> bool {
    std::future::poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_ready())).await
}

fn cannot_listen(service: &str, listen: SocketAddr, error: &io::Error) -> Failure {
    let (kind, hint) = match error.kind() {
        io::ErrorKind::AddrInUse => {
            (FailureKind::Failed, "`meshlab doctor` names the processes that own the labs' ports")
        }
        io::ErrorKind::PermissionDenied => {
            (FailureKind::MissingRequirement, "ports below 1024 need root; choose another with --listen")
        }
        io::ErrorKind::AddrNotAvailable => (
            FailureKind::Usage,
            "choose an address of this machine with --listen; `ip -brief address` lists them",
        ),
        _ => (FailureKind::Failed, "choose another address with --listen"),
    };
    Failure::new(kind, format!("{service} cannot listen on {listen}")).seen(error).hint(hint)
}
