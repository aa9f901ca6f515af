//! The dashboard: a page that shows the services in Consul and their health.
//!
//! Invariant: a viewer reaches neither Consul nor its token. All viewers together cause one request to Consul a second.

mod consul;
mod guard;
mod mesh;
mod page;

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use camino::Utf8PathBuf;
use hyper::body::Incoming;
use hyper::header::{
    CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Request, StatusCode};
use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::host_port::HostPort;
use super::server::{self, Exchange, GET, Options, Refusal, Reply, Service, Stopped, reply, utc};
use crate::core::failure;
use consul::Consul;
use mesh::Mesh;
use page::Page;

/// The maximum age of the state that a viewer gets.
const MAX_AGE: Duration = Duration::from_secs(1);
const NOMAD: u16 = 4646;
/// The admin ports of the four Envoys, and the services they belong to.
const ENVOYS: [(u16, &str); 4] =
    [(19000, "add-svc"), (19001, "sub-svc"), (19002, "frontend to add-svc"), (19003, "frontend to sub-svc")];

/// The addresses that the dashboard calls and links to.
#[derive(Debug, Clone)]
pub struct Sources {
    /// Consul's address.
    pub consul: HostPort,
    /// A file with Consul's token.
    pub token_file: Option<Utf8PathBuf>,
    /// Nomad's addresses. Empty: Nomad's default port on Consul's host.
    pub nomad: Vec<HostPort>,
}

/// Serves requests until `shutdown`.
pub async fn serve(
    sources: Sources,
    options: Options,
    shutdown: impl Future<Output = ()>,
) -> failure::Result<Stopped> {
    server::run(Dashboard::new(sources), options, shutdown).await
}

struct Dashboard {
    page: Page,
    address: String,
    links: Vec<Link>,
    consul: Consul,
    latest: Mutex<Latest>,
}

/// The latest state, and the answer for viewers until it expires.
#[derive(Default)]
struct Latest {
    answer: Option<(Instant, Bytes)>,
    /// Consul's last answer and its time. Kept while Consul does not answer.
    mesh: Option<(SystemTime, Mesh)>,
}

#[derive(Debug, Clone, Serialize)]
struct Link {
    name: String,
    url: String,
}

#[derive(Serialize)]
struct State<'a> {
    consul: ConsulState<'a>,
    as_of: Option<Time>,
    #[serde(flatten)]
    mesh: &'a Mesh,
    links: &'a [Link],
}

#[derive(Serialize)]
struct ConsulState<'a> {
    address: &'a str,
    error: Option<String>,
}

#[derive(Serialize)]
#[serde(transparent)]
struct Time(#[serde(serialize_with = "utc")] SystemTime);

impl Dashboard {
    fn new(sources: Sources) -> Self {
        Self {
            page: Page::new(),
            address: sources.consul.to_string(),
            links: links(&sources),
            consul: Consul::new(sources.consul, sources.token_file),
            latest: Mutex::default(),
        }
    }

    async fn route(&self, request: &Request<Incoming>) -> Result<Reply, Refusal> {
        guard::check_host(request)?;
        match request.uri().path() {
            "/" => {
                reply::only(&GET, request.method())?;
                Ok(self.page.reply())
            }
            "/api/state" => {
                reply::only(&GET, request.method())?;
                let json = HeaderValue::from_static("application/json");
                Ok(reply::whole(StatusCode::OK, json, self.state().await))
            }
            other => Err(reply::not_found(other, "GET /, GET /api/state and GET /health/state")),
        }
    }

    /// The mesh's state as JSON. Concurrent requests wait for the same answer.
    async fn state(&self) -> Bytes {
        let mut latest = self.latest.lock().await;
        if let Some((since, answer)) = &latest.answer
            && since.elapsed() < MAX_AGE
        {
            return answer.clone();
        }
        let error = match self.consul.mesh().await {
            Ok(mesh) => {
                latest.mesh = Some((SystemTime::now(), mesh));
                None
            }
            Err(error) => Some(error.to_string()),
        };
        let unknown = Mesh::default();
        let state = State {
            consul: ConsulState { address: &self.address, error },
            as_of: latest.mesh.as_ref().map(|(time, _)| Time(*time)),
            mesh: latest.mesh.as_ref().map_or(&unknown, |(_, mesh)| mesh),
            links: &self.links,
        };
        let answer = Bytes::from(serde_json::to_vec(&state).unwrap_or_default());
        latest.answer = Some((Instant::now(), answer.clone()));
        answer
    }
}

impl Service for Dashboard {
    fn name(&self) -> &'static str {
        "dashboard"
    }

    async fn answer(&self, request: Request<Incoming>, _: &mut Exchange) -> Reply {
        let mut reply = self.route(&request).await.unwrap_or_else(|refusal| *refusal);
        let headers = reply.headers_mut();
        headers.insert(CONTENT_SECURITY_POLICY, self.page.policy());
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        headers.insert(
            HeaderName::from_static("cross-origin-resource-policy"),
            HeaderValue::from_static("same-origin"),
        );
        reply
    }
}

fn links(sources: &Sources) -> Vec<Link> {
    let link = |name: String, url: String| Link { name, url };
    let mut links = vec![link("Consul".to_owned(), format!("http://{}/ui", sources.consul))];
    if sources.nomad.is_empty() {
        links.push(link("Nomad".to_owned(), format!("http://{}/ui", sources.consul.port(NOMAD))));
    }
    for nomad in &sources.nomad {
        let name = if sources.nomad.len() == 1 { "Nomad".to_owned() } else { format!("Nomad {nomad}") };
        links.push(link(name, format!("http://{nomad}/ui")));
    }
    links.extend(ENVOYS.map(|(port, service)| {
        link(format!("Envoy {port}: {service}"), format!("http://{}/", sources.consul.port(port)))
    }));
    links
}
