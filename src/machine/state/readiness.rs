//! What makes a component ready, and why it is not.

use std::net::SocketAddr;
use std::time::Duration;

use hyper::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::net::TcpStream;

use crate::core::event::ReadyState;
use crate::core::http::{self, HttpError};
use crate::core::model::LabAddress;

/// The deadline of one request or connection.
const PROBE_DEADLINE: Duration = Duration::from_secs(1);

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
    /// Nomad has elected a leader, and its server and its client are healthy.
    Nomad {
        /// The HTTP API's port.
        port: u16,
    },
    /// Envoy has loaded its first configuration, accepts connections, and has instances to pass them to.
    Envoy {
        /// The admin port.
        admin: u16,
        /// The port of the listener that Consul configures.
        listener: u16,
        /// Services of which it must have a healthy instance: their addresses arrive after the listener.
        #[serde(default)]
        upstreams: Vec<String>,
    },
}

/// Why a component is not ready.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotReady {
    /// Its port does not accept a connection.
    #[error("{at}: {reason}")]
    Unconnected {
        /// The port.
        at: SocketAddr,
        /// The system's error, or that there was no answer in time.
        reason: String,
    },
    /// Its HTTP API does not answer.
    #[error(transparent)]
    Unanswered(#[from] HttpError),
    /// Its servers have not elected a leader.
    #[error("no leader yet")]
    NoLeader,
    /// It answers that it is not healthy.
    #[error("{0}")]
    Unhealthy(String),
    /// Its Envoy has not loaded its first configuration.
    #[error("Envoy at {admin} is {state}")]
    EnvoyNotLive {
        /// The Envoy's admin address.
        admin: SocketAddr,
        /// The state that it answers.
        state: String,
    },
    /// Its Envoy has no healthy instance of a service that it calls.
    #[error("Envoy at {admin} has no healthy instance of {service} yet")]
    NoInstance {
        /// The Envoy's admin address.
        admin: SocketAddr,
        /// The service.
        service: String,
    },
}

impl Readiness {
    /// Looks once. `Ok` has what makes it ready.
    pub async fn look(&self, address: LabAddress) -> Result<ReadyState, NotReady> {
        match self {
            Self::Tcp { port } => Ok(ReadyState::Listening { address: accepts(address, *port).await? }),
            Self::ConsulLeader { port } => {
                let leader = http::get_json(address.port(*port), "/v1/status/leader", PROBE_DEADLINE).await;
                match leader?.as_str() {
                    Some(leader) if !leader.is_empty() => {
                        Ok(ReadyState::Leader { leader: leader.to_owned() })
                    }
                    _ => Err(NotReady::NoLeader),
                }
            }
            Self::Nomad { port } => {
                let at = address.port(*port);
                let leader = http::get_json(at, "/v1/status/leader", PROBE_DEADLINE).await;
                let leader = leader?;
                let leader = leader.as_str().filter(|leader| !leader.is_empty());
                let leader = leader.ok_or(NotReady::NoLeader)?;
                let health =
                    http::request(Method::GET, at, "/v1/agent/health", Vec::new(), PROBE_DEADLINE).await?;
                if health.status != StatusCode::OK {
                    return Err(NotReady::Unhealthy(health.text().chars().take(200).collect()));
                }
                Ok(ReadyState::Leader { leader: leader.to_owned() })
            }
            Self::Envoy { admin, listener, upstreams } => {
                let admin = address.port(*admin);
                let open = accepts(address, *listener).await;
                envoy_reaches(admin, upstreams).await?;
                Ok(ReadyState::Live { address: open? })
            }
        }
    }
}

/// Fails unless an Envoy is live and has a healthy instance of every upstream.
pub async fn envoy_reaches(admin: SocketAddr, upstreams: &[String]) -> Result<(), NotReady> {
    let answer = http::request(Method::GET, admin, "/ready", Vec::new(), PROBE_DEADLINE).await?;
    let state = answer.text().trim().to_owned();
    if state != "LIVE" {
        return Err(NotReady::EnvoyNotLive { admin, state });
    }
    match first_without_instance(admin, upstreams).await? {
        Some(service) => Err(NotReady::NoInstance { admin, service: service.clone() }),
        None => Ok(()),
    }
}

/// The first of the services that this Envoy has no healthy instance of.
async fn first_without_instance(
    admin: SocketAddr,
    upstreams: &[String],
) -> Result<Option<&String>, HttpError> {
    if upstreams.is_empty() {
        return Ok(None);
    }
    let clusters = http::get_json(admin, "/clusters?format=json", PROBE_DEADLINE).await?;
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

async fn accepts(address: LabAddress, port: u16) -> Result<SocketAddr, NotReady> {
    let at = address.port(port);
    match tokio::time::timeout(PROBE_DEADLINE, TcpStream::connect(at)).await {
        Ok(Ok(_)) => Ok(at),
        Ok(Err(error)) => Err(NotReady::Unconnected { at, reason: error.to_string() }),
        Err(_) => Err(NotReady::Unconnected { at, reason: format!("no answer within {PROBE_DEADLINE:?}") }),
    }
}
