//! An API gateway that calls: it has no sidecar, since it is an Envoy itself. Calls come to it from outside, and its routes
//! say to whom they go.

use super::branch::{Branches, in_short, is_of};
use super::certificate::unknown;
use super::facts::{Facts, Pages, Side};
use super::route::targets;
use crate::core::model::call_path::Finding;
use crate::mesh::api::consul::{API_GATEWAY, ApiGateway, GatewayRoute, Sidecar};
use crate::mesh::api::envoy::socket_address;

/// What Consul is told of the gateway.
pub(super) fn entry(side: &Side, gateway: &ApiGateway) -> Vec<Finding> {
    let name = &side.name;
    if gateway.listeners.is_empty() {
        return vec![Finding::broken(
            name,
            format!("an entry {API_GATEWAY}/{name} in Consul, with a listener"),
            "there is none",
            format!("`consul config write FILE`, with `kind = \"{API_GATEWAY}\"` and `name = \"{name}\"`"),
        )];
    }
    let listeners: Vec<String> = gateway
        .listeners
        .iter()
        .map(|listener| format!("{} on port {} ({})", listener.name, listener.port, listener.protocol))
        .collect();
    let seen = format!("an Envoy of its own (kind {API_GATEWAY}), listener {}", listeners.join(", "));
    vec![if gateway.troubles.is_empty() {
        Finding::holds(name, seen)
    } else {
        Finding::doubtful(
            name,
            format!("{seen}; Consul: {}", gateway.troubles.join("; ")),
            format!("`consul config read -kind {API_GATEWAY} -name {name}` shows all of it"),
        )
    }]
}

/// One finding for each instance's ports to the outside.
pub(super) fn listeners(facts: &Facts, gateway: &ApiGateway) -> Vec<Finding> {
    let finding = |sidecar: &Sidecar| {
        let id = &sidecar.instance.id;
        let Some(pages) = facts.source.pages(sidecar) else { return unknown(id) };
        let at = |port: u16| format!("{}:{port}", sidecar.instance.address);
        let (open, missing): (Vec<u16>, Vec<u16>) =
            gateway.listeners.iter().map(|listener| listener.port).partition(|port| listens(pages, *port));
        let in_words = |ports: &[u16]| ports.iter().map(|port| at(*port)).collect::<Vec<_>>().join(", ");
        let hint = hint_about_ports(&facts.source.name, gateway);
        match (open.is_empty(), missing.is_empty()) {
            (true, _) => Finding::broken(
                id,
                format!("a listener at {}", in_words(&missing)),
                "Envoy listens for nobody outside",
                hint,
            ),
            (false, false) => Finding::doubtful(
                id,
                format!("{} takes calls from outside, {} does not", in_words(&open), in_words(&missing)),
                hint,
            ),
            (false, true) => Finding::holds(id, format!("{} takes calls from outside", in_words(&open))),
        }
    };
    facts.source.sidecars.iter().map(finding).collect()
}

/// Why a gateway may not listen where it should.
pub(super) fn hint_about_ports(name: &str, gateway: &ApiGateway) -> String {
    if gateway.routes.is_empty() {
        return format!(
            "a gateway opens no port before it has a route: write an http-route whose parent is {name}"
        );
    }
    "is its Envoy there, and did it open its ports? `meshlab status` shows it, `meshlab logs` of it says which"
        .to_owned()
}

fn listens(pages: &Pages, port: u16) -> bool {
    let end = format!(":{port}");
    pages.listeners().any(|(_, listener)| {
        listener.get("address").and_then(socket_address).is_some_and(|address| address.ends_with(&end))
    })
}

/// One finding for each instance's routes to the destination.
pub(super) fn routes(facts: &Facts, gateway: &ApiGateway) -> Vec<Finding> {
    let (source, destination) = (&facts.query.source, &facts.query.destination);
    let leading: Vec<&GatewayRoute> = gateway.routes_to(destination).collect();
    if leading.is_empty() {
        return vec![no_route(source, destination, gateway)];
    }
    let finding = |(id, pages): (&str, Option<&Pages>)| {
        let Some(pages) = pages else { return unknown(id) };
        let by = leading.iter().map(|route| in_words(route, destination)).collect::<Vec<_>>().join(", ");
        let troubles: Vec<&str> =
            leading.iter().flat_map(|route| &route.troubles).map(String::as_str).collect();
        let look =
            format!("`consul config read -kind {}` shows the route", leading[0].name.replace(' ', " -name "));
        let branches = Branches::of_the_way(facts, pages);
        let targets = match targets(id, facts, &branches, &format!("there is {by}; {look}")) {
            Ok(targets) => targets,
            Err(finding) => return finding,
        };
        let shown = in_short(&targets);
        let of_destination = targets.iter().any(|target| is_of(target, destination));
        match (troubles.is_empty(), targets.is_empty(), of_destination) {
            (false, _, false) => Finding::broken(
                id,
                format!("{by} that Consul finds no fault with"),
                troubles.join("; "),
                look,
            ),
            (true, true, _) => Finding::broken(
                id,
                format!("{by} in Envoy"),
                "its listeners lead nowhere",
                "is this Envoy connected to Consul? See its own hop above",
            ),
            (false, _, true) => Finding::doubtful(
                id,
                format!("{by} to cluster {shown}; Consul: {}", troubles.join("; ")),
                look,
            ),
            (true, false, false) => Finding::doubtful(
                id,
                format!("{by} to cluster {shown}, of which none is called {destination}"),
                "a service-resolver that leads elsewhere? `consul config list -kind service-resolver`",
            ),
            (true, false, true) => Finding::holds(id, format!("{by} to cluster {shown}")),
        }
    };
    facts.on_the_way().map(|(sidecar, pages)| finding((sidecar.instance.id.as_str(), pages))).collect()
}

fn no_route(source: &str, destination: &str, gateway: &ApiGateway) -> Finding {
    let route_of = |route: &GatewayRoute| {
        let mut services: Vec<&str> = route.targets.iter().map(|target| target.service.as_str()).collect();
        services.dedup();
        format!(
            "{} leads to {}",
            route.name,
            if services.is_empty() { "nobody".to_owned() } else { services.join(", ") }
        )
    };
    let known: Vec<String> = gateway.routes.iter().map(route_of).collect();
    let (seen, hint) = match gateway.routes.first() {
        None => (
            "it has no route at all".to_owned(),
            format!(
                "write an http-route that has {source} as its parent and {destination} as a service of a rule"
            ),
        ),
        Some(first) => (
            known.join("; "),
            format!(
                "give {} a rule with the service {destination}, or write a route of its own whose parent is {source}",
                first.name
            ),
        ),
    };
    Finding::broken(source, format!("a route of {source} that leads to {destination}"), seen, hint)
}

/// `http-route frontend (prefix /frontend)`.
fn in_words(route: &GatewayRoute, destination: &str) -> String {
    let leading = route.targets.iter().filter(|target| target.service == destination);
    let paths: Vec<&str> = leading.flat_map(|target| &target.paths).map(String::as_str).collect();
    if paths.is_empty() { route.name.clone() } else { format!("{} ({})", route.name, paths.join(", ")) }
}
