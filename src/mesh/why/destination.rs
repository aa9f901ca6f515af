//! The called side's Envoy: the port that it opens for the mesh, and what it passes to its service.

use serde_json::Value;

use super::certificate::unknown;
use super::envoy::nobody;
use super::facts::{Facts, Pages, Side};
use crate::core::model::call_path::Finding;
use crate::mesh::api::consul::Sidecar;
use crate::mesh::api::envoy::{requires_client_certificate, socket_address};

/// One finding for each sidecar's listener for the mesh.
pub(super) fn public_listeners(facts: &Facts) -> Vec<Finding> {
    each(&facts.destination, |sidecar, pages| {
        let id = &sidecar.instance.id;
        let at = sidecar.instance.at();
        let expected = format!("a listener at {at} that takes nobody without a certificate");
        if let Some(Err(seen)) = facts.destination.ports.get(&at) {
            let hint = "this Envoy does not listen there: `meshlab logs` of it says why";
            return Finding::broken(id, expected, format!("{at}: {seen}"), hint);
        }
        let Some(pages) = pages else { return unknown(id) };
        match pages.listeners().find(|(name, _)| name.starts_with("public_listener:")) {
            None => Finding::broken(
                id,
                expected,
                "Envoy has no public_listener",
                "Consul gives it one: is this Envoy connected, and did it refuse the listener? `meshlab logs`",
            ),
            Some((_, listener)) if !requires_client_certificate(listener) => Finding::doubtful(
                id,
                format!("{at} takes connections without a certificate"),
                "the sidecar's configuration overrides the listener (envoy_public_listener_json)",
            ),
            Some(_) => Finding::holds(id, format!("{at} is open, a client certificate is required (mTLS)")),
        }
    })
}

/// One finding for each sidecar's cluster of its own service.
pub(super) fn local_apps(facts: &Facts) -> Vec<Finding> {
    each(&facts.destination, |sidecar, pages| {
        let id = &sidecar.instance.id;
        let Some(pages) = pages else { return unknown(id) };
        let at = format!("{}:{}", sidecar.local_address, sidecar.local_port);
        let known = hosts_of_local_app(pages);
        if known.contains(&at) {
            return Finding::holds(id, format!("local_app is {at}"));
        }
        Finding::broken(
            id,
            format!("cluster local_app at {at}"),
            format!("it is {}", if known.is_empty() { "not there".to_owned() } else { known.join(", ") }),
            "the sidecar's registration changed and Envoy was not told: is it connected to Consul?",
        )
    })
}

/// One finding for each instance of the service: whether it answers where its sidecar looks for it.
pub(super) fn answers(facts: &Facts) -> Vec<Finding> {
    let name = &facts.query.destination;
    each(&facts.destination, |sidecar, _| {
        let id = &sidecar.instance.id;
        let at = format!("{}:{}", sidecar.local_address, sidecar.local_port);
        match facts.destination.ports.get(&at) {
            Some(Ok(())) => Finding::holds(id, format!("{name} accepts connections at {at}")),
            Some(Err(seen)) => Finding::broken(
                id,
                format!("{name} at {at}"),
                seen.to_string(),
                format!("start {name}, or set the sidecar's local_service_port to where it listens"),
            ),
            None => unknown(id),
        }
    })
}

fn each(side: &Side, judge: impl Fn(&Sidecar, Option<&Pages>) -> Finding) -> Vec<Finding> {
    if side.sidecars.is_empty() {
        return vec![nobody(side)];
    }
    side.sidecars.iter().map(|sidecar| judge(sidecar, side.pages(sidecar))).collect()
}

fn hosts_of_local_app(pages: &Pages) -> Vec<String> {
    let Some(cluster) = pages.cluster("local_app") else { return Vec::new() };
    let localities = cluster.pointer("/load_assignment/endpoints").and_then(Value::as_array);
    let endpoints = localities
        .into_iter()
        .flatten()
        .filter_map(|locality| locality.get("lb_endpoints")?.as_array())
        .flatten();
    endpoints.filter_map(|endpoint| socket_address(endpoint.pointer("/endpoint/address")?)).collect()
}
