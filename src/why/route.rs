//! Where the calling side's Envoy sends what comes in at its port: clusters, perhaps several in shares.

use serde_json::Value;

use super::certificate::unknown;
use super::envoy::nobody;
use super::facts::{Facts, Pages};
use super::way::Finding;
use crate::api::envoy::collect;

/// One finding for each sidecar that leads to the destination.
pub(super) fn clusters(facts: &Facts) -> Vec<Finding> {
    let destination = &facts.question.destination;
    let mut findings = Vec::new();
    for (sidecar, pages) in facts.on_the_way() {
        let id = &sidecar.instance.id;
        let Some(pages) = pages else {
            findings.push(unknown(id));
            continue;
        };
        let targets = targets(pages, destination);
        let missing = targets.iter().find(|target| pages.cluster(target).is_none());
        findings.push(match (targets.is_empty(), missing) {
            (true, _) => Finding::broken(
                id,
                format!("a route from the listener for {destination} to a cluster"),
                "the listener leads nowhere",
                "a service-router or -splitter that names something unknown? `consul config list -kind service-router`",
            ),
            (false, Some(missing)) => Finding::broken(
                id,
                format!("a cluster {missing}"),
                "Envoy has none of that name",
                "Consul gives one as soon as the service it is about is known: `consul catalog services`",
            ),
            (false, None) => {
                let shown: Vec<&str> = targets.iter().map(|target| short(target)).collect();
                Finding::holds(id, format!("to cluster {}", shown.join(", ")))
            }
        });
    }
    if findings.is_empty() { vec![nobody_leads_there(facts)] } else { findings }
}

/// The clusters that the listener for a destination leads to, each once; those that stand for several are replaced by them.
pub(super) fn targets(pages: &Pages, destination: &str) -> Vec<String> {
    let mut found = Vec::new();
    let of_destination = |name: &str| name.split(':').next() == Some(destination);
    for (_, listener) in pages.listeners().filter(|(name, _)| of_destination(name)) {
        collect(listener, "cluster", &mut found);
        of_shares(listener, &mut found);
        let mut routes = Vec::new();
        collect(listener, "route_config_name", &mut routes);
        for route in routes.iter().filter_map(|name| pages.route(name)) {
            collect(route, "cluster", &mut found);
            of_shares(route, &mut found);
        }
    }
    let mut targets = Vec::new();
    for name in found {
        let parts = pages
            .cluster(&name)
            .and_then(|cluster| cluster.pointer("/cluster_type/typed_config/clusters")?.as_array().cloned());
        let parts = parts.into_iter().flatten().filter_map(|part| part.as_str().map(str::to_owned));
        let mut parts: Vec<String> = parts.collect();
        if parts.is_empty() {
            parts.push(name);
        }
        targets.extend(parts);
    }
    targets.sort();
    targets.dedup();
    targets
}

/// The clusters among which a route shares out calls.
fn of_shares(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| of_shares(item, into)),
        Value::Object(members) => {
            if let Some(shares) = members.get("weighted_clusters") {
                collect(shares, "name", into);
            }
            members.values().for_each(|member| of_shares(member, into));
        }
        _ => {}
    }
}

/// A cluster's name without the trust domain, which is the same for all.
pub(super) fn short(cluster: &str) -> &str {
    match cluster.find(".internal.") {
        Some(at) => &cluster[..at],
        None => cluster,
    }
}

/// No sidecar leads to the destination: the hop before this one says so, too.
pub(super) fn nobody_leads_there(facts: &Facts) -> Finding {
    match facts.source.sidecars.first() {
        None => nobody(&facts.source),
        Some(sidecar) => Finding::broken(
            &sidecar.instance.id,
            format!("a sidecar that leads to {}", facts.question.destination),
            "there is none",
            "see the listener's own hop above",
        ),
    }
}
