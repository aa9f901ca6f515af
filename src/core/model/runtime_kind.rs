//! The runtimes: Docker containers or host processes.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::core::model::LabAddress;

/// How a lab's components run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuntimeKind {
    /// As containers that share one network namespace.
    Docker,
    /// As processes of this machine.
    Host,
}

impl RuntimeKind {
    /// The default address of a lab.
    pub fn default_address(self) -> LabAddress {
        match self {
            Self::Docker => LabAddress::MACHINE,
            Self::Host => LabAddress::DEFAULT,
        }
    }

    /// The runtime of labs on `address`: processes use loopback addresses, containers have their own.
    pub fn of(address: LabAddress) -> Self {
        if address.ip().is_loopback() { Self::Host } else { Self::Docker }
    }

    /// The name in flags, variables and output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Host => "host",
        }
    }
}

impl fmt::Display for RuntimeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
