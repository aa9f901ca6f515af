//! Forwards published ports into a lab's own network namespace, to the same ports inside.

use std::net::{SocketAddr, TcpListener as Listener};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::core::accept::accept;
use crate::core::failure::{Failure, Result};
use crate::core::model::LabAddress;
use crate::machine::host::netns;

/// The most connections per port; further ones wait until one of these ends.
const MOST_CONNECTIONS: usize = 256;

/// How long a connection to the port inside may take.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);

/// Listens on all ports outside and on `ready` too, forwards connections, and then listens on `ready` inside. Ends only by a
/// signal.
pub async fn serve(address: LabAddress, ready: u16, ports: Vec<u16>) -> Result<()> {
    let outside = ports.iter().chain([&ready]).map(|port| address.port(*port)).collect();
    for listener in listen_outside(outside)? {
        let inside = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        tokio::spawn(forward(TcpListener::from_std(listener)?, inside));
    }
    let ready = TcpListener::bind(address.port(ready)).await?;
    loop {
        // A client that connects has seen that all ports are open.
        drop(accept(&ready).await);
    }
}

/// A socket stays in the network namespace in which it was made. So a thread leaves the lab's, makes all sockets, and ends.
fn listen_outside(addresses: Vec<SocketAddr>) -> Result<Vec<Listener>> {
    let outside = std::thread::spawn(move || {
        netns::leave()?;
        let listen = |at: SocketAddr| {
            Listener::bind(at).map_err(|error| Failure::failed(format!("cannot listen on {at}")).seen(&error))
        };
        addresses.into_iter().map(listen).collect::<Result<Vec<_>>>()
    });
    outside
        .join()
        .unwrap_or_else(|_| Err(Failure::failed("the thread that opens the published ports panicked")))
}

async fn forward(listener: TcpListener, inside: SocketAddr) {
    let slots = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    while let Ok(slot) = Arc::clone(&slots).acquire_owned().await {
        let (mut client, _) = accept(&listener).await;
        tokio::spawn(async move {
            // Either side may close the connection at any time; the other side then sees its end.
            if let Ok(Ok(mut server)) = timeout(CONNECT_DEADLINE, TcpStream::connect(inside)).await {
                let _ = copy_bidirectional(&mut client, &mut server).await;
            }
            drop(slot);
        });
    }
}
