//! What a component is in the lab. Container rights, user, mounts and image follow from this alone.

use serde::{Deserialize, Serialize};

use crate::core::model::ArtifactName;

/// What a component is in the lab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The environment's Consul.
    Consul,
    /// The environment's Nomad: it makes control groups, mounts and, for bridge networks, interfaces.
    Nomad,
    /// The environment's load balancer, nginx.
    LoadBalancer,
    /// The environment's package repository: it reads the store.
    Repository,
    /// Forwards the published ports of a lab that has its own network namespace.
    PortForwarder,
    /// A service that a step of the lab starts. It has no rights, whatever its command line says.
    LabService {
        /// The tool of the lab that it runs, if the lab names one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tool: Option<ArtifactName>,
    },
}

impl Role {
    /// The tool that it runs; `None` for meshlab itself and for a lab's service that names none.
    pub fn tool(&self) -> Option<&str> {
        match self {
            Self::Consul => Some("consul"),
            Self::Nomad => Some("nomad"),
            Self::LoadBalancer => Some("nginx"),
            Self::Repository | Self::PortForwarder => None,
            Self::LabService { tool } => tool.as_ref().map(ArtifactName::as_str),
        }
    }
}

impl Default for Role {
    /// A lab's service that names no tool.
    fn default() -> Self {
        Self::LabService { tool: None }
    }
}
