//! Checks: each proves the claim of a step. A check probes the lab until the probe succeeds or the deadline passes.

mod admin;
mod binomial;
mod command;
mod consul_service;
mod counter;
mod envoy;
mod http;
mod nomad_task;
mod parsed;
mod refused_without_certificate;
mod renewed;
mod sidecar;
mod spread;
mod tcp;

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;
use toml::Spanned;

use super::table::{LabTomlError, Table};
use crate::core::failure::{Failure, Result};
use crate::core::model::call_path::{CallPath, PathQuery};
use crate::core::model::{LabAddress, Port, Slug};
use crate::core::until::{Deadline, Interval, MIN_PROBE_TIME, Observed, until};
use crate::machine::Machine;
use crate::machine::state::RunDir;
use crate::mesh::api::consul::Consul;
use crate::mesh::api::envoy::PageError;
use crate::mesh::api::nomad::Nomad;
use crate::mesh::vm::{CONSUL_HTTP, NOMAD_HTTP, Secrets};
use crate::mesh::why;

/// The interval between two probes: the first one, doubled each time ...
const FIRST_INTERVAL: Duration = Duration::from_millis(4);

/// ... up to this one.
const MAX_INTERVAL: Duration = Duration::from_millis(100);

/// The first interval after a random probe. Intervals double without a limit, so there are few probes: seven in 30 s.
const FIRST_RANDOM_INTERVAL: Duration = Duration::from_millis(500);

/// The deadline of a probe that is not repeated.
const SINGLE_PROBE_DEADLINE: Duration = Duration::from_secs(20);

/// The deadline for finding out where a call stops.
const PATH_DEADLINE: Duration = Duration::from_secs(10);

/// A check of a step.
#[derive(Debug, Clone)]
pub struct Check {
    /// What the check proves, as a sentence.
    pub claim: String,
    /// The component whose log is shown when the check fails.
    pub component: Option<Slug>,
    /// Source and destination of its call. When the check fails, the path of the call is shown.
    pub between: Option<(Slug, Slug)>,
    kind: Arc<dyn CheckKind>,
}

/// What a check probes, and what it expects.
trait CheckKind: fmt::Debug + Send + Sync {
    /// The expected observation, in words.
    fn expected(&self) -> String;

    /// Probes the lab once.
    fn probe<'a>(&'a self, context: CheckContext<'a>) -> BoxFuture<'a, ProbeResult>;

    /// Whether a probe is random. Each further probe is another chance to pass although the lab is wrong.
    fn is_random(&self) -> bool {
        false
    }
}

/// Reads the keys of one kind of check.
type ReadKind = fn(Table<'_>) -> Result<Arc<dyn CheckKind>, LabTomlError>;

/// The kinds of checks, by their names in `lab.toml`.
const KINDS: [(&str, ReadKind); 14] = [
    ("command", read::<command::CommandCheck>),
    ("consul-service", read::<consul_service::ConsulService>),
    ("envoy-config", read::<admin::EnvoyConfig>),
    ("envoy-stat", read::<envoy::EnvoyStat>),
    ("http", read::<http::HttpCheck>),
    ("mutual-tls", read::<envoy::MutualTls>),
    ("nomad-task", read::<nomad_task::NomadTask>),
    ("refused-without-certificate", read::<refused_without_certificate::RefusedWithoutCertificate>),
    ("renewed", read::<renewed::Renewed>),
    ("sidecar", read::<sidecar::Sidecar>),
    ("spread", read::<spread::Spread>),
    ("tcp-denied", read::<tcp::TcpDenied>),
    ("tcp-echo", read::<tcp::TcpEcho>),
    ("xds", read::<envoy::Xds>),
];

fn read<K: CheckKind + DeserializeOwned + 'static>(
    table: Table<'_>,
) -> Result<Arc<dyn CheckKind>, LabTomlError> {
    table.read::<K>().map(|kind| Arc::new(kind) as Arc<dyn CheckKind>)
}

/// The keys of all checks.
#[derive(Deserialize)]
struct Common {
    check: Spanned<String>,
    claim: String,
    component: Option<Slug>,
    between: Option<Spanned<Vec<Slug>>>,
}

impl Common {
    const KEYS: [&'static str; 4] = ["check", "claim", "component", "between"];
}

/// The result of a probe: the evidence, or why the check does not pass.
pub type ProbeResult = Result<Vec<String>, Mismatch>;

/// Why a check does not pass.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// The observation is not the expected one.
    #[error("{0}")]
    Observed(String),
    /// A request to Consul or Nomad failed, or a command did not run.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// A request to an Envoy's admin port failed.
    #[error(transparent)]
    Page(#[from] PageError),
    /// The probe exceeded its deadline.
    #[error("no result within {0:?}")]
    Timeout(Duration),
}

impl From<String> for Mismatch {
    fn from(observed: String) -> Self {
        Self::Observed(observed)
    }
}

impl From<std::io::Error> for Mismatch {
    fn from(error: std::io::Error) -> Self {
        Self::Observed(error.to_string())
    }
}

/// The lab that a check probes.
#[derive(Debug, Clone, Copy)]
pub struct CheckContext<'a> {
    /// The lab's address.
    pub address: LabAddress,
    /// Runs the lab's components and commands.
    pub machine: &'a Machine,
    /// The time left for this probe.
    pub deadline: Duration,
}

impl CheckContext<'_> {
    /// The address of a port of the lab.
    fn at(&self, port: Port) -> SocketAddr {
        self.address.port(port.get())
    }

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
pub enum CheckResult {
    /// A probe succeeded.
    Passed {
        /// The proof, in lines.
        evidence: Vec<String>,
    },
    /// No probe succeeded before the deadline.
    Failed {
        /// The last observation.
        observed: String,
    },
}

impl Check {
    /// Reads a check of a lab.
    pub(super) fn read(mut table: Table<'_>) -> Result<Self, LabTomlError> {
        let common: Common = table.take(&Common::KEYS).read()?;
        let name = common.check.get_ref();
        let (_, read) = KINDS.iter().find(|(known, _)| known == name).ok_or_else(|| {
            let names = KINDS.map(|(name, _)| name).join(", ");
            let what = format!("unknown check {name:?}: expected one of {names}");
            LabTomlError::new(&common.check.span(), what)
        })?;
        let between = common.between.map(source_and_destination).transpose()?;
        Ok(Self { claim: common.claim, component: common.component, between, kind: read(table)? })
    }

    /// The expected observation, in words.
    pub fn expected(&self) -> String {
        self.kind.expected()
    }

    /// Probes once, with a deadline of 20 s.
    pub async fn probe_once(&self, address: LabAddress, machine: &Machine) -> ProbeResult {
        let context = CheckContext { address, machine, deadline: SINGLE_PROBE_DEADLINE };
        match tokio::time::timeout(SINGLE_PROBE_DEADLINE, self.kind.probe(context)).await {
            Ok(look) => look,
            Err(_) => Err(Mismatch::Timeout(SINGLE_PROBE_DEADLINE)),
        }
    }

    /// The path of the check's call and where it stops, to explain a failure. `None` without `between`.
    pub async fn call_path(&self, run: &RunDir) -> Option<Result<CallPath>> {
        let (source, destination) = self.between.as_ref()?;
        let query =
            PathQuery { source: source.to_string(), destination: destination.to_string(), request: None };
        let looked = tokio::time::timeout(PATH_DEADLINE, Box::pin(why::look(query, run))).await;
        let late = || Failure::failed(format!("no answer within {PATH_DEADLINE:?}"));
        Some(looked.unwrap_or_else(|_| Err(late())))
    }

    /// Probes until a probe succeeds or `timeout` passes. Calls `waiting` with each new observation.
    pub async fn prove(
        &self,
        address: LabAddress,
        machine: &Machine,
        timeout: Duration,
        waiting: impl FnMut(&str),
    ) -> CheckResult {
        let deadline = Deadline::after(timeout);
        let seen = Mutex::new((String::new(), waiting));
        let probe = async || -> Result<_, Infallible> {
            let context = CheckContext { address, machine, deadline: deadline.left().max(MIN_PROBE_TIME) };
            let look = self.kind.probe(context).await.map_err(|mismatch| mismatch.to_string());
            if let Err(observed) = &look {
                let (last, waiting) = &mut *seen.lock().await;
                if last != observed {
                    waiting(observed);
                    last.clone_from(observed);
                }
            }
            Ok(Observed::from(look))
        };
        let Ok(outcome) = until(timeout, interval(self.kind.is_random()), probe).await;
        match outcome {
            Ok(evidence) => CheckResult::Passed { evidence },
            Err(late) => CheckResult::Failed { observed: late.last_seen() },
        }
    }
}

/// Reads `between`.
fn source_and_destination(names: Spanned<Vec<Slug>>) -> Result<(Slug, Slug), LabTomlError> {
    let at = names.span();
    match <[Slug; 2]>::try_from(names.into_inner()) {
        Ok([source, destination]) if source != destination => Ok((source, destination)),
        _ => Err(LabTomlError::new(&at, "expected [\"SOURCE\", \"DESTINATION\"], two different services")),
    }
}

/// The intervals between probes: doubling, with a limit unless the probes are random.
fn interval(is_random: bool) -> Interval {
    if is_random {
        Interval::doubling(FIRST_RANDOM_INTERVAL, Duration::MAX)
    } else {
        Interval::doubling(FIRST_INTERVAL, MAX_INTERVAL)
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn random_probes_are_few_and_others_are_frequent() {
        let probes = async |is_random: bool| {
            let mut probes = 0;
            let probe = || {
                probes += 1;
                ready(Ok::<Observed<(), ()>, Infallible>(Observed::Pending(())))
            };
            let Ok(outcome) = until(Duration::from_secs(30), interval(is_random), probe).await;
            assert!(outcome.is_err());
            probes
        };
        assert_eq!(probes(true).await, 7);
        let quick = probes(false).await;
        assert!((300..400).contains(&quick), "{quick}");
    }
}
