//! Strangers at a port of the mesh: they must not get in.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::counter::{Counter, Growth, Nothing};
use super::{Kind, Look, Place};
use crate::core::model::Port;
use crate::samples::stranger::{End, knock};

/// How long the other side may take to end a connection.
const PATIENCE: Duration = Duration::from_secs(3);

/// What a stranger says in plain text.
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: stranger\r\n\r\n";

/// Somebody without a certificate is not let in.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stranger {
    port: Port,
    speaks: Language,
    #[serde(default, rename = "counter")]
    counters: Vec<Counter<Nothing>>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Language {
    PlainText,
    Tls,
}

impl Kind for Stranger {
    fn expected(&self) -> String {
        match self.speaks {
            Language::PlainText => {
                format!(
                    "a connection to port {} is closed, and a request in plain text has no answer",
                    self.port
                )
            }
            Language::Tls => format!(
                "port {} shows its certificate, asks for one, and ends the connection since there is none",
                self.port
            ),
        }
    }

    fn look<'a>(&'a self, place: Place<'a>) -> BoxFuture<'a, Look> {
        Box::pin(async move {
            let growth = Growth::before(&self.counters, place).await?;
            let address = place.at(self.port);
            let mut evidence = match self.speaks {
                Language::PlainText => vec![in_plain_text(address).await?],
                Language::Tls => with_tls(address).await?,
            };
            evidence.extend(growth.after(0).await?);
            Ok(evidence)
        })
    }
}

async fn in_plain_text(address: SocketAddr) -> Result<String, String> {
    let words = |error: std::io::Error| format!("{address}: {error}");
    let mut stream = TcpStream::connect(address).await.map_err(words)?;
    let mut answer = Vec::new();
    let exchange = async {
        // The other side may close before it has read anything: what counts is what comes back.
        let _ = stream.write_all(REQUEST).await;
        let _ = (&mut stream).take(1024).read_to_end(&mut answer).await;
    };
    tokio::time::timeout(PATIENCE, exchange)
        .await
        .map_err(|_| format!("{address}: neither an answer nor an end within {PATIENCE:?}"))?;
    if answer.starts_with(b"HTTP/") {
        return Err(format!("{address} answered: {}", String::from_utf8_lossy(&answer)));
    }
    Ok(format!("connection to {address} accepted, then closed: {} bytes came back", answer.len()))
}

async fn with_tls(address: SocketAddr) -> Result<Vec<String>, String> {
    let met = knock(address).await?;
    let Some(server) = met.server else { return Err(format!("{address} showed no SPIFFE id")) };
    match met.end {
        End::Refused(why) => Ok(vec![format!("{address} showed {server}"), format!("and ended it: {why}")]),
        End::Closed => Err(format!("{address} showed {server}, and closed the connection without a word")),
        End::Answered => Err(format!("{address} showed {server}, and answered")),
    }
}
