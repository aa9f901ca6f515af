//! A small HTTP client for the lab's own components on loopback: no TLS, no proxy, no redirects, hard limits.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// The longest answer that is read, in bytes. Envoy's full configuration dump stays far below.
const LONGEST_BODY: usize = 16 * 1024 * 1024;

/// An answer, whole.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, at most 16 MiB.
    pub body: Bytes,
}

impl Answer {
    /// The body as text, with replacement characters where it is not UTF-8.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Why there is no answer, in words for a last observation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// Nobody listens, or the connection broke.
    #[error("{0}")]
    Broken(String),
    /// No complete answer in time.
    #[error("no answer within {0:?}")]
    Late(Duration),
}

/// What is sent.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    /// GET, PUT ...
    pub method: Method,
    /// Begins with `/` and may carry a query.
    pub path: &'a str,
    /// Names and values beside `Host` and `Connection`.
    pub headers: &'a [(&'a str, &'a str)],
    /// Empty for none.
    pub body: Vec<u8>,
    /// For everything, from connecting to the last byte of the answer.
    pub deadline: Duration,
}

/// One request on a connection of its own. `path` begins with `/` and may carry a query.
pub async fn request(
    method: Method,
    address: SocketAddr,
    path: &str,
    body: Vec<u8>,
    deadline: Duration,
) -> Result<Answer, HttpError> {
    call(address, Call { method, path, headers: &[], body, deadline }).await
}

/// One request, with headers, on a connection of its own.
pub async fn call(address: SocketAddr, call: Call<'_>) -> Result<Answer, HttpError> {
    let Call { method, path, headers, body, deadline } = call;
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
            let body = Limited::new(body, LONGEST_BODY).collect().await;
            let body = body.map_err(|error| HttpError::Broken(error.to_string()))?.to_bytes();
            Ok(Answer { status: head.status, headers: head.headers, body })
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
    tokio::time::timeout(deadline, exchange).await.unwrap_or(Err(HttpError::Late(deadline)))
}

/// A GET whose answer must be 200.
pub async fn get(address: SocketAddr, path: &str, deadline: Duration) -> Result<Bytes, HttpError> {
    let answer = request(Method::GET, address, path, Vec::new(), deadline).await?;
    if answer.status == StatusCode::OK {
        return Ok(answer.body);
    }
    let first_line = answer.text().lines().next().unwrap_or_default().chars().take(200).collect::<String>();
    Err(HttpError::Broken(format!("{} {first_line}", answer.status)))
}

/// A GET whose answer must be 200 and JSON.
pub async fn get_json(
    address: SocketAddr,
    path: &str,
    deadline: Duration,
) -> Result<serde_json::Value, HttpError> {
    let body = get(address, path, deadline).await?;
    serde_json::from_slice(&body)
        .map_err(|error| HttpError::Broken(format!("the answer is not JSON: {error}")))
}

fn broken(error: &(dyn std::error::Error + 'static)) -> HttpError {
    HttpError::Broken(crate::core::failure::cause_chain(error))
}
