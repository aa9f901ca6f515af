//! `refused-without-certificate`: a port of the mesh refuses a client that has no certificate.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::counter::{Counter, Growth, Nothing};
use super::{CheckContext, CheckKind, Mismatch, ProbeResult};
use crate::core::model::Port;
use crate::samples::tls_probe::{End, handshake};

/// How long the server may take to close a connection.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// The plain-text request.
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: client\r\n\r\n";

/// The server at `port` answers neither plain text nor TLS without a client certificate.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RefusedWithoutCertificate {
    port: Port,
    speaks: Protocol,
    #[serde(default, rename = "counter")]
    counters: Vec<Counter<Nothing>>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Protocol {
    PlainText,
    Tls,
}

impl CheckKind for RefusedWithoutCertificate {
    fn expected(&self) -> String {
        match self.speaks {
            Protocol::PlainText => {
                format!("port {} closes the connection without an answer to a plain-text request", self.port)
            }
            Protocol::Tls => format!(
                "port {} shows its certificate, requires one of the client, and ends the connection",
                self.port
            ),
        }
    }

    fn probe<'a>(&'a self, context: CheckContext<'a>) -> BoxFuture<'a, ProbeResult> {
        Box::pin(async move {
            let growth = Growth::before(&self.counters, context).await?;
            let address = context.at(self.port);
            let mut evidence = match self.speaks {
                Protocol::PlainText => vec![try_plain_text(address).await?],
                Protocol::Tls => try_tls(address).await?,
            };
            evidence.extend(growth.after(0).await?);
            Ok(evidence)
        })
    }
}

async fn try_plain_text(address: SocketAddr) -> Result<String, Mismatch> {
    let mut stream = TcpStream::connect(address).await.map_err(|error| format!("{address}: {error}"))?;
    let mut answer = Vec::new();
    let exchange = async {
        // Errors are ignored: the server may close the connection before it reads. Only the answer counts.
        let _ = stream.write_all(REQUEST).await;
        let _ = (&mut stream).take(1024).read_to_end(&mut answer).await;
    };
    tokio::time::timeout(CLOSE_TIMEOUT, exchange).await.map_err(|_| {
        format!("{address}: no answer, and the connection is still open after {CLOSE_TIMEOUT:?}")
    })?;
    if answer.starts_with(b"HTTP/") {
        return Err(format!("{address} answered: {}", String::from_utf8_lossy(&answer)).into());
    }
    Ok(format!("{address} accepted the connection and closed it after {} bytes", answer.len()))
}

async fn try_tls(address: SocketAddr) -> ProbeResult {
    let handshake = handshake(address).await.map_err(|error| error.to_string())?;
    let Some(server) = handshake.server else {
        return Err(format!("{address} showed no certificate with a SPIFFE id").into());
    };
    match handshake.end {
        End::Refused(alert) => {
            Ok(vec![format!("server certificate: {server}"), format!("connection refused with {alert}")])
        }
        End::Closed => Err(format!("{address} ({server}) closed the connection without a TLS alert").into()),
        End::Answered => Err(format!("{address} ({server}) answered without a client certificate").into()),
    }
}
