//! Who can reach what of a running lab: requests without any token.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use futures_util::future::join_all;
use hyper::{Method, StatusCode};

use super::FIX;
use crate::app::ui::{Note, Weight};
use crate::core::http;
use crate::machine::Placement;
use crate::machine::process::{Listener, listeners};
use crate::machine::state::readiness::Readiness;
use crate::machine::state::{RunDir, RunState};

/// The timeout of one request.
const PROBE_DEADLINE: Duration = Duration::from_secs(2);

/// The ports of Envoy's admin pages in the labs.
const ADMIN_PORTS: std::ops::RangeInclusive<u16> = 19_000..=19_099;

/// Sends all requests at once.
pub(super) async fn reach(run: &RunDir, state: &RunState) -> Vec<Note> {
    let listeners = match listeners(run, Some(state)) {
        Ok(listeners) => listeners,
        Err(failure) => {
            return vec![
                Note::new(Weight::Warning, "processes", failure.to_string())
                    .advice(FIX, "`meshlab down --all` ends what runs"),
            ];
        }
    };
    let ports = |wanted: fn(&Readiness) -> Option<u16>| {
        state.services.iter().find_map(move |service| wanted(&service.ready))
    };
    let consul = ports(|ready| match ready {
        Readiness::ConsulLeader { port } => Some(*port),
        _ => None,
    });
    let nomad = ports(|ready| match ready {
        Readiness::Nomad { port } => Some(*port),
        _ => None,
    });
    let at = |port: Option<u16>| port.map(|port| run.address().port(port));
    let (nomad, consul, envoys) = tokio::join!(
        async { Some(self::nomad(at(nomad)?).await) },
        async { Some(self::consul(at(consul)?).await) },
        envoys(&listeners),
    );
    let mut notes: Vec<Note> = [nomad, consul, envoys].into_iter().flatten().collect();
    notes.extend(published(state, &listeners));
    notes.extend(secrets(run));
    notes.push(interfaces(state.placement(), &listeners));
    notes
}

/// A user who may run jobs may run any program as this user.
async fn nomad(at: SocketAddr) -> Note {
    let subject = "Nomad";
    match http::request(Method::GET, at, "/v1/jobs", Vec::new(), PROBE_DEADLINE).await {
        Ok(answer) if answer.status == StatusCode::FORBIDDEN => {
            Note::new(Weight::Good, subject, "closed: without a token, GET /v1/jobs gets 403")
        }
        Ok(answer) => {
            let seen = format!(
                "without a token, GET /v1/jobs gets {}: every user of this machine may run programs as you",
                answer.status.as_u16()
            );
            Note::new(Weight::Bad, subject, seen)
                .advice(FIX, "`meshlab down` now; `meshlab up` sets up its access control again")
        }
        Err(error) => unknown(subject, at, &error.to_string()),
    }
}

/// Sends a write that changes nothing even if it is allowed: the key does not exist.
async fn consul(at: SocketAddr) -> Note {
    let subject = "Consul";
    let path = "/v1/kv/meshlab-doctor-no-such-key?cas=1";
    match http::request(Method::PUT, at, path, Vec::new(), PROBE_DEADLINE).await {
        Ok(answer) if answer.status == StatusCode::FORBIDDEN => Note::new(
            Weight::Good,
            subject,
            "every user of this machine may read (DNS, the UI); changes need a token: a PUT without one gets 403",
        ),
        Ok(answer) if answer.status == StatusCode::OK => Note::new(
            Weight::Warning,
            subject,
            "no access control, as in every dev agent: every user of this machine may change it while the lab runs",
        )
        .advice(FIX, "do not keep this lab running on a machine with users you do not trust"),
        Ok(answer) => unknown(subject, at, &answer.status.to_string()),
        Err(error) => unknown(subject, at, &error.to_string()),
    }
}

fn unknown(subject: &str, at: SocketAddr, seen: &str) -> Note {
    Note::new(Weight::Warning, subject, format!("{at} does not answer: {seen}"))
        .advice(FIX, "`meshlab up` mends it")
}

/// Envoy's admin pages have no access control at all.
async fn envoys(listeners: &[Listener]) -> Option<Note> {
    let mut pages: Vec<SocketAddr> = listeners
        .iter()
        .filter(|listener| listener.program == "envoy" && ADMIN_PORTS.contains(&listener.at.port()))
        .map(|listener| listener.at)
        .collect();
    pages.sort();
    pages.dedup();
    let asked = pages.iter().map(|page| http::get(*page, "/server_info", PROBE_DEADLINE));
    let open = join_all(asked).await.into_iter().flatten().count();
    let (first, last) = (pages.first()?, pages.last()?);
    let range = if first == last { first.to_string() } else { format!("{first} to {}", last.port()) };
    Some(if open == 0 {
        Note::new(Weight::Good, "Envoys", format!("closed: their admin pages ({range}) do not answer"))
    } else {
        let seen = format!(
            "open: {open} of {} admin pages ({range}) need no token: every user of this machine may stop these Envoys and read their configuration",
            pages.len()
        );
        Note::new(Weight::Warning, "Envoys", seen).advice(
            FIX,
            "Envoy has no access control for it: do not run the lab on a machine with users you do not trust",
        )
    })
}

/// What is open on purpose.
fn published(state: &RunState, listeners: &[Listener]) -> Vec<Note> {
    let listens = |name: &str| {
        let service = state.services.iter().find(|service| service.name == name)?;
        let Readiness::Tcp { port } = service.ready else { return None };
        listeners.iter().find(|listener| listener.at.port() == port).map(|listener| listener.at)
    };
    let open = |name: &str, subject: &str, seen: &str| {
        Some(Note::new(
            Weight::Good,
            subject,
            format!("open on purpose at http://{}: {seen}", listens(name)?),
        ))
    };
    [
        open("lb", "load balancer", "every user of this machine may call the calculator"),
        open(
            "repo",
            "package repository",
            "every user of this machine may read the packages, no user may write",
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The files that hold tokens are for their owner alone.
fn secrets(run: &RunDir) -> Option<Note> {
    let entries = std::fs::read_dir(run.secrets()).ok()?;
    let paths: Vec<std::path::PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    let is_open = |path: &&std::path::PathBuf| {
        std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
    };
    let open: Vec<String> = paths.iter().filter(is_open).map(|path| path.display().to_string()).collect();
    Some(if open.is_empty() {
        Note::new(Weight::Good, "token files", format!("{}, for their owner alone (0600)", paths.len()))
    } else {
        let seen = format!("others may read {}", open.join(", "));
        Note::new(Weight::Bad, "token files", seen)
            .advice(FIX, "`meshlab down` and `meshlab up` make new tokens: these are no secret any more")
    })
}

/// Nothing of a lab should be reachable from another machine: containers have a network that ends at this one.
fn interfaces(placement: Placement, listeners: &[Listener]) -> Note {
    let is_own =
        |listener: &&Listener| listener.at.ip() == placement.address.ip() || listener.at.ip().is_loopback();
    let beyond: Vec<String> = listeners
        .iter()
        .filter(|listener| !is_own(listener))
        .map(|listener| format!("{} ({})", listener.at, listener.program))
        .collect();
    if beyond.is_empty() {
        return Note::new(Weight::Good, "other machines", placement.exposure(listeners.len()));
    }
    let seen = format!("they may reach {}", beyond.join(", "));
    Note::new(Weight::Bad, "other machines", seen)
        .advice(FIX, "`meshlab down`; and a firewall, if what listens there is meant to")
}
