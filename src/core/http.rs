//! An HTTP client for the lab's own components on loopback: no TLS, no proxy, no redirects, a deadline on each request.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// The longest response body, in bytes. Envoy's full configuration dump is far smaller.
const MAX_BODY: usize = 16 * 1024 * 1024;

/// A complete HTTP response.
#[derive(Debug, Clone)]
pub struct HttpResponse {
    /// The status code.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, at most 16 MiB.
    pub body: Bytes,
}

impl HttpResponse {
    /// The body as text, with replacement characters where it is not UTF-8.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Why a request got no response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// The connection was refused or broken, or the response is not the expected one.
    #[error("{0}")]
    Failed(String),
    /// No complete response before the deadline.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
}

/// An HTTP request.
#[derive(Debug, Clone)]
pub struct HttpRequest<'a> {
    /// For example GET.
    pub method: Method,
    /// Starts with `/`; may have a query string.
    pub path: &'a str,
    /// Names and values; `Host` and `Connection` are added.
    pub headers: &'a [(&'a str, &'a str)],
    /// Empty for none.
    pub body: Vec<u8>,
    /// From connecting to the last byte of the response.
    pub deadline: Duration,
}

/// Sends a request without extra headers on a new connection. `path` starts with `/` and may have a query string.
pub async fn request(
    method: Method,
    address: SocketAddr,
    path: &str,
    body: Vec<u8>,
    deadline: Duration,
) -> Result<HttpResponse, HttpError> {
    send(address, HttpRequest { method, path, headers: &[], body, deadline }).await
}

/// Sends a request on a new connection.
pub async fn send(address: SocketAddr, request: HttpRequest<'_>) -> Result<HttpResponse, HttpError> {
    let HttpRequest { method, path, headers, body, deadline } = request;
    let started = Instant::now();
    let asked = method.clone();
    let exchange = async {
        let stream = TcpStream::connect(address).await.map_err(|error| broken(&error))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| broken(&error))?;
        let request = headers
            .iter()
            .fold(Request::builder(), |request, (name, value)| request.header(*name, *value))
            .method(method)
            .uri(path)
            .header(hyper::header::HOST, address.to_string())
            .header(hyper::header::CONNECTION, "close")
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| broken(&error))?;
        let answer = async {
            let response = sender.send_request(request).await.map_err(|error| broken(&error))?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, MAX_BODY).collect().await;
            let body = body.map_err(|error| HttpError::Failed(error.to_string()))?.to_bytes();
            Ok(HttpResponse { status: head.status, headers: head.headers, body })
        };
        // The connection has to be driven while the answer is read; both end together.
        tokio::pin!(answer);
        tokio::select! {
            answer = &mut answer => answer,
            ended = connection => match ended {
                Ok(()) => answer.await,
                Err(error) => Err(broken(&error)),
            },
        }
    };
    let answer = tokio::time::timeout(deadline, exchange).await.unwrap_or(Err(HttpError::Timeout(deadline)));
    let millis = started.elapsed().as_millis();
    match &answer {
        Ok(answer) => {
            let (status, bytes) = (answer.status.as_u16(), answer.body.len());
            tracing::debug!("{asked} {address}{path} status={status} bytes={bytes} millis={millis}");
        }
        Err(error @ HttpError::Timeout(_)) => {
            tracing::debug!("{asked} {address}{path} error={error} millis={millis}");
        }
        // What waits for a component asks many times, and logs what it observes.
        Err(error) => tracing::trace!("{asked} {address}{path} error={error} millis={millis}"),
    }
    answer
}

/// A GET whose answer must be 200.
pub async fn get(address: SocketAddr, path: &str, deadline: Duration) -> Result<Bytes, HttpError> {
    let answer = request(Method::GET, address, path, Vec::new(), deadline).await?;
    if answer.status == StatusCode::OK {
        return Ok(answer.body);
    }
    let first_line = answer.text().lines().next().unwrap_or_default().chars().take(200).collect::<String>();
    Err(HttpError::Failed(format!("{} {first_line}", answer.status)))
}

/// A GET whose answer must be 200 and JSON.
pub async fn get_json(
    address: SocketAddr,
    path: &str,
    deadline: Duration,
) -> Result<serde_json::Value, HttpError> {
    let body = get(address, path, deadline).await?;
    serde_json::from_slice(&body)
        .map_err(|error| HttpError::Failed(format!("the answer is not JSON: {error}")))
}

fn broken(error: &(dyn std::error::Error + 'static)) -> HttpError {
    HttpError::Failed(crate::core::failure::cause_chain(error))
}
