//! The ways on from an Envoy's listeners to its clusters, and which of them a request takes.

use serde_json::Value;

use super::facts::{Facts, Pages, items};
use super::request::{Match, goes_on_with, taken};
use crate::core::model::call_path::RequestLine;

/// The ways on from the listeners that calls to a destination come in at.
pub(super) struct Branches<'a> {
    pages: &'a Pages,
    destination: &'a str,
    /// Those that the request may take; all that there are, where there is no request.
    taken: Vec<Branch<'a>>,
    /// Whether there is any, whatever is asked for.
    lead_anywhere: bool,
    /// Whether any of them leads to a cluster that is called like the destination. Where none does, as where one service
    /// stands in for another, it may be any of them.
    is_named: bool,
    /// Whether clusters of other names are no part of the way: other services have theirs on a gateway, and a request that a
    /// router sends there does not get to the destination. Shares of a splitter are.
    is_strict: bool,
}

/// One of the ways on behind a listener.
struct Branch<'a> {
    clusters: Vec<&'a str>,
    /// Whether the request goes this way.
    verdict: Match,
    /// None where everything goes the same way, as with TCP.
    route: Option<&'a Value>,
}

impl<'a> Branches<'a> {
    /// Of the calling side's Envoy, for the call that is asked about.
    pub(super) fn of_the_way(facts: &'a Facts, pages: &'a Pages) -> Self {
        let query = &facts.query;
        Self::of(pages, &query.destination, query.request.as_ref(), facts.source.gateway.is_some())
    }

    /// A sidecar has a listener for each destination; those of a gateway lead to all.
    pub(super) fn of(
        pages: &'a Pages,
        destination: &'a str,
        request: Option<&RequestLine>,
        is_gateway: bool,
    ) -> Self {
        let is_meant = |listener: &str| is_gateway || listener.split(':').next() == Some(destination);
        let all = branches(pages, None, is_meant);
        let lead_anywhere = !all.is_empty();
        let is_named = all.iter().flat_map(|branch| &branch.clusters).any(|name| is_of(name, destination));
        let taken = if request.is_some() { branches(pages, request, is_meant) } else { all };
        let is_strict = is_gateway || request.is_some();
        Self { pages, destination, taken, lead_anywhere, is_named, is_strict }
    }

    /// Whether there is any way on, whatever is asked for.
    pub(super) fn lead_anywhere(&self) -> bool {
        self.lead_anywhere
    }

    /// The clusters that calls to the destination go to, each once; those that stand for several are replaced by them.
    pub(super) fn targets(&self) -> Vec<String> {
        self.clusters(|name| !self.is_strict || self.counts(name))
    }

    /// The clusters that the request may go to instead.
    pub(super) fn elsewhere(&self) -> Vec<String> {
        self.clusters(|name| !self.counts(name))
    }

    /// Whether the request gets there.
    pub(super) fn verdict(&self) -> Match {
        let best = self.leading().map(|branch| branch.verdict).max().unwrap_or(Match::No);
        // One that may lead elsewhere was tried before.
        let may_stray = |branch: &Branch<'_>| branch.verdict == Match::Perhaps && !self.leads_there(branch);
        if self.taken.iter().any(may_stray) { best.min(Match::Perhaps) } else { best }
    }

    /// The paths that a request may go on with; `None` is one that a pattern makes.
    pub(super) fn paths(&self, path: &str) -> Vec<Option<String>> {
        let on = |branch: &Branch<'_>| match branch.route {
            Some(route) => goes_on_with(route, path),
            None => Some(path.to_owned()),
        };
        self.leading().map(on).collect()
    }

    /// Whether Envoy has a cluster of this name.
    pub(super) fn has_cluster(&self, name: &str) -> bool {
        self.pages.cluster(name).is_some()
    }

    fn leading(&self) -> impl Iterator<Item = &Branch<'a>> {
        self.taken.iter().filter(|branch| self.leads_there(branch))
    }

    fn leads_there(&self, branch: &Branch<'_>) -> bool {
        branch.clusters.iter().any(|name| self.counts(name))
    }

    fn counts(&self, cluster: &str) -> bool {
        !self.is_named || is_of(cluster, self.destination)
    }

    fn clusters(&self, is_meant: impl Fn(&str) -> bool) -> Vec<String> {
        let named = self.taken.iter().flat_map(|branch| &branch.clusters).filter(|name| is_meant(name));
        let mut clusters: Vec<String> = named.flat_map(|name| parts_of(name, self.pages)).collect();
        clusters.sort();
        clusters.dedup();
        clusters
    }
}

/// Where listeners send what comes in: their filters say so themselves, or by routes within or beside them. Clusters are
/// named elsewhere in them as well, by access logs, mirrors, and filters that ask somebody: no call goes there.
fn branches<'a>(
    pages: &'a Pages,
    request: Option<&RequestLine>,
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
            .filter_map(|(route, verdict)| Some((route.get("route")?, Some(route), verdict)));
        // A TCP proxy has what the action of a route has.
        for (action, route, verdict) in actions.chain([(filter, None, Match::Yes)]) {
            let shares = items(action.pointer("/weighted_clusters/clusters"));
            let names = action.get("cluster").into_iter().chain(shares.filter_map(|share| share.get("name")));
            let clusters: Vec<&str> = names.filter_map(Value::as_str).collect();
            found.extend((!clusters.is_empty()).then_some(Branch { clusters, verdict, route }));
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

/// A cluster's name without the trust domain, which is the same for all.
pub(super) fn short(cluster: &str) -> &str {
    match cluster.find(".internal.") {
        Some(at) => &cluster[..at],
        None => cluster,
    }
}

/// Names of clusters without the trust domain.
pub(super) fn in_short(clusters: &[String]) -> String {
    clusters.iter().map(|cluster| short(cluster)).collect::<Vec<_>>().join(", ")
}

/// Whether a cluster, `[<hash>~][<subset>.]<service>.<namespace>.<datacenter>.internal.<trust domain>`, is a service's.
pub(super) fn is_of(cluster: &str, service: &str) -> bool {
    let name = short(cluster);
    let parts: Vec<&str> = name.rsplit('~').next().unwrap_or(name).split('.').collect();
    matches!(parts[..], [name, _, _] | [_, name, _, _] if name == service)
}
