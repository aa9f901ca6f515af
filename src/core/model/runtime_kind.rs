//! The names of the runtimes.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The name of the backend that a lab runs on, as its state records it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuntimeKind {
    /// Containers that share one network namespace.
    Docker,
    /// Processes of this machine.
    Host,
}

impl RuntimeKind {
    /// The name in flags, variables and output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Host => "host",
        }
    }

    /// What a lab's components are there, in words.
    pub fn components(self) -> &'static str {
        match self {
            Self::Docker => "containers",
            Self::Host => "processes of this machine",
        }
    }
}

impl fmt::Display for RuntimeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
