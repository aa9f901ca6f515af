//! What the sample services share: listening, limits, the access log, request ids, an orderly end.
//!
//! A [`Service`] is its routes only. What is answered for it: `/health/state`, and `/fault`, where it can be made slow or
//! failing ([`Faults`]).
//!
//! Invariant: a client can take up a connection, 16 KiB of head, 64 KiB of body and a bounded time, and no more.

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
pub use fault::{Asked, Fault, Faults};
pub use identity::{Instance, Version};
pub(super) use identity::{REQUEST_ID, TRACE_PARENT, X_INSTANCE};
pub use log::Printer;
pub(super) use reply::{GET, POST, Refusal, Reply};

use crate::core::accept::accept;
use crate::core::failure::{Failure, FailureKind, Result};
use access::Access;
use log::Log;

/// The routes of a service. `/health/state` is answered for it.
pub(super) trait Service: Send + Sync + 'static {
    /// The name under which it is registered.
    fn name(&self) -> &'static str;

    /// Whether its access log tells the calls it made.
    fn calls_others(&self) -> bool {
        false
    }

    /// Answers a request. Calls to others are noted in the exchange, which also holds what to pass on.
    fn answer(
        &self,
        request: Request<Incoming>,
        exchange: &mut Exchange,
    ) -> impl Future<Output = Reply> + Send;
}

/// What a client may take up, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at once; further ones wait to be accepted.
    pub connections: usize,
    /// For the head of a request to arrive, from its first byte on.
    pub head: Duration,
    /// Between two requests, and for a client that takes nothing of its answer. Longer than a proxy pauses between two
    /// requests, so that it seldom sends one just when the connection is closed.
    pub idle: Duration,
    /// For requests under way when the service is stopped.
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

/// What any service needs to run.
pub struct Options {
    /// Where to listen; port 0 takes any that is free.
    pub listen: SocketAddr,
    /// Which of several instances this is; where it listens if nothing is said.
    pub instance: Option<Instance>,
    /// Which version it is.
    pub version: Version,
    /// What goes wrong on demand, if that may be asked for.
    pub faults: Option<Faults>,
    /// Takes the log's lines, some at a time.
    pub print: Printer,
    /// What clients may take up.
    pub limits: Limits,
}

/// How a service ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped {
    /// How many lines of the log nobody took.
    pub dropped: u64,
}

/// What all connections of a server share.
struct Shared<S> {
    service: S,
    version: Version,
    faults: Option<Faults>,
    access: Access,
    limits: Limits,
}

/// Answers requests until `shutdown`; then takes no more, gives those under way a moment, and writes out the log.
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
    // From now on a signal means an orderly end; whoever reads that it listens may rely on it.
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
    // Without receivers there is nobody to tell.
    let _ = stop.send(true);
    let drained = async { while connections.join_next().await.is_some() {} };
    if timeout(shared.limits.drain, drained).await.is_err() {
        connections.shutdown().await;
    }
}

/// The next connection, once there is room for it.
async fn accept_slot(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.ok()?;
    let (stream, peer) = accept(listener).await;
    Some((stream, peer, slot))
}

/// Looks once, and so has it begin to wait.
async fn is_over(mut future: Pin<&mut impl Future<Output = ()>>) -> bool {
    std::future::poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_ready())).await
}

fn cannot_listen(service: &str, listen: SocketAddr, error: &io::Error) -> Failure {
    let (kind, hint) = match error.kind() {
        io::ErrorKind::AddrInUse => (
            FailureKind::Failed,
            "is something else there? `meshlab doctor` names the holders of the labs' ports",
        ),
        io::ErrorKind::PermissionDenied => {
            (FailureKind::MissingRequirement, "ports below 1024 are for root; choose another with --listen")
        }
        io::ErrorKind::AddrNotAvailable => (
            FailureKind::Usage,
            "choose an address of this machine with --listen; `ip -brief address` lists them",
        ),
        _ => (FailureKind::Failed, "choose another address with --listen"),
    };
    Failure::new(kind, format!("{service} cannot listen on {listen}")).seen(error).hint(hint)
}
