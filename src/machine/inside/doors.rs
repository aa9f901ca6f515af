//! The doors of a lab that has a network of its own: ports outside of it that lead to the same ports inside.

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
use crate::machine::host::apart;

/// Of each door; more connections wait until one of these ends.
const MOST_CONNECTIONS: usize = 256;

/// How long a connection may take to arrive inside.
const ARRIVAL: Duration = Duration::from_secs(10);

/// Opens all doors and one more, behind which `ready` is heard inside once they are open; passes on what comes in until it is
/// stopped.
pub async fn serve(address: LabAddress, ready: u16, ports: Vec<u16>) -> Result<()> {
    let doors = ports.iter().chain([&ready]).map(|port| address.port(*port)).collect();
    let listeners = open(doors)?;
    for listener in listeners {
        let inside = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        tokio::spawn(attend(TcpListener::from_std(listener)?, inside));
    }
    let bell = TcpListener::bind(address.port(ready)).await?;
    loop {
        // Whoever connects has learned what there is to learn.
        drop(accept(&bell).await);
    }
}

/// A socket stays in the network in which it was made, so a thread goes there, makes all of them, and ends.
fn open(doors: Vec<SocketAddr>) -> Result<Vec<Listener>> {
    let outside = std::thread::spawn(move || {
        apart::leave()?;
        let open = |at: SocketAddr| {
            Listener::bind(at).map_err(|error| Failure::failed(format!("cannot listen on {at}")).seen(&error))
        };
        doors.into_iter().map(open).collect::<Result<Vec<_>>>()
    });
    outside.join().unwrap_or_else(|_| Err(Failure::failed("the thread that opens the doors is gone")))
}

async fn attend(door: TcpListener, inside: SocketAddr) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        let (mut guest, _) = accept(&door).await;
        tokio::spawn(async move {
            // Either side may end it at any time; the other one sees that it is over.
            if let Ok(Ok(mut host)) = timeout(ARRIVAL, TcpStream::connect(inside)).await {
                let _ = copy_bidirectional(&mut guest, &mut host).await;
            }
            drop(place);
        });
    }
}
