//! Two questions to Consul.

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
const LONGEST_TOKEN: u64 = 4096;

/// For both answers.
const DEADLINE: Duration = Duration::from_secs(2);
/// A lab's checks have some 20 KB.
const LONGEST_ANSWER: usize = 4 * 1024 * 1024;
/// What of a wrong answer is shown.
const SHOWN: usize = 200;

/// A Consul that is asked.
pub(super) struct Consul {
    address: HostPort,
    token_file: Option<Utf8PathBuf>,
    pool: Pool,
}

impl Consul {
    pub(super) fn new(address: HostPort, token_file: Option<Utf8PathBuf>) -> Self {
        Self { address, token_file, pool: pool::new(DEADLINE) }
    }

    /// What is registered, and how it is; `Err` says why that cannot be told.
    pub(super) async fn mesh(&self) -> Result<Mesh, String> {
        let asked = async {
            let token = self.token().await?;
            let (catalog, checks) = tokio::try_join!(
                self.get::<Catalog>(SERVICES, token.as_ref()),
                self.get::<Vec<Check>>(CHECKS, token.as_ref())
            )?;
            Ok(Mesh::new(catalog, &checks))
        };
        timeout(DEADLINE, asked).await.unwrap_or_else(|_| Err(format!("no answer within {DEADLINE:?}")))
    }

    async fn token(&self) -> Result<Option<HeaderValue>, String> {
        let Some(path) = &self.token_file else { return Ok(None) };
        let cannot = |why: String| format!("the token's file cannot be used: {why}");
        let text = read_start(path).await.map_err(|error| cannot(error.kind().to_string()))?;
        let mut value =
            HeaderValue::from_str(text.trim()).map_err(|_| cannot("it holds no token".to_owned()))?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    async fn get<T: DeserializeOwned>(&self, path: &str, token: Option<&HeaderValue>) -> Result<T, String> {
        let uri =
            Uri::builder().scheme("http").authority(self.address.authority()).path_and_query(path).build();
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = uri.map_err(|error| cause_chain(&error))?;
        if let Some(token) = token {
            request.headers_mut().insert(TOKEN, token.clone());
        }
        let response = self.pool.request(request).await.map_err(|error| cause_chain(&error))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), LONGEST_ANSWER).collect().await;
        let body = body.map_err(|error| format!("{path}: {}", cause_chain(error.as_ref())))?.to_bytes();
        if status != StatusCode::OK {
            let text = String::from_utf8_lossy(&body);
            let shown: String = text.trim().chars().take(SHOWN).collect();
            return Err(format!("{path} answered {status}: {shown}"));
        }
        serde_json::from_slice(&body).map_err(|error| format!("{path}: not what Consul answers: {error}"))
    }
}

async fn read_start(path: &Utf8Path) -> std::io::Result<String> {
    let mut text = String::new();
    fs_err::tokio::File::open(path).await?.take(LONGEST_TOKEN).read_to_string(&mut text).await?;
    Ok(text)
}
