//! A TLS client without a certificate: whom it meets at a port, and how it is sent away.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, Stream};

use crate::core::failure::{Failure, Result, cause_chain};

/// How long connecting, and each read, may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// What is asked for, should it come that far.
const REQUEST: &[u8] = b"GET / HTTP/1.0\r\n\r\n";

/// What became of a handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Met {
    /// The SPIFFE id in the certificate that the other side showed, if it showed one.
    pub server: Option<String>,
    /// How it ended.
    pub end: End,
}

/// How a visit ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The other side answered a request.
    Answered,
    /// It ended the connection, and said so.
    Refused(String),
    /// It ended the connection without a word.
    Closed,
}

/// Shakes hands with whoever listens, without a certificate and without any doubt about the other's.
pub async fn knock(address: SocketAddr) -> Result<Met, String> {
    let visit = tokio::task::spawn_blocking(move || visit(address));
    visit.await.map_err(|error| error.to_string())?
}

/// The same as lines for a person.
pub async fn describe(address: SocketAddr) -> Result<String> {
    let met = knock(address).await.map_err(|seen| {
        Failure::failed(format!("no TLS with {address}"))
            .seen_text(seen)
            .hint("does anybody listen there? `meshlab status` shows who listens where")
    })?;
    let server = met.server.unwrap_or_else(|| "nobody with a SPIFFE id".to_owned());
    let end = match met.end {
        End::Answered => "it answers a client without a certificate".to_owned(),
        End::Refused(why) => format!("it ends the connection: {why}"),
        End::Closed => "it closes the connection without a word".to_owned(),
    };
    Ok(format!("{address} is {server}\n{end}"))
}

fn visit(address: SocketAddr) -> Result<Met, String> {
    let words = |error: std::io::Error| format!("{address}: {error}");
    let mut socket = TcpStream::connect_timeout(&address, PATIENCE).map_err(words)?;
    socket.set_read_timeout(Some(PATIENCE)).map_err(words)?;
    let shown = Arc::new(Shown::default());
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&shown) as Arc<dyn ServerCertVerifier>)
        .with_no_client_auth();
    let name = ServerName::IpAddress(address.ip().into());
    let mut connection = ClientConnection::new(Arc::new(config), name).map_err(|error| error.to_string())?;
    let mut stream = Stream::new(&mut connection, &mut socket);
    // In TLS 1.3 the client is done before the server has looked for its certificate: only an answer tells.
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
        Err(error) => return Err(format!("{address}: {}", cause_chain(&error))),
    };
    Ok(Met { server: shown.spiffe_id(), end })
}

/// What the other side said when it ended the connection.
fn refusal(error: &std::io::Error) -> Option<String> {
    match error.get_ref()?.downcast_ref::<rustls::Error>()? {
        rustls::Error::AlertReceived(alert) => Some(format!("TLS alert {alert:?}")),
        _ => None,
    }
}

/// Takes every certificate, and remembers it: this client wants to see who is there, and tells nothing.
#[derive(Debug, Default)]
struct Shown {
    certificate: Mutex<Vec<u8>>,
}

impl Shown {
    fn spiffe_id(&self) -> Option<String> {
        spiffe_id(&self.certificate.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The SPIFFE id in a certificate: a URI among its alternative names, whose length stands before it.
fn spiffe_id(certificate: &[u8]) -> Option<String> {
    const SCHEME: &[u8] = b"spiffe://";
    let at = certificate.windows(SCHEME.len()).position(|part| part == SCHEME)?;
    let length = usize::from(*certificate.get(at.checked_sub(1)?)?);
    String::from_utf8(certificate.get(at..at + length)?.to_vec()).ok()
}

impl ServerCertVerifier for Shown {
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
    fn a_name_is_found_in_a_certificate() {
        let id = b"spiffe://d.consul/ns/default/dc/dc1/svc/echo";
        let mut certificate = vec![0x30, 0x82, 0x86, u8::try_from(id.len()).unwrap()];
        certificate.extend(id);
        certificate.extend([0x30, 0x0a]);
        assert_eq!(spiffe_id(&certificate).as_deref(), Some("spiffe://d.consul/ns/default/dc/dc1/svc/echo"));
        assert_eq!(spiffe_id(&certificate[..20]), None);
        assert_eq!(spiffe_id(b"spiffe://"), None);
    }

    #[tokio::test]
    async fn who_speaks_no_tls_is_told_apart() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            drop(stream);
        });
        let met = knock(address).await.unwrap();
        assert_eq!(met, Met { server: None, end: End::Closed });
    }
}
