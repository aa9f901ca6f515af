//! Accepting connections: a listener that fails to accept one goes on.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

use crate::core::until::retry;

/// The pause after an error that lasts, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Waits for the next connection. It is safe to drop the future.
pub(crate) async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    retry(async || match listener.accept().await {
        Ok(connection) => ControlFlow::Break(connection),
        Err(error) => ControlFlow::Continue(match error.kind() {
            // The client is gone already.
            ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset => Duration::ZERO,
            _ => ACCEPT_PAUSE,
        }),
    })
    .await
}
