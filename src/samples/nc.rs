//! A connection by hand, for machines that lack `nc`.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncWriteExt as _, copy};
use tokio::net::TcpStream;

use crate::core::failure::{Failure, FailureKind, Result};

const CONNECT: Duration = Duration::from_secs(5);

/// Sends standard input to `address` and writes what comes back to standard output, until both ends are done.
/// A connection that ends without an answer to something that was sent is a failure.
pub async fn run(address: SocketAddr) -> Result<()> {
    let refused = |seen: String| Failure::failed(format!("cannot connect to {address}")).seen_text(seen);
    let stream = tokio::time::timeout(CONNECT, TcpStream::connect(address))
        .await
        .map_err(|_| refused(format!("no answer in {CONNECT:?}")).with_kind(FailureKind::DeadlinePassed))?
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
