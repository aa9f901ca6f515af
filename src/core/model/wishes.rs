//! What a lab wants of the environment under it.

use std::collections::BTreeMap;

use super::{ArtifactName, FileName};

/// What a lab wants of the environment beside its four components.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wishes {
    /// Files of the lab that Consul reads beside its own configuration.
    #[serde(default)]
    pub consul: Vec<FileName>,
    /// The lab's Nomad jobs in the order they are started; a batch job runs to its end before the next one starts.
    #[serde(default)]
    pub jobs: Vec<FileName>,
    /// Packages to publish: this program under these names, and installed tools under their own.
    #[serde(default)]
    pub packages: Vec<FileName>,
    /// Tools to publish whole, each as one tar under its own name: what a language needs to run is more than a file.
    #[serde(default)]
    pub runtimes: Vec<ArtifactName>,
    /// Files of the lab to publish, by the name of the package that each one is.
    #[serde(default)]
    pub sources: BTreeMap<ArtifactName, FileName>,
    /// What network the tasks of its jobs may ask for.
    #[serde(default)]
    pub network: Network,
}

/// The networks of Nomad's tasks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// That of the machine, for all.
    #[default]
    Machine,
    /// Also one of their own, on a bridge: Nomad's native sidecars need it.
    Bridge,
}
