//! Whether a component is ready, as a typed value. Readiness is observed, never slept for.

use std::net::SocketAddr;
use std::time::Duration;

use hyper::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::net::TcpStream;

use crate::core::http;
use crate::core::model::LabAddress;

/// How long one look may take.
const LOOK: Duration = Duration::from_secs(1);

/// What makes a component ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Readiness {
    /// It accepts connections.
    Tcp {
        /// On this port.
        port: u16,
    },
    /// Consul has elected a leader that answers.
    ConsulLeader {
        /// The HTTP API's port.
        port: u16,
    },
    /// Nomad has elected a leader, and both its server and its client say that they are well.
    Nomad {
        /// The HTTP API's port.
        port: u16,
    },
    /// Envoy is live (its first configuration is in), accepts connections, and knows whom to pass them to.
    Envoy {
        /// The admin port.
        admin: u16,
        /// The port of the listener that Consul configures.
        listener: u16,
        /// Services that it must have a healthy instance of. Their addresses arrive apart from the listener.
        #[serde(default)]
        upstreams: Vec<String>,
    },
}

impl Readiness {
    /// One look: `Ok` with what makes it ready, or `Err` with what was seen instead.
    pub async fn look(&self, address: LabAddress) -> Result<String, String> {
        match self {
            Self::Tcp { port } => accepts(address, *port).await,
            Self::ConsulLeader { port } => {
                let leader = http::get_json(address.port(*port), "/v1/status/leader", LOOK).await;
                match leader.map_err(|error| error.to_string())?.as_str() {
                    Some(leader) if !leader.is_empty() => Ok(format!("leader {leader}")),
                    _ => Err("no leader yet".to_owned()),
                }
            }
            Self::Nomad { port } => {
                let at = address.port(*port);
                let leader = http::get_json(at, "/v1/status/leader", LOOK).await;
                let leader = leader.map_err(|error| error.to_string())?;
                let leader = leader.as_str().filter(|leader| !leader.is_empty()).ok_or("no leader yet")?;
                let health = http::request(Method::GET, at, "/v1/agent/health", Vec::new(), LOOK).await;
                let health = health.map_err(|error| error.to_string())?;
                if health.status != StatusCode::OK {
                    return Err(health.text().chars().take(200).collect());
                }
                Ok(format!("leader {leader}"))
            }
            Self::Envoy { admin, listener, upstreams } => {
                let admin = address.port(*admin);
                let open = accepts(address, *listener).await;
                envoy_reaches(admin, upstreams).await?;
                Ok(format!("LIVE, {}", open?))
            }
        }
    }
}

/// Whether an Envoy is live and has a healthy instance of every upstream; if not, what was seen.
pub async fn envoy_reaches(admin: SocketAddr, upstreams: &[String]) -> Result<(), String> {
    let answer = http::request(Method::GET, admin, "/ready", Vec::new(), LOOK).await;
    let state = answer.map_err(|error| error.to_string())?.text().trim().to_owned();
    if state != "LIVE" {
        return Err(format!("Envoy at {admin} is {state}"));
    }
    match first_without_instance(admin, upstreams).await? {
        Some(missing) => Err(format!("Envoy at {admin} has no healthy instance of {missing} yet")),
        None => Ok(()),
    }
}

/// The first of the services that this Envoy has no healthy instance of.
async fn first_without_instance(admin: SocketAddr, upstreams: &[String]) -> Result<Option<&String>, String> {
    if upstreams.is_empty() {
        return Ok(None);
    }
    let clusters =
        http::get_json(admin, "/clusters?format=json", LOOK).await.map_err(|error| error.to_string())?;
    let list =
        |value: &Value, name: &str| value.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let clusters = list(&clusters, "cluster_statuses");
    let has_instance = |service: &String| {
        clusters.iter().any(|cluster| {
            let name = cluster.get("name").and_then(Value::as_str).unwrap_or_default();
            name.split('.').next() == Some(service)
                && list(cluster, "host_statuses").iter().any(|instance| {
                    instance.pointer("/health_status/eds_health_status").and_then(Value::as_str)
                        == Some("HEALTHY")
                })
        })
    };
    Ok(upstreams.iter().find(|service| !has_instance(service)))
}

async fn accepts(address: LabAddress, port: u16) -> Result<String, String> {
    let at = address.port(port);
    match tokio::time::timeout(LOOK, TcpStream::connect(at)).await {
        Ok(Ok(_)) => Ok(format!("{at} accepts connections")),
        Ok(Err(error)) => Err(format!("{at}: {error}")),
        Err(_) => Err(format!("{at}: no answer within {LOOK:?}")),
    }
}
