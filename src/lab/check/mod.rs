//! Checks: what a step claims, proved by looking. A look is repeated until it holds or the deadline passes.

mod catalog;
mod command;
mod consul;
mod counter;
mod envoy;
mod http;
mod nomad;
mod tcp;

use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::api::{consul::Consul, nomad::Nomad};
use crate::model::{LabAddress, Slug};
use crate::runtime::Machine;
use crate::vm::{CONSUL_HTTP, NOMAD_HTTP, Secrets};

/// The pause between two looks grows from here ...
const FIRST_PAUSE: Duration = Duration::from_millis(4);

/// ... up to here.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// Something that has to hold, by kind.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "check", rename_all = "kebab-case")]
pub enum Check {
    /// What is sent over TCP comes back.
    TcpEcho(tcp::TcpEcho),
    /// A TCP connection is closed without an answer.
    TcpDenied(tcp::TcpDenied),
    /// The agent has a sidecar of this shape.
    Sidecar(consul::Sidecar),
    /// Envoy acknowledged these listeners and clusters.
    Xds(envoy::Xds),
    /// Two Envoys show certificates of one authority and insist on each other's.
    MutualTls(envoy::MutualTls),
    /// Every request gets the answer it should.
    Http(http::Http),
    /// A service has exactly these healthy instances.
    ConsulService(catalog::Service),
    /// A task of a Nomad job runs.
    NomadTask(nomad::Task),
    /// A command succeeds and prints what it should.
    Command(command::CommandCheck),
}

/// What a look found.
pub type Look = Result<Vec<String>, String>;

/// Where a check looks.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The lab's address.
    pub address: LabAddress,
    /// The lab's components and commands.
    pub machine: &'a Machine,
    /// The most that one look may take.
    pub deadline: Duration,
}

impl Place<'_> {
    /// Consul's API, with the lab's token if it has one.
    fn consul(&self) -> Consul {
        let token = Secrets::read(self.machine.run()).map(|secrets| secrets.consul_management);
        Consul::new(self.address.port(CONSUL_HTTP), token)
    }

    /// Nomad's API, with the lab's token if it has one.
    fn nomad(&self) -> Nomad {
        let token = Secrets::read(self.machine.run()).map(|secrets| secrets.nomad_management);
        Nomad::new(self.address.port(NOMAD_HTTP), token)
    }
}

/// How a check ended.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// It held.
    Holds {
        /// The proof, a line each.
        evidence: Vec<String>,
    },
    /// It did not hold by the deadline.
    Fails {
        /// What was seen last.
        observed: String,
    },
}

impl Check {
    /// What must hold, as a sentence.
    pub fn claim(&self) -> &str {
        match self {
            Self::TcpEcho(check) => &check.claim,
            Self::TcpDenied(check) => &check.claim,
            Self::Sidecar(check) => &check.claim,
            Self::Xds(check) => &check.claim,
            Self::MutualTls(check) => &check.claim,
            Self::Http(check) => &check.claim,
            Self::ConsulService(check) => &check.claim,
            Self::NomadTask(check) => &check.claim,
            Self::Command(check) => &check.claim,
        }
    }

    /// The component whose log tells most when it fails.
    pub fn component(&self) -> Option<&Slug> {
        match self {
            Self::TcpEcho(check) => check.component.as_ref(),
            Self::TcpDenied(check) => check.component.as_ref(),
            Self::Sidecar(check) => check.component.as_ref(),
            Self::Xds(check) => check.component.as_ref(),
            Self::MutualTls(check) => check.component.as_ref(),
            Self::Http(check) => check.component.as_ref(),
            Self::ConsulService(check) => check.component.as_ref(),
            Self::NomadTask(check) => check.component.as_ref(),
            Self::Command(check) => check.component.as_ref(),
        }
    }

    /// What a look should find.
    pub fn expected(&self) -> String {
        match self {
            Self::TcpEcho(check) => check.expected(),
            Self::TcpDenied(check) => check.expected(),
            Self::Sidecar(check) => check.expected(),
            Self::Xds(check) => check.expected(),
            Self::MutualTls(check) => check.expected(),
            Self::Http(check) => check.expected(),
            Self::ConsulService(check) => check.expected(),
            Self::NomadTask(check) => check.expected(),
            Self::Command(check) => check.expected(),
        }
    }

    /// Replaces placeholders in what a person reads and in commands.
    pub(super) fn fill(&mut self, fill: &dyn Fn(&mut String)) {
        match self {
            Self::TcpEcho(check) => fill(&mut check.claim),
            Self::TcpDenied(check) => fill(&mut check.claim),
            Self::Sidecar(check) => fill(&mut check.claim),
            Self::Xds(check) => fill(&mut check.claim),
            Self::MutualTls(check) => fill(&mut check.claim),
            Self::Http(check) => {
                fill(&mut check.claim);
                check.counters.iter_mut().for_each(|counter| counter.fill(fill));
            }
            Self::ConsulService(check) => {
                fill(&mut check.claim);
                check.healthy.iter_mut().for_each(fill);
            }
            Self::NomadTask(check) => fill(&mut check.claim),
            Self::Command(check) => {
                fill(&mut check.claim);
                fill(&mut check.command);
                fill(&mut check.prints);
            }
        }
    }

    /// One look.
    async fn look(&self, place: Place<'_>) -> Look {
        match self {
            Self::TcpEcho(check) => check.look(place).await,
            Self::TcpDenied(check) => check.look(place).await,
            Self::Sidecar(check) => check.look(place).await,
            Self::Xds(check) => check.look(place).await,
            Self::MutualTls(check) => check.look(place).await,
            Self::Http(check) => check.look(place).await,
            Self::ConsulService(check) => check.look(place).await,
            Self::NomadTask(check) => check.look(place).await,
            Self::Command(check) => check.look(place).await,
        }
    }

    /// Looks until it holds or `timeout` passes. `waiting` is told what was seen whenever that changes.
    pub async fn prove(
        &self,
        address: LabAddress,
        machine: &Machine,
        timeout: Duration,
        mut waiting: impl FnMut(&str),
    ) -> Verdict {
        let deadline = Instant::now() + timeout;
        let mut pause = FIRST_PAUSE;
        let mut last = String::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            // Every check gets one whole look, however late.
            let place = Place { address, machine, deadline: left.max(Duration::from_millis(100)) };
            let look = tokio::time::timeout(place.deadline, self.look(place)).await;
            match look {
                Ok(Ok(evidence)) => return Verdict::Holds { evidence },
                Ok(Err(observed)) if observed == last => {}
                Ok(Err(observed)) => {
                    waiting(&observed);
                    last = observed;
                }
                // What was seen before tells more than that this look took too long.
                Err(_) if last.is_empty() => last = format!("no result within {timeout:?}"),
                Err(_) => {}
            }
            if Instant::now() + pause >= deadline {
                return Verdict::Fails { observed: last };
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}
