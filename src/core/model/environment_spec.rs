//! The `[environment]` table of a lab file.

use std::collections::BTreeMap;

use super::{ArtifactName, FileName};

/// What a lab adds to the environment of Consul, Nomad, Envoy and nginx: configuration, jobs, packages, network.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvironmentSpec {
    /// Files of the lab that Consul loads after its own configuration.
    #[serde(default)]
    pub consul: Vec<FileName>,
    /// The lab's Nomad job files, in start order. A batch job finishes before the next job starts.
    #[serde(default)]
    pub jobs: Vec<FileName>,
    /// Packages to publish: this binary under each of these names. A name that is an installed tool publishes that
    /// tool.
    #[serde(default)]
    pub packages: Vec<FileName>,
    /// Tools to publish with all their files, as one tar archive per tool: a language runtime is more than one file.
    #[serde(default)]
    pub runtimes: Vec<ArtifactName>,
    /// Files of the lab to publish, by package name.
    #[serde(default)]
    pub sources: BTreeMap<ArtifactName, FileName>,
    /// The network modes that the lab's Nomad tasks may use.
    #[serde(default)]
    pub network: Network,
}

/// The network modes of Nomad tasks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// Every task uses the machine's network.
    #[default]
    Machine,
    /// Tasks may also have their own network namespace on a bridge, which Nomad's native sidecars need.
    Bridge,
}
