//! A minimal `nc`, for machines without one.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncWriteExt as _, copy};
use tokio::net::TcpStream;

use crate::core::failure::{Failure, FailureKind, Result};

const CONNECT_DEADLINE: Duration = Duration::from_secs(5);

/// Copies standard input to `address` and the answer to standard output, until both sides have closed the connection.
/// Fails if bytes were sent and none came back.
pub async fn run(address: SocketAddr) -> Result<()> {
    let refused = |seen: String| Failure::failed(format!("cannot connect to {address}")).seen_text(seen);
    let stream = tokio::time::timeout(CONNECT_DEADLINE, TcpStream::connect(address))
        .await
        .map_err(|_| {
            refused(format!("no answer within {CONNECT_DEADLINE:?}")).with_kind(FailureKind::DeadlinePassed)
        })?
        .map_err(|error| refused(error.to_string()))?;
    let (mut from_peer, mut to_peer) = stream.into_split();
    let sending = async {
        let sent = copy(&mut tokio::io::stdin(), &mut to_peer).await?;
        to_peer.shutdown().await?;
        Ok::<u64, std::io::Error>(sent)
    };
    let receiving = async {
        let mut output = tokio::io::stdout();
        let received = copy(&mut from_peer, &mut output).await?;
        output.flush().await?;
        Ok::<u64, std::io::Error>(received)
    };
    let (outward, inward) = tokio::join!(sending, receiving);
    let closed = |seen: String| {
        Failure::failed(format!("{address} closed the connection without an answer")).seen_text(seen)
    };
    match (outward, inward) {
        (Ok(bytes), Ok(0)) if bytes > 0 => Err(closed(format!("{bytes} bytes sent, none came back"))),
        (_, Err(error)) | (Err(error), Ok(0)) => Err(closed(error.to_string())),
        _ => Ok(()),
    }
}
