//! Reads `ready` of a `lab.toml`: the condition for a service being ready.

use serde::Deserialize;

use crate::core::model::Port;
use crate::machine::state::readiness::Readiness;

/// A [`Readiness`], by `kind`.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum RawReady {
    Tcp {
        port: Port,
    },
    ConsulLeader {
        port: Port,
    },
    Nomad {
        port: Port,
    },
    Envoy {
        admin: Port,
        listener: Port,
        #[serde(default)]
        upstreams: Vec<String>,
    },
}

impl From<RawReady> for Readiness {
    fn from(raw: RawReady) -> Self {
        match raw {
            RawReady::Tcp { port } => Self::Tcp { port: port.get() },
            RawReady::ConsulLeader { port } => Self::ConsulLeader { port: port.get() },
            RawReady::Nomad { port } => Self::Nomad { port: port.get() },
            RawReady::Envoy { admin, listener, upstreams } => {
                Self::Envoy { admin: admin.get(), listener: listener.get(), upstreams }
            }
        }
    }
}
