//! A TLS client without a certificate: which certificate a server shows, and how it ends the connection.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, Stream};

use crate::core::failure::{Failure, Result, cause_chain};

/// The deadline of the connection, and of each read.
const IO_DEADLINE: Duration = Duration::from_secs(3);

/// What the client sends after its handshake.
const REQUEST: &[u8] = b"GET / HTTP/1.0\r\n\r\n";

/// The outcome of a handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handshake {
    /// The SPIFFE id in the server's certificate, if it has one.
    pub server: Option<String>,
    /// How the connection ended.
    pub end: End,
}

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The server answered the request.
    Answered,
    /// The server refused the client with this TLS alert.
    Refused(String),
    /// The server closed the connection without a TLS alert.
    Closed,
}

/// Why there was no handshake.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The connection failed.
    #[error("{0}: {reason}", reason = cause_chain(.1))]
    Io(SocketAddr, std::io::Error),
    /// The client cannot be configured.
    #[error(transparent)]
    Tls(#[from] rustls::Error),
    /// The thread of the client failed.
    #[error(transparent)]
    Thread(#[from] tokio::task::JoinError),
}

/// Connects by TLS without a client certificate. The server's certificate is not verified.
pub async fn handshake(address: SocketAddr) -> Result<Handshake, HandshakeError> {
    tokio::task::spawn_blocking(move || connect(address)).await?
}

/// Connects as [`handshake`] does and describes the outcome in two lines.
pub async fn describe(address: SocketAddr) -> Result<String> {
    let handshake = handshake(address).await.map_err(|error| {
        Failure::failed(format!("TLS handshake with {address} failed"))
            .seen(&error)
            .hint("`meshlab status` shows the ports of the lab's components")
    })?;
    let server = handshake.server.unwrap_or_else(|| "a server without a SPIFFE id".to_owned());
    let end = match handshake.end {
        End::Answered => "it answers a client without a certificate".to_owned(),
        End::Refused(alert) => format!("it ends the connection: {alert}"),
        End::Closed => "it closes the connection without a TLS alert".to_owned(),
    };
    Ok(format!("{address} is {server}\n{end}"))
}

fn connect(address: SocketAddr) -> Result<Handshake, HandshakeError> {
    let failed = |error| HandshakeError::Io(address, error);
    let mut socket = TcpStream::connect_timeout(&address, IO_DEADLINE).map_err(failed)?;
    socket.set_read_timeout(Some(IO_DEADLINE)).map_err(failed)?;
    let recorder = Arc::new(Recorder::default());
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&recorder) as Arc<dyn ServerCertVerifier>)
        .with_no_client_auth();
    let name = ServerName::IpAddress(address.ip().into());
    let mut connection = ClientConnection::new(Arc::new(config), name)?;
    let mut stream = Stream::new(&mut connection, &mut socket);
    // In TLS 1.3 the client's handshake ends before the server checks for a client certificate: only an answer is proof.
    let mut answer = [0; 64];
    let outcome = stream.write_all(REQUEST).and_then(|()| stream.read(&mut answer));
    let end = match outcome {
        Ok(0) => End::Closed,
        Ok(_) => End::Answered,
        Err(error) if refusal(&error).is_some() => End::Refused(refusal(&error).unwrap_or_default()),
        Err(error)
            if error.kind() == ErrorKind::UnexpectedEof || error.kind() == ErrorKind::ConnectionReset =>
        {
            End::Closed
        }
        Err(error) => return Err(failed(error)),
    };
    Ok(Handshake { server: recorder.spiffe_id(), end })
}

/// The TLS alert with which the server ended the connection.
fn refusal(error: &std::io::Error) -> Option<String> {
    match error.get_ref()?.downcast_ref::<rustls::Error>()? {
        rustls::Error::AlertReceived(alert) => Some(format!("TLS alert {alert:?}")),
        _ => None,
    }
}

/// A verifier that accepts every certificate and stores it: this client sends no secret.
#[derive(Debug, Default)]
struct Recorder {
    certificate: Mutex<Vec<u8>>,
}

impl Recorder {
    fn spiffe_id(&self) -> Option<String> {
        spiffe_id(&self.certificate.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The SPIFFE id in a certificate: a URI among its alternative names, after a byte with its length.
fn spiffe_id(certificate: &[u8]) -> Option<String> {
    const SCHEME: &[u8] = b"spiffe://";
    let at = certificate.windows(SCHEME.len()).position(|part| part == SCHEME)?;
    let length = usize::from(*certificate.get(at.checked_sub(1)?)?);
    String::from_utf8(certificate.get(at..at + length)?.to_vec()).ok()
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.certificate.lock().unwrap_or_else(PoisonError::into_inner) = certificate.to_vec();
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spiffe_id_of_a_certificate_is_found() {
        let id = b"spiffe://d.consul/ns/default/dc/dc1/svc/echo";
        let mut certificate = vec![0x30, 0x82, 0x86, u8::try_from(id.len()).unwrap()];
        certificate.extend(id);
        certificate.extend([0x30, 0x0a]);
        assert_eq!(spiffe_id(&certificate).as_deref(), Some("spiffe://d.consul/ns/default/dc/dc1/svc/echo"));
        assert_eq!(spiffe_id(&certificate[..20]), None);
        assert_eq!(spiffe_id(b"spiffe://"), None);
    }

    #[tokio::test]
    async fn a_server_without_tls_closes_the_connection() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            drop(stream);
        });
        let expected = Handshake { server: None, end: End::Closed };
        assert_eq!(handshake(address).await.unwrap(), expected);
    }
}
