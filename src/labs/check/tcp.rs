//! The checks `tcp-echo` and `tcp-denied`.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::counter::{Bytes, Counter, Growth, Nothing};
use super::{CheckContext, CheckKind, Mismatch, ProbeResult};
use crate::core::model::{Bounded, ByteSize, Port};

/// How long the server may take to close a connection.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// The limit of `bytes`: 64 MiB. The sent and the received bytes are both in memory.
const MAX_BYTES: i64 = 64 * 1024 * 1024;

/// `tcp-echo`: random bytes come back unchanged.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TcpEcho {
    port: Port,
    bytes: Bounded<usize, 1, MAX_BYTES>,
    #[serde(default, rename = "counter")]
    counters: Vec<Counter<Bytes>>,
}

impl CheckKind for TcpEcho {
    fn expected(&self) -> String {
        format!("{} sent to port {} come back unchanged", ByteSize(self.bytes.get() as u64), self.port)
    }

    fn probe<'a>(&'a self, context: CheckContext<'a>) -> BoxFuture<'a, ProbeResult> {
        Box::pin(async move {
            let bytes = self.bytes.get();
            let sent = random_bytes(bytes)?;
            let growth = Growth::before(&self.counters, context).await?;
            let received = exchange(context.at(self.port), &sent).await?;
            if received != sent {
                let same = received.iter().zip(&sent).take_while(|(back, there)| back == there).count();
                return Err(format!(
                    "{} of {bytes} bytes came back, the first {same} unchanged",
                    received.len()
                )
                .into());
            }
            let mut evidence = vec![format!("{} there and back, unchanged", ByteSize(bytes as u64))];
            evidence.extend(growth.after(bytes as u64).await?);
            Ok(evidence)
        })
    }
}

/// `tcp-denied`: the server accepts a connection and closes it without an answer.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TcpDenied {
    port: Port,
    #[serde(default, rename = "counter")]
    counters: Vec<Counter<Nothing>>,
}

impl CheckKind for TcpDenied {
    fn expected(&self) -> String {
        format!("a connection to port {} is accepted and closed without an answer", self.port)
    }

    fn probe<'a>(&'a self, context: CheckContext<'a>) -> BoxFuture<'a, ProbeResult> {
        Box::pin(async move {
            const MESSAGE: &[u8] = b"hello?";
            let growth = Growth::before(&self.counters, context).await?;
            let address = context.at(self.port);
            // A port without a listener would prove nothing about an intention.
            let mut stream =
                TcpStream::connect(address).await.map_err(|error| format!("{address}: {error}"))?;
            let mut answer = [0; 64];
            let read = async {
                // Errors are ignored: the server may close the connection before it reads. Only the answer counts.
                let _ = stream.write_all(MESSAGE).await;
                stream.read(&mut answer).await
            };
            let how = match tokio::time::timeout(CLOSE_TIMEOUT, read).await {
                Ok(Ok(0)) => "closed".to_owned(),
                Ok(Err(error)) if error.kind() == ErrorKind::ConnectionReset => "reset".to_owned(),
                Ok(Ok(length)) => return Err(format!("{length} bytes came back").into()),
                Ok(Err(error)) => return Err(error.to_string().into()),
                Err(_) => {
                    return Err(format!(
                        "no answer, and the connection is still open after {CLOSE_TIMEOUT:?}"
                    )
                    .into());
                }
            };
            let mut evidence =
                vec![format!("connection to {address} accepted, then {how}: 0 bytes came back")];
            evidence.extend(growth.after(0).await?);
            Ok(evidence)
        })
    }
}

fn random_bytes(length: usize) -> std::io::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut bytes = Vec::with_capacity(length);
    let source = fs_err::File::open("/dev/urandom")?;
    source.take(length as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Sends everything and closes the sending side. Reads until the server closes, or one byte more than was sent.
async fn exchange(address: SocketAddr, sent: &[u8]) -> Result<Vec<u8>, Mismatch> {
    let words = |error: std::io::Error| format!("{address}: {error}");
    let mut stream = TcpStream::connect(address).await.map_err(words)?;
    let (mut from_peer, mut to_peer) = stream.split();
    let mut received = Vec::with_capacity(sent.len());
    let outward = async {
        to_peer.write_all(sent).await?;
        to_peer.shutdown().await
    };
    let mut limited = (&mut from_peer).take(sent.len() as u64 + 1);
    let inward = limited.read_to_end(&mut received);
    let (sending, receiving) = tokio::join!(outward, inward);
    match (sending, receiving) {
        (Ok(()), Ok(_)) => Ok(received),
        (Err(error), _) | (_, Err(error)) => {
            Err(format!("{address}: {error}, after {} of {} bytes had come back", received.len(), sent.len())
                .into())
        }
    }
}
