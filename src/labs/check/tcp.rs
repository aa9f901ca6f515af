//! Bytes that come back, and bytes that must not.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::counter::{Bytes, Counter, Growth, Nothing};
use super::{Kind, Look, Mismatch, Place};
use crate::core::model::{Bounded, ByteSize, Port};

/// How long a closed connection may take to show. Longer silence is no refusal.
const REFUSAL: Duration = Duration::from_secs(3);

/// The most a lab may send in one check: 64 MiB. What was sent and what came back are both kept, to be compared.
const MOST_BYTES: i64 = 64 * 1024 * 1024;

/// What is sent over TCP comes back, byte for byte.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TcpEcho {
    port: Port,
    bytes: Bounded<usize, 1, MOST_BYTES>,
    #[serde(default, rename = "counter")]
    counters: Vec<Counter<Bytes>>,
}

impl Kind for TcpEcho {
    fn expected(&self) -> String {
        format!("{} sent to port {} come back unchanged", ByteSize(self.bytes.get() as u64), self.port)
    }

    fn look<'a>(&'a self, place: Place<'a>) -> BoxFuture<'a, Look> {
        Box::pin(async move {
            let bytes = self.bytes.get();
            let sent = random_bytes(bytes)?;
            let growth = Growth::before(&self.counters, place).await?;
            let received = exchange(place.at(self.port), &sent).await?;
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

/// A TCP connection is closed without an answer.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TcpDenied {
    port: Port,
    #[serde(default, rename = "counter")]
    counters: Vec<Counter<Nothing>>,
}

impl Kind for TcpDenied {
    fn expected(&self) -> String {
        format!("a connection to port {} is accepted and closed without an answer", self.port)
    }

    fn look<'a>(&'a self, place: Place<'a>) -> BoxFuture<'a, Look> {
        Box::pin(async move {
            const MESSAGE: &[u8] = b"is anybody there?";
            let growth = Growth::before(&self.counters, place).await?;
            let address = place.at(self.port);
            // A port where nobody listens would prove nothing about a rule.
            let mut stream =
                TcpStream::connect(address).await.map_err(|error| format!("{address}: {error}"))?;
            let mut answer = [0; 64];
            let read = async {
                // The other side may close before it has read anything: what counts is what comes back.
                let _ = stream.write_all(MESSAGE).await;
                stream.read(&mut answer).await
            };
            let how = match tokio::time::timeout(REFUSAL, read).await {
                Ok(Ok(0)) => "closed".to_owned(),
                Ok(Err(error)) if error.kind() == ErrorKind::ConnectionReset => "reset".to_owned(),
                Ok(Ok(length)) => return Err(format!("{length} bytes came back").into()),
                Ok(Err(error)) => return Err(error.to_string().into()),
                Err(_) => return Err(format!("neither an answer nor an end within {REFUSAL:?}").into()),
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

/// Sends everything, then says so; reads until the other side is done or has sent as much.
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
