//! The instances that the calling side's Envoy knows, and whether it sends them anything.

use serde_json::Value;

use super::branch::{Branches, short};
use super::certificate::unknown;
use super::facts::{Facts, Pages};
use super::route::nobody_leads_there;
use crate::core::model::call_path::{Finding, Verdict};
use crate::mesh::api::envoy::{socket_address, sum};

/// What keeps an Envoy from sending an instance anything, as its own page calls it, and in words.
const FLAGS: [(&str, &str); 3] = [
    ("failed_outlier_check", "ejected: it failed too often (outlier detection)"),
    ("failed_active_health_check", "fails Envoy's own health check"),
    ("failed_active_degraded_check", "says of itself that it is degraded"),
];

/// One finding for each instance that an Envoy on the way knows; one if it knows none.
pub(super) fn endpoints(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (sidecar, pages) in facts.on_the_way() {
        let Some(pages) = pages else {
            findings.push(unknown(&sidecar.instance.id));
            continue;
        };
        let targets = Branches::of_the_way(facts, pages).targets();
        let known: Vec<Finding> =
            targets.iter().flat_map(|target| of_cluster(target, pages, facts)).collect();
        if known.is_empty() {
            findings.push(none(&sidecar.instance.id, facts));
        }
        // A limit says something only of a cluster that has somebody to send calls to.
        if known.iter().any(|finding| finding.verdict == Verdict::Holds) {
            findings.extend(targets.iter().filter_map(|target| breaker(target, pages)));
        }
        findings.extend(known);
    }
    if findings.is_empty() { vec![nobody_leads_there(facts)] } else { findings }
}

fn of_cluster(name: &str, pages: &Pages, facts: &Facts) -> Vec<Finding> {
    let clusters = pages.clusters.get("cluster_statuses").and_then(Value::as_array);
    let cluster = clusters
        .into_iter()
        .flatten()
        .find(|cluster| cluster.get("name").and_then(Value::as_str) == Some(name));
    let hosts = cluster.and_then(|cluster| cluster.get("host_statuses")?.as_array());
    hosts.into_iter().flatten().map(|host| of_host(host, name, facts)).collect()
}

fn of_host(host: &Value, cluster: &str, facts: &Facts) -> Finding {
    let at = host.get("address").and_then(socket_address).unwrap_or_default();
    let health = host.get("health_status").unwrap_or(&Value::Null);
    let eds = health.get("eds_health_status").and_then(Value::as_str).unwrap_or("HEALTHY");
    let flagged = FLAGS.iter().filter(|(flag, _)| health.get(*flag).and_then(Value::as_bool) == Some(true));
    let mut troubles: Vec<String> = flagged.map(|(_, words)| (*words).to_owned()).collect();
    if eds != "HEALTHY" {
        troubles.push(format!("Consul told Envoy that it is {eds}"));
    }
    // The sidecar at this address is what later hops are about.
    let sidecar = facts.destination.sidecars.iter().map(|sidecar| &sidecar.instance);
    let sidecar = sidecar.into_iter().find(|instance| instance.at() == at);
    let about = sidecar.map_or_else(|| at.clone(), |instance| instance.id.clone());
    if troubles.is_empty() {
        return Finding::holds(about, format!("{at} is healthy, in {}", short(cluster)));
    }
    Finding::broken(
        about,
        format!("{at} healthy, in {}", short(cluster)),
        troubles.join("; "),
        "an ejected instance gets another chance after a while; what Consul finds unhealthy, `consul watch -type checks` tells",
    )
}

/// No instance at all: Consul tells Envoy of healthy ones only, so its checks say why.
fn none(id: &str, facts: &Facts) -> Finding {
    let destination = &facts.query.destination;
    let sidecars = &facts.destination.sidecars;
    let failing: Vec<String> = sidecars
        .iter()
        .flat_map(|sidecar| {
            let of = &sidecar.instance.id;
            sidecar.instance.failing.iter().map(move |failing| format!("{of}: {failing}"))
        })
        .collect();
    let why = match (sidecars.is_empty(), failing.is_empty()) {
        (true, _) => format!("no sidecar of {destination} is registered"),
        (false, true) => "all its sidecars pass their checks now; Envoy was not told yet".to_owned(),
        (false, false) => failing.join("; "),
    };
    Finding::broken(
        id,
        format!("at least one healthy instance of {destination}"),
        format!("this Envoy knows none. Consul: {why}"),
        format!(
            "bring an instance of {destination} back to health; its sidecar and its Envoy are further below"
        ),
    )
}

/// Limits that a cluster has reached, so that calls are turned away at once.
fn breaker(cluster: &str, pages: &Pages) -> Option<Finding> {
    let reached: Vec<&str> =
        [("cx_open", "connections"), ("rq_pending_open", "waiting requests"), ("rq_open", "requests")]
            .into_iter()
            .filter(|(gauge, _)| {
                sum(&pages.stats, &format!("cluster.{cluster}.circuit_breakers.default.{gauge}")) > 0
            })
            .map(|(_, words)| words)
            .collect();
    let hint = "more calls at once than `limits` of the upstream's configuration allow: fewer calls, or higher limits";
    (!reached.is_empty()).then(|| {
        Finding::doubtful(
            short(cluster),
            format!("the circuit is open: no more {} are let through", reached.join(", ")),
            hint,
        )
    })
}
