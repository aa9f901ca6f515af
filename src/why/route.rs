//! Where the calling side's Envoy sends what comes in at its port: clusters, perhaps several in shares.

use serde_json::Value;

use super::certificate::unknown;
use super::envoy::nobody;
use super::facts::{Facts, Pages};
use super::request::{goes_on_with, taken};
use super::way::Finding;
use super::{Question, Request, gateway};

/// One finding for each sidecar that leads to the destination.
pub(super) fn clusters(facts: &Facts) -> Vec<Finding> {
    if let Some(gateway) = &facts.source.gateway {
        return gateway::routes(facts, gateway);
    }
    let question = &facts.question;
    let destination = &question.destination;
    let finding = |(id, pages): (&str, Option<&Pages>)| {
        let Some(pages) = pages else { return unknown(id) };
        let targets = targets(pages, destination, question.request.as_ref());
        if let Some(missing) = targets.iter().find(|target| pages.cluster(target).is_none()) {
            return no_cluster(id, missing);
        }
        if !targets.is_empty() {
            return Finding::holds(id, format!("to cluster {}", in_short(&targets)));
        }
        let hint = "a service-router or -splitter that names something unknown? `consul config list -kind service-router`";
        match &question.request {
            Some(request) if !self::targets(pages, destination, None).is_empty() => {
                not_this_one(id, request, destination, &[], hint)
            }
            _ => Finding::broken(
                id,
                format!("a route from the listener for {destination} to a cluster"),
                "the listener leads nowhere",
                hint,
            ),
        }
    };
    let findings: Vec<Finding> =
        facts.on_the_way().map(|(sidecar, pages)| finding((sidecar.instance.id.as_str(), pages))).collect();
    if findings.is_empty() { vec![nobody_leads_there(facts)] } else { findings }
}

/// Other requests get there, this one does not.
pub(super) fn not_this_one(
    id: &str,
    request: &Request,
    destination: &str,
    elsewhere: &[String],
    hint: impl Into<String>,
) -> Finding {
    let seen = if elsewhere.is_empty() {
        "Envoy has none, and answers 404".to_owned()
    } else {
        format!("Envoy sends it to cluster {}", in_short(elsewhere))
    };
    Finding::broken(id, format!("a route for {request} that leads to {destination}"), seen, hint)
}

/// Clusters' names without the trust domain.
pub(super) fn in_short(clusters: &[String]) -> String {
    clusters.iter().map(|cluster| short(cluster)).collect::<Vec<_>>().join(", ")
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
    let Question { destination, request, .. } = &facts.question;
    match facts.source.gateway {
        Some(_) => gateway::targets(pages, destination, request.as_ref()),
        None => targets(pages, destination, request.as_ref()),
    }
}

/// The paths that a request may arrive with at the destination, each once; `None` is one that a pattern makes. Where the
/// calling side says nothing, the path is believed to stay what it is.
pub(super) fn arrives_with(facts: &Facts, request: &Request) -> Vec<Option<String>> {
    let destination = &facts.question.destination;
    let of_one = |pages: &Pages| match facts.source.gateway {
        Some(_) => paths_behind(pages, request, |_| true, |cluster| gateway::is_of(cluster, destination)),
        None => paths_behind(pages, request, |listener| is_for(listener, destination), |_| true),
    };
    let pages = facts.on_the_way().filter_map(|(_, pages)| pages);
    let mut paths: Vec<Option<String>> = pages.flat_map(of_one).collect();
    paths.sort();
    paths.dedup();
    if paths.is_empty() { vec![Some(request.path.clone())] } else { paths }
}

/// The clusters that the listener for a destination leads to, each once; those that stand for several are replaced by them.
pub(super) fn targets(pages: &Pages, destination: &str, request: Option<&Request>) -> Vec<String> {
    behind(pages, request, |listener| is_for(listener, destination), |_| true)
}

fn is_for(listener: &str, destination: &str) -> bool {
    listener.split(':').next() == Some(destination)
}

/// The same for some of an Envoy's listeners, and some of the clusters behind those.
pub(super) fn behind(
    pages: &Pages,
    request: Option<&Request>,
    is_meant: impl Fn(&str) -> bool,
    counts: impl Fn(&str) -> bool,
) -> Vec<String> {
    let clusters = branches(pages, request, is_meant).into_iter().flat_map(|branch| branch.clusters);
    let mut targets: Vec<String> =
        clusters.filter(|name| counts(name)).flat_map(|name| parts_of(name, pages)).collect();
    targets.sort();
    targets.dedup();
    targets
}

/// The paths of a request behind some of an Envoy's listeners, on its way to some of the clusters.
fn paths_behind(
    pages: &Pages,
    request: &Request,
    is_meant: impl Fn(&str) -> bool,
    counts: impl Fn(&str) -> bool,
) -> Vec<Option<String>> {
    let branches = branches(pages, Some(request), is_meant).into_iter();
    let meant = branches.filter(|branch| branch.clusters.iter().any(|name| counts(name)));
    meant
        .map(|branch| match branch.route {
            Some(route) => goes_on_with(route, &request.path),
            None => Some(request.path.clone()),
        })
        .collect()
}

/// One of the ways on behind a listener.
struct Branch<'a> {
    clusters: Vec<&'a str>,
    /// None where everything goes the same way, as with TCP.
    route: Option<&'a Value>,
}

/// Where listeners send what comes in: their filters say so themselves, or by routes within or beside them. Clusters are
/// named elsewhere in them as well, by access logs, mirrors, and filters that ask somebody: no call goes there.
fn branches<'a>(
    pages: &'a Pages,
    request: Option<&Request>,
    is_meant: impl Fn(&str) -> bool,
) -> Vec<Branch<'a>> {
    let listeners = pages.listeners().filter(|(name, _)| is_meant(name)).map(|(_, listener)| listener);
    let chains = listeners.flat_map(|listener| {
        items(listener.get("filter_chains")).chain(listener.get("default_filter_chain"))
    });
    let filters = chains.flat_map(|chain| items(chain.get("filters")));
    let mut found = Vec::new();
    for filter in filters.filter_map(|filter| filter.get("typed_config")) {
        let beside = filter.pointer("/rds/route_config_name").and_then(Value::as_str);
        let routes = filter.get("route_config").into_iter().chain(beside.and_then(|name| pages.route(name)));
        let hosts = routes.flat_map(|routes| items(routes.get("virtual_hosts")));
        let actions = hosts
            .flat_map(|host| taken(host, request))
            .filter_map(|route| Some((route.get("route")?, Some(route))));
        // A TCP proxy has what the action of a route has.
        for (action, route) in actions.chain([(filter, None)]) {
            let shares = items(action.pointer("/weighted_clusters/clusters"));
            let names = action.get("cluster").into_iter().chain(shares.filter_map(|share| share.get("name")));
            let clusters: Vec<&str> = names.filter_map(Value::as_str).collect();
            found.extend((!clusters.is_empty()).then_some(Branch { clusters, route }));
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
