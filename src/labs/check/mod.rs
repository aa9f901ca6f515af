//! Checks: what a step claims, proved by looking. A look is repeated until it holds or the deadline passes.

mod admin;
mod binomial;
mod catalog;
mod command;
mod consul;
mod counter;
mod envoy;
mod http;
mod nomad;
mod parsed;
mod refused_without_certificate;
mod renewed;
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

use super::table::{Misplaced, Table};
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

/// The pause between two looks grows from here ...
const FIRST_INTERVAL: Duration = Duration::from_millis(4);

/// ... up to here.
const LONGEST_INTERVAL: Duration = Duration::from_millis(100);

/// The first pause after a look that is drawn by lot. The pauses double without a limit, so the looks are few: seven in 30 s.
const FIRST_RANDOM_INTERVAL: Duration = Duration::from_millis(500);

/// The most that a look may take which is not repeated.
const SINGLE_LOOK_DEADLINE: Duration = Duration::from_secs(20);

/// How long it may take to find out where a way stops.
const PATH_DEADLINE: Duration = Duration::from_secs(10);

/// Something that has to hold.
#[derive(Debug, Clone)]
pub struct Check {
    /// What must hold, as a sentence.
    pub claim: String,
    /// The component whose log tells most when it fails.
    pub component: Option<Slug>,
    /// The services between which it sends something: when it fails, the way from one to the other tells most.
    pub between: Option<(Slug, Slug)>,
    kind: Arc<dyn Kind>,
}

/// A way to look.
trait Kind: fmt::Debug + Send + Sync {
    /// What a look should find.
    fn expected(&self) -> String;

    /// One look.
    fn look<'a>(&'a self, place: Place<'a>) -> BoxFuture<'a, Look>;

    /// Whether chance has a say in what a look finds. Each look gives what is wrong another chance to seem right.
    fn is_random(&self) -> bool {
        false
    }
}

/// Reads what is particular to a kind of check.
type ReadKind = fn(Table<'_>) -> Result<Arc<dyn Kind>, Misplaced>;

/// The kinds of checks, by the names that labs call them by.
const KINDS: [(&str, ReadKind); 14] = [
    ("command", read::<command::CommandCheck>),
    ("consul-service", read::<catalog::Service>),
    ("envoy-config", read::<admin::Configured>),
    ("envoy-stat", read::<envoy::Stat>),
    ("http", read::<http::Http>),
    ("mutual-tls", read::<envoy::MutualTls>),
    ("nomad-task", read::<nomad::Task>),
    ("refused-without-certificate", read::<refused_without_certificate::RefusedWithoutCertificate>),
    ("renewed", read::<renewed::Renewed>),
    ("sidecar", read::<consul::Sidecar>),
    ("spread", read::<spread::Spread>),
    ("tcp-denied", read::<tcp::TcpDenied>),
    ("tcp-echo", read::<tcp::TcpEcho>),
    ("xds", read::<envoy::Xds>),
];

fn read<K: Kind + DeserializeOwned + 'static>(table: Table<'_>) -> Result<Arc<dyn Kind>, Misplaced> {
    table.read::<K>().map(|kind| Arc::new(kind) as Arc<dyn Kind>)
}

/// What all checks have.
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

/// What a look found: the evidence, or why the check does not hold.
pub type Look = Result<Vec<String>, Mismatch>;

/// Why a check does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// Something else was observed than is expected.
    #[error("{0}")]
    Observed(String),
    /// Consul or Nomad cannot be asked, or a command cannot run.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// An Envoy cannot be asked.
    #[error(transparent)]
    Page(#[from] PageError),
    /// The look took too long.
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
    /// A port of the lab.
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
    /// Reads a check of a lab.
    pub(super) fn read(mut table: Table<'_>) -> Result<Self, Misplaced> {
        let common: Common = table.take(&Common::KEYS).read()?;
        let wanted = common.check.get_ref();
        let (_, read) = KINDS.iter().find(|(name, _)| name == wanted).ok_or_else(|| {
            let names = KINDS.map(|(name, _)| name).join(", ");
            let what = format!("no kind of check is called {wanted:?}, expected one of {names}");
            Misplaced::new(&common.check.span(), what)
        })?;
        let between = common.between.map(two_services).transpose()?;
        Ok(Self { claim: common.claim, component: common.component, between, kind: read(table)? })
    }

    /// What a look should find.
    pub fn expected(&self) -> String {
        self.kind.expected()
    }

    /// A single look, with time enough for it.
    pub async fn look_once(&self, address: LabAddress, machine: &Machine) -> Look {
        let place = Place { address, machine, deadline: SINGLE_LOOK_DEADLINE };
        match tokio::time::timeout(SINGLE_LOOK_DEADLINE, self.kind.look(place)).await {
            Ok(look) => look,
            Err(_) => Err(Mismatch::Timeout(SINGLE_LOOK_DEADLINE)),
        }
    }

    /// The way between the services that it is about, and where it stops: what tells most once it has failed.
    pub async fn call_path(&self, run: &RunDir) -> Option<Result<CallPath>> {
        let (source, destination) = self.between.as_ref()?;
        let question =
            PathQuery { source: source.to_string(), destination: destination.to_string(), request: None };
        let looked = tokio::time::timeout(PATH_DEADLINE, Box::pin(why::look(question, run))).await;
        let late = || Failure::failed(format!("no answer within {PATH_DEADLINE:?}"));
        Some(looked.unwrap_or_else(|_| Err(late())))
    }

    /// Looks until it holds or `timeout` passes. `waiting` is told what was seen whenever that changes.
    pub async fn prove(
        &self,
        address: LabAddress,
        machine: &Machine,
        timeout: Duration,
        waiting: impl FnMut(&str),
    ) -> Verdict {
        let deadline = Deadline::after(timeout);
        let seen = Mutex::new((String::new(), waiting));
        let probe = async || -> Result<_, Infallible> {
            let place = Place { address, machine, deadline: deadline.left().max(MIN_PROBE_TIME) };
            let look = self.kind.look(place).await.map_err(|mismatch| mismatch.to_string());
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
            Ok(evidence) => Verdict::Holds { evidence },
            Err(late) => Verdict::Fails { observed: late.last_seen() },
        }
    }
}

/// The ends of a way.
fn two_services(names: Spanned<Vec<Slug>>) -> Result<(Slug, Slug), Misplaced> {
    let at = names.span();
    match <[Slug; 2]>::try_from(names.into_inner()) {
        Ok([source, destination]) if source != destination => Ok((source, destination)),
        _ => Err(Misplaced::new(&at, "expected [\"SOURCE\", \"DESTINATION\"], two services that differ")),
    }
}

/// The pauses between looks: doubling, and with a limit unless they are drawn by lot.
fn interval(is_random: bool) -> Interval {
    if is_random {
        Interval::doubling(FIRST_RANDOM_INTERVAL, Duration::MAX)
    } else {
        Interval::doubling(FIRST_INTERVAL, LONGEST_INTERVAL)
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn looks_at_lots_are_few_and_others_are_quick() {
        let looks = async |is_random: bool| {
            let mut looks = 0;
            let probe = || {
                looks += 1;
                ready(Ok::<Observed<(), ()>, Infallible>(Observed::Pending(())))
            };
            let Ok(outcome) = until(Duration::from_secs(30), interval(is_random), probe).await;
            assert!(outcome.is_err());
            looks
        };
        assert_eq!(looks(true).await, 7);
        let quick = looks(false).await;
        assert!((300..400).contains(&quick), "{quick}");
    }
}
