//! Where the calling side's Envoy sends what comes in at its port: clusters, perhaps several in shares.

use serde_json::Value;

use super::certificate::unknown;
use super::envoy::nobody;
use super::facts::{Facts, Pages};
use super::gateway;
use super::way::Finding;

/// One finding for each sidecar that leads to the destination.
pub(super) fn clusters(facts: &Facts) -> Vec<Finding> {
    if let Some(gateway) = &facts.source.gateway {
        return gateway::routes(facts, gateway);
    }
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
            (false, Some(missing)) => no_cluster(id, missing),
            (false, None) => {
                let shown: Vec<&str> = targets.iter().map(|target| short(target)).collect();
                Finding::holds(id, format!("to cluster {}", shown.join(", ")))
            }
        });
    }
    if findings.is_empty() { vec![nobody_leads_there(facts)] } else { findings }
}

/// An Envoy is told to send calls to a cluster that it does not have.
pub(super) fn no_cluster(id: &str, missing: &str) -> Finding {
    Finding::broken(
        id,
        format!("a cluster {missing}"),
        "Envoy has none of that name",
        "Consul gives one as soon as the service it is about is known: `consul catalog services`",
    )
}

/// The clusters that the source's Envoy sends calls to the destination to.
pub(super) fn of_the_way(facts: &Facts, pages: &Pages) -> Vec<String> {
    let destination = &facts.question.destination;
    match facts.source.gateway {
        Some(_) => gateway::targets(pages, destination),
        None => targets(pages, destination),
    }
}

/// The clusters that the listener for a destination leads to, each once; those that stand for several are replaced by them.
pub(super) fn targets(pages: &Pages, destination: &str) -> Vec<String> {
    behind(pages, |listener| listener.split(':').next() == Some(destination), |_| true)
}

/// The same for some of an Envoy's listeners, and some of the clusters behind those.
pub(super) fn behind(
    pages: &Pages,
    is_meant: impl Fn(&str) -> bool,
    counts: impl Fn(&str) -> bool,
) -> Vec<String> {
    let listeners = pages.listeners().filter(|(name, _)| is_meant(name));
    let mut targets: Vec<String> = listeners
        .flat_map(|(_, listener)| clusters_behind(listener, pages))
        .filter(|name| counts(name))
        .flat_map(|name| parts_of(name, pages))
        .collect();
    targets.sort();
    targets.dedup();
    targets
}

/// Where a listener sends what comes in: its filters say so themselves, or by routes within or beside them. Clusters are
/// named elsewhere in it as well, by access logs, mirrors, and filters that ask somebody: no call goes there.
fn clusters_behind<'a>(listener: &'a Value, pages: &'a Pages) -> Vec<&'a str> {
    let chains = items(listener.get("filter_chains")).chain(listener.get("default_filter_chain"));
    let filters = chains.flat_map(|chain| items(chain.get("filters")));
    let mut found = Vec::new();
    for filter in filters.filter_map(|filter| filter.get("typed_config")) {
        let beside = filter.pointer("/rds/route_config_name").and_then(Value::as_str);
        let routes = filter.get("route_config").into_iter().chain(beside.and_then(|name| pages.route(name)));
        let actions = routes
            .flat_map(|routes| items(routes.get("virtual_hosts")))
            .flat_map(|host| items(host.get("routes")))
            .filter_map(|route| route.get("route"));
        // A TCP proxy has what the action of a route has.
        for action in actions.chain([filter]) {
            let shares = items(action.pointer("/weighted_clusters/clusters"));
            let names = action.get("cluster").into_iter().chain(shares.filter_map(|share| share.get("name")));
            found.extend(names.filter_map(Value::as_str));
        }
    }
    found
}

/// The clusters that one stands for: itself, or those among which it falls back.
fn parts_of(name: &str, pages: &Pages) -> Vec<String> {
    let parts =
        pages.cluster(name).map(|cluster| items(cluster.pointer("/cluster_type/typed_config/clusters")));
    let parts = parts.into_iter().flatten().filter_map(|part| part.as_str().map(str::to_owned));
    let parts: Vec<String> = parts.collect();
    if parts.is_empty() { vec![name.to_owned()] } else { parts }
}

fn items(list: Option<&Value>) -> impl Iterator<Item = &Value> {
    list.and_then(Value::as_array).into_iter().flatten()
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
            format!("a way to {}", facts.question.destination),
            "there is none",
            "see the listener's own hop above, and the route's",
        ),
    }
}
