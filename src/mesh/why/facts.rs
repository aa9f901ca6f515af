//! Everything that Consul and the Envoys on both sides know of a way, asked for at once.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use futures_util::future::join_all;
use hyper::Method;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::core::failure::{Failure, Result};
use crate::core::http::{self, HttpError};
use crate::core::model::LabAddress;
use crate::core::model::call_path::PathQuery;
use crate::machine::state::ServiceRecord;
use crate::machine::state::readiness::Readiness;
use crate::mesh::api::consul::{
    ADMIN_LABEL, API_GATEWAY, ApiGateway, Consul, DefaultIntention, Instance, Intention, Sidecar,
};
use crate::mesh::api::envoy::{self, PageError};

/// How long one look at a port or an admin page may take.
const PROBE_DEADLINE: Duration = Duration::from_secs(3);

/// The most instances of a service that are looked at.
const MOST_INSTANCES: usize = 64;

/// What is known.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub(super) query: PathQuery,
    pub(super) source: Side,
    pub(super) destination: Side,
    /// About calls to the destination, the one that decides first.
    pub(super) intentions: Vec<Intention>,
    pub(super) default: DefaultIntention,
    pub(super) now: SystemTime,
}

/// A service, its sidecars, and their Envoys.
#[derive(Debug, Clone)]
pub(super) struct Side {
    pub(super) name: String,
    pub(super) instances: Vec<Instance>,
    /// An API gateway's instances are its own.
    pub(super) sidecars: Vec<Sidecar>,
    /// What Consul is told of it, if it is an API gateway.
    pub(super) gateway: Option<ApiGateway>,
    /// By the sidecar's id; one that is not here has no admin page that anybody knows of.
    pub(super) envoys: BTreeMap<String, Envoy>,
    /// What became of a connection to each address that matters, as `address:port`.
    pub(super) ports: BTreeMap<String, Result<(), ConnectError>>,
}

/// Why a connection is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("{0}")]
    Failed(std::io::ErrorKind),
    #[error("no answer within {PROBE_DEADLINE:?}")]
    Timeout,
}

/// An Envoy.
#[derive(Debug, Clone)]
pub(super) struct Envoy {
    pub(super) admin: SocketAddr,
    /// What it says, or why it says nothing.
    pub(super) pages: Result<Pages, PageError>,
}

/// What an Envoy's admin page says.
#[derive(Debug, Clone, Default)]
pub(super) struct Pages {
    /// `LIVE`, or something else.
    pub(super) ready: String,
    pub(super) stats: String,
    pub(super) certificates: Value,
    pub(super) clusters: Value,
    /// The whole configuration.
    pub(super) configuration: Value,
}

impl Facts {
    pub(super) async fn gather(
        query: PathQuery,
        consul: &Consul,
        address: LabAddress,
        services: &[ServiceRecord],
    ) -> Result<Self> {
        let (source, destination) = (query.source.as_str(), query.destination.as_str());
        let (source, destination, intentions, default) = tokio::try_join!(
            Side::of(source, Some(destination), consul, address, services),
            Side::of(destination, None, consul, address, services),
            consul.intentions_to(destination),
            consul.default_intention(),
        )?;
        Ok(Self { query, source, destination, intentions, default, now: SystemTime::now() })
    }

    /// The source's sidecars that have a port for the destination: the others are not on the way. Of a gateway all instances
    /// route the same.
    pub(super) fn on_the_way(&self) -> impl Iterator<Item = (&Sidecar, Option<&Pages>)> {
        let destination = &self.query.destination;
        let gateway = self.source.gateway.as_ref();
        let routes_there = gateway.map(|gateway| gateway.routes_to(destination).next().is_some());
        let sidecars = self.source.sidecars.iter();
        let leads_there =
            sidecars.filter(move |sidecar| routes_there.unwrap_or_else(|| sidecar.leads_to(destination)));
        leads_there.map(|sidecar| (sidecar, self.source.pages(sidecar)))
    }
}

impl Side {
    /// Of a service that calls another one, sidecars that do not lead there are left out, if any does.
    async fn of(
        name: &str,
        calls: Option<&str>,
        consul: &Consul,
        address: LabAddress,
        services: &[ServiceRecord],
    ) -> Result<Self> {
        let (mut instances, mut sidecars) = tokio::try_join!(consul.instances(name), consul.sidecars(name))?;
        let kind = instances.first().map(|instance| instance.kind.as_str()).unwrap_or_default();
        let mut gateway = None;
        match kind {
            "" => {}
            API_GATEWAY if calls.is_some() => {
                let (own, told) =
                    tokio::try_join!(consul.api_gateway_instances(name), consul.api_gateway(name))?;
                sidecars = own;
                gateway = Some(told);
            }
            _ => return Err(not_known(name, kind)),
        }
        instances.truncate(MOST_INSTANCES);
        sidecars.truncate(MOST_INSTANCES);
        let leads_there = |sidecar: &Sidecar| calls.is_some_and(|destination| sidecar.leads_to(destination));
        if sidecars.iter().any(leads_there) {
            sidecars.retain(leads_there);
        }
        let admins = sidecars
            .iter()
            .filter_map(|sidecar| Some((sidecar.instance.id.clone(), admin_of(sidecar, address, services)?)));
        let envoys = join_all(admins.map(|(id, admin)| async move { (id, Envoy::look(admin).await) }));
        // Of the calling side nobody connects to anything but the Envoy's listener for the other one.
        let ports: Vec<String> = match calls {
            Some(_) => Vec::new(),
            None => sidecars
                .iter()
                .flat_map(|sidecar| {
                    [sidecar.instance.at(), format!("{}:{}", sidecar.local_address, sidecar.local_port)]
                })
                .collect(),
        };
        let ports = join_all(ports.into_iter().map(|at| async move {
            let outcome = connect(&at).await;
            (at, outcome)
        }));
        let (envoys, ports) = tokio::join!(envoys, ports);
        Ok(Self {
            name: name.to_owned(),
            instances,
            sidecars,
            gateway,
            envoys: envoys.into_iter().collect(),
            ports: ports.into_iter().collect(),
        })
    }

    /// What a sidecar's Envoy says, if it says anything.
    pub(super) fn pages(&self, sidecar: &Sidecar) -> Option<&Pages> {
        self.envoys.get(&sidecar.instance.id)?.pages.as_ref().ok()
    }
}

/// It is something that no way that is known here begins or ends at.
fn not_known(name: &str, kind: &str) -> Failure {
    let (what, hint) = match kind {
        "connect-proxy" => {
            (format!("{name} is a sidecar"), "ask for the service that it stands for".to_owned())
        }
        API_GATEWAY => (
            format!("{name} is an API gateway: calls come to it from outside of the mesh, by no sidecar"),
            format!("`meshlab why {name} SERVICE` tells the way from it to a service"),
        ),
        _ => (
            format!("{name} is a {kind}, and `meshlab why` does not know the ways of those"),
            "it knows those that begin at a service with a sidecar or at an API gateway, and end at a service with a sidecar"
                .to_owned(),
        ),
    };
    Failure::failed(what).hint(hint)
}

/// Where a sidecar's Envoy has its admin page: its label says so, or a component of the lab that listens where it does.
fn admin_of(sidecar: &Sidecar, address: LabAddress, services: &[ServiceRecord]) -> Option<SocketAddr> {
    if let Some(labelled) = sidecar.labels.get(ADMIN_LABEL) {
        return labelled.parse().ok();
    }
    services.iter().find_map(|service| match service.ready {
        Readiness::Envoy { admin, listener, .. } => {
            let is_its = listener == sidecar.instance.port
                || sidecar.upstreams.iter().any(|upstream| upstream.port == listener);
            is_its.then(|| address.port(admin))
        }
        _ => None,
    })
}

impl Envoy {
    async fn look(admin: SocketAddr) -> Self {
        let pages = tokio::time::timeout(PROBE_DEADLINE, Pages::read(admin)).await;
        let late = PageError { admin, path: "", error: HttpError::Timeout(PROBE_DEADLINE) };
        Self { admin, pages: pages.unwrap_or(Err(late)) }
    }
}

impl Pages {
    async fn read(admin: SocketAddr) -> Result<Self, PageError> {
        let ready = async {
            // Its status says the same as its text.
            let answer = http::request(Method::GET, admin, "/ready", Vec::new(), PROBE_DEADLINE).await;
            let answer = answer.map_err(|error| PageError { admin, path: "/ready", error })?;
            Ok(answer.text().trim().to_owned())
        };
        let (ready, stats, certificates, clusters, configuration) = tokio::try_join!(
            ready,
            envoy::text(admin, "/stats"),
            envoy::json(admin, "/certs"),
            envoy::json(admin, "/clusters?format=json"),
            envoy::json(admin, "/config_dump"),
        )?;
        Ok(Self { ready, stats, certificates, clusters, configuration })
    }

    /// The listeners that are active, by name: `<upstream or public_listener>:<address>:<port>`.
    pub(super) fn listeners(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.section("dynamic_listeners").filter_map(|entry| {
            let name = entry.get("name")?.as_str()?;
            Some((name, entry.pointer("/active_state/listener")?))
        })
    }

    /// The clusters that are active, by name.
    pub(super) fn cluster(&self, name: &str) -> Option<&Value> {
        let clusters = self.section("dynamic_active_clusters").filter_map(|entry| entry.get("cluster"));
        clusters.into_iter().find(|cluster| cluster.get("name").and_then(Value::as_str) == Some(name))
    }

    /// The routes that came on their own, by name.
    pub(super) fn route(&self, name: &str) -> Option<&Value> {
        let mut routes = self.section("dynamic_route_configs").filter_map(|entry| entry.get("route_config"));
        routes.find(|route| route.get("name").and_then(Value::as_str) == Some(name))
    }

    fn section(&self, name: &'static str) -> impl Iterator<Item = &Value> {
        items(self.configuration.get("configs")).filter_map(move |part| part.get(name)?.as_array()).flatten()
    }
}

/// What is in a list of an Envoy's answer; nothing where there is none.
pub(super) fn items(list: Option<&Value>) -> impl Iterator<Item = &Value> {
    list.and_then(Value::as_array).into_iter().flatten()
}

async fn connect(at: &str) -> Result<(), ConnectError> {
    match tokio::time::timeout(PROBE_DEADLINE, TcpStream::connect(at)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(ConnectError::Failed(error.kind())),
        Err(_) => Err(ConnectError::Timeout),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_way_is_known_of_is_told() {
        let all = ["connect-proxy", "api-gateway", "mesh-gateway"].map(|kind| {
            let failure = not_known("somebody", kind);
            format!("{}\nhint: {}", failure.message(), failure.hint_text().unwrap())
        });
        insta::assert_snapshot!(all.join("\n\n"));
    }
}
