//! Whether a component is ready, as a typed value. Readiness is observed, never slept for.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;

use crate::http;
use crate::model::LabAddress;

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
    /// Envoy is live (its first configuration is in) and accepts connections for the mesh.
    Envoy {
        /// The admin port.
        admin: u16,
        /// The port of the listener that Consul configures.
        listener: u16,
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
            Self::Envoy { admin, listener } => {
                let answer =
                    http::request(hyper::Method::GET, address.port(*admin), "/ready", Vec::new(), LOOK).await;
                let answer = answer.map_err(|error| error.to_string())?;
                let state = answer.text().trim().to_owned();
                if state != "LIVE" {
                    return Err(format!("Envoy is {state}"));
                }
                accepts(address, *listener).await.map(|open| format!("{state}, {open}"))
            }
        }
    }
}

async fn accepts(address: LabAddress, port: u16) -> Result<String, String> {
    let at = address.port(port);
    match tokio::time::timeout(LOOK, TcpStream::connect(at)).await {
        Ok(Ok(_)) => Ok(format!("{at} accepts connections")),
        Ok(Err(error)) => Err(format!("{at}: {error}")),
        Err(_) => Err(format!("{at}: no answer within {LOOK:?}")),
    }
}
