//! Two requests to Consul: its catalog and its checks.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Request, StatusCode, Uri};
use serde::de::DeserializeOwned;
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

use super::mesh::{Catalog, Check, Mesh};
use crate::core::failure::cause_chain;
use crate::samples::host_port::HostPort;
use crate::samples::pool::{self, Pool};

const SERVICES: &str = "/v1/catalog/services";
const CHECKS: &str = "/v1/health/state/any";
const TOKEN: HeaderName = HeaderName::from_static("x-consul-token");
const MAX_TOKEN_BYTES: u64 = 4096;

/// The deadline of both answers.
const DEADLINE: Duration = Duration::from_secs(2);
/// The maximum length of an answer, in bytes. A lab's checks have about 20 KB.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;
/// The most of an error's text that is shown, in characters.
const MAX_SHOWN_CHARS: usize = 200;

/// A client of Consul.
pub(super) struct Consul {
    address: HostPort,
    token_file: Option<Utf8PathBuf>,
    pool: Pool,
}

impl Consul {
    pub(super) fn new(address: HostPort, token_file: Option<Utf8PathBuf>) -> Self {
        Self { address, token_file, pool: pool::new(DEADLINE) }
    }

    /// The registered services and their health.
    pub(super) async fn mesh(&self) -> Result<Mesh, ConsulError> {
        let requests = async {
            let token = self.token().await?;
            let (catalog, checks) = tokio::try_join!(
                self.get::<Catalog>(SERVICES, token.as_ref()),
                self.get::<Vec<Check>>(CHECKS, token.as_ref())
            )?;
            Ok(Mesh::new(catalog, &checks))
        };
        timeout(DEADLINE, requests).await.unwrap_or(Err(ConsulError::Timeout))
    }

    async fn token(&self) -> Result<Option<HeaderValue>, ConsulError> {
        let Some(path) = &self.token_file else { return Ok(None) };
        let text = read_start(path).await.map_err(|error| ConsulError::TokenFile(error.kind()))?;
        let mut value = HeaderValue::from_str(text.trim()).map_err(|_| ConsulError::InvalidToken)?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    async fn get<T: DeserializeOwned>(
        &self,
        path: &'static str,
        token: Option<&HeaderValue>,
    ) -> Result<T, ConsulError> {
        let uri =
            Uri::builder().scheme("http").authority(self.address.authority()).path_and_query(path).build();
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = uri?;
        if let Some(token) = token {
            request.headers_mut().insert(TOKEN, token.clone());
        }
        let response = self.pool.request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await;
        let body = body.map_err(|error| ConsulError::Body { path, error })?.to_bytes();
        if status != StatusCode::OK {
            let text = String::from_utf8_lossy(&body);
            let text = text.trim().chars().take(MAX_SHOWN_CHARS).collect();
            return Err(ConsulError::Status { path, status, text });
        }
        serde_json::from_slice(&body).map_err(|error| ConsulError::Json { path, error })
    }
}

/// Why Consul's state is unknown. No error shows the token or the name of its file.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConsulError {
    #[error("no answer within {DEADLINE:?}")]
    Timeout,
    #[error("cannot read the token file: {0}")]
    TokenFile(std::io::ErrorKind),
    #[error("the token file does not contain a token")]
    InvalidToken,
    #[error("{}", cause_chain(.0))]
    Address(#[from] hyper::http::Error),
    #[error("{}", cause_chain(.0))]
    Request(#[from] hyper_util::client::legacy::Error),
    #[error("{path}: {}", cause_chain(.error.as_ref()))]
    Body { path: &'static str, error: Box<dyn std::error::Error + Send + Sync> },
    #[error("{path} answered {status}: {text}")]
    Status { path: &'static str, status: StatusCode, text: String },
    #[error("{path}: unexpected answer: {error}")]
    Json { path: &'static str, error: serde_json::Error },
}

async fn read_start(path: &Utf8Path) -> std::io::Result<String> {
    let mut text = String::new();
    fs_err::tokio::File::open(path).await?.take(MAX_TOKEN_BYTES).read_to_string(&mut text).await?;
    Ok(text)
}
