//! The environment's four components.

use std::time::Duration;

use serde::Deserialize;

use super::address::{CONSUL_HTTP, LOAD_BALANCER, NOMAD_HTTP};
use super::{BRIDGE_FILE, Vm, consul, nomad};
use crate::core::event::Access;
use crate::core::failure::Result;
use crate::core::model::Network;
use crate::machine::ports::NeededPort;
use crate::machine::state::readiness::Readiness;
use crate::machine::{Role, ServiceSpec};

const REPOSITORY: u16 = 8090;

/// A component of the environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Component {
    /// The mesh's control plane.
    Consul,
    /// The package repository.
    Repo,
    /// The load balancer, nginx.
    Lb,
    /// The scheduler.
    Nomad,
}

impl Component {
    /// All of them; each may need those before it.
    pub const ALL: [Self; 4] = [Self::Consul, Self::Repo, Self::Lb, Self::Nomad];

    /// Whether it starts only when those before it are ready. Nomad looks for Consul when it starts. Consul refuses it before
    /// its access control is set up, and Nomad then waits twenty seconds.
    pub fn comes_last(self) -> bool {
        self == Self::Nomad
    }

    /// Its name as a service of the lab.
    pub fn name(self) -> &'static str {
        match self {
            Self::Consul => "consul",
            Self::Repo => "repo",
            Self::Lb => "lb",
            Self::Nomad => "nomad",
        }
    }

    /// Its role, from which its rights follow.
    fn role(self) -> Role {
        match self {
            Self::Consul => Role::Consul,
            Self::Repo => Role::Repository,
            Self::Lb => Role::LoadBalancer,
            Self::Nomad => Role::Nomad,
        }
    }

    /// The component with this name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|component| component.name() == name)
    }

    /// The ports on which it listens.
    pub fn ports(self) -> Vec<NeededPort> {
        let ports: &[(u16, &str, bool)] = match self {
            Self::Consul => &[
                (CONSUL_HTTP, "Consul's HTTP API and UI", false),
                (8502, "Consul's xDS", false),
                (8600, "Consul's DNS", true),
                (8300, "Consul's servers", false),
                (8301, "Consul's gossip", true),
            ],
            Self::Repo => &[(REPOSITORY, "the package repository", false)],
            Self::Lb => &[(LOAD_BALANCER, "the load balancer", false)],
            Self::Nomad => &[
                (NOMAD_HTTP, "Nomad's HTTP API and UI", false),
                (4647, "Nomad's servers", false),
                (4648, "Nomad's gossip", true),
            ],
        };
        let needed = |(port, purpose, udp): &(u16, &str, bool)| NeededPort {
            port: *port,
            purpose: (*purpose).to_owned(),
            udp: *udp,
            published: [CONSUL_HTTP, LOAD_BALANCER, NOMAD_HTTP].contains(port),
        };
        ports.iter().map(needed).collect()
    }

    /// Its command line, as a person would type it in the lab's folder, and what makes it ready.
    pub fn spec(self, vm: &Vm) -> ServiceSpec {
        let address = vm.run.address();
        let (command, ready) = match self {
            Self::Consul => {
                let own: Vec<String> =
                    vm.spec.consul.iter().map(|file| format!(" -config-file {file}")).collect();
                (
                    format!(
                        "consul agent -config-file consul.hcl{} -config-file ../secrets/consul.hcl",
                        own.concat()
                    ),
                    Readiness::ConsulLeader { port: CONSUL_HTTP },
                )
            }
            Self::Repo => (
                format!("meshlab repo serve --listen {} --packages packages.json", address.port(REPOSITORY)),
                Readiness::Tcp { port: REPOSITORY },
            ),
            Self::Lb => (
                "nginx -p . -c nginx.conf -g 'daemon off;'".to_owned(),
                Readiness::Tcp { port: LOAD_BALANCER },
            ),
            Self::Nomad => (
                // The folder of the sockets of its tasks' executors. A relative path: the system limits the path of a socket
                // to 107 bytes.
                match vm.spec.network {
                    Network::Machine => "env PLUGIN_UNIX_SOCKET_DIR=../tmp nomad agent -config nomad.hcl -config ../secrets/nomad.hcl".to_owned(),
                    // Envoys on a bridge reach Consul by a unix socket, unless this variable has an address.
                    Network::Bridge => format!(
                        "env PLUGIN_UNIX_SOCKET_DIR=../tmp CONSUL_GRPC_ADDR= nomad agent -config nomad.hcl \
                         -config {BRIDGE_FILE} -config ../secrets/nomad.hcl"
                    ),
                },
                Readiness::Nomad { port: NOMAD_HTTP },
            ),
        };
        let listens = self
            .ports()
            .into_iter()
            .filter(|port| shown(port.port))
            .map(|port| format!("{} {}", address.port(port.port), port.purpose));
        ServiceSpec {
            name: self.name().to_owned(),
            role: self.role(),
            command,
            listens: listens.collect(),
            ready,
        }
    }

    /// Sets it up once it is ready. Idempotent. Returns what requests without a token may do, where there is access control.
    pub async fn settle(self, vm: &Vm, patience: Duration) -> Result<Option<Access>> {
        match self {
            Self::Consul => consul::settle(vm, patience).await.map(Some),
            Self::Nomad => nomad::settle(vm, patience).await.map(Some),
            Self::Repo | Self::Lb => Ok(None),
        }
    }
}

/// Whether `status` shows a port: those between servers are left out.
fn shown(port: u16) -> bool {
    [CONSUL_HTTP, 8502, 8600, REPOSITORY, LOAD_BALANCER, NOMAD_HTTP].contains(&port)
}
