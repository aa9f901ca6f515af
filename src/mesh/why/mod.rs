//! The way that a call takes from one service to another, hop by hop, and where it stops.
//!
//! First everything that Consul and the Envoys on both sides know is asked for ([`facts`]). Then each kind of hop, a file
//! each, judges it without asking anybody anything more; and [`judge`] puts the hops in order and finds the first one at which
//! no instance lets anything through.

mod branch;
mod certificate;
mod destination;
mod endpoint;
mod envoy;
mod facts;
mod gateway;
mod intention;
mod request;
mod route;
#[cfg(test)]
pub(crate) mod samples;
mod service;
#[cfg(test)]
mod tests;
mod upstream;

use crate::core::failure::Result;
use crate::core::model::call_path::{CallPath, Hop, HopKind, PathQuery};
use crate::machine::state::RunDir;
use crate::mesh::api::consul::Consul;
use crate::mesh::vm::{CONSUL_HTTP, Secrets};
use facts::Facts;

/// Looks into the lab that runs here.
pub async fn look(query: PathQuery, run: &RunDir) -> Result<CallPath> {
    let token = Secrets::read(run).map(|secrets| secrets.consul_management);
    let consul = Consul::new(run.address().port(CONSUL_HTTP), token);
    let services = run.load().map(|state| state.services).unwrap_or_default();
    let facts = Box::pin(Facts::gather(query, &consul, run.address(), &services)).await?;
    Ok(judge(&facts))
}

/// All hops, from what is known.
fn judge(facts: &Facts) -> CallPath {
    let (source, destination) = (&facts.source, &facts.destination);
    let (listeners, routes) = match &source.gateway {
        Some(gateway) => (gateway::listeners(facts, gateway), gateway::routes(facts, gateway)),
        None => (upstream::listeners(facts), route::clusters(facts)),
    };
    let hops = vec![
        Hop::new(HopKind::Source, service::known(source)),
        service::stands_for(source),
        Hop::new(HopKind::SourceEnvoy, envoy::alive(source)),
        Hop::new(HopKind::SourceCertificate, certificate::of(source, facts)),
        Hop::new(HopKind::Upstream, listeners),
        Hop::new(HopKind::Route, routes),
        Hop::new(HopKind::Endpoints, endpoint::endpoints(facts)),
        Hop::new(HopKind::Intention, intention::decision(facts)),
        Hop::new(HopKind::DestinationSidecar, service::sidecars(destination)),
        Hop::new(HopKind::DestinationEnvoy, envoy::alive(destination)),
        Hop::new(HopKind::DestinationCertificate, certificate::of(destination, facts)),
        Hop::new(HopKind::PublicListener, destination::public_listeners(facts)),
        Hop::new(HopKind::LocalApp, destination::local_apps(facts)),
        Hop::new(HopKind::Destination, destination::answers(facts)),
    ];
    CallPath::new(facts.query.clone(), hops)
}
