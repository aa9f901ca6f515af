//! Where the calling side's Envoy sends what comes in at its port: clusters, perhaps several in shares.

use super::branch::{Branches, in_short};
use super::certificate::unknown;
use super::envoy::nobody;
use super::facts::{Facts, Pages};
use super::request::Match;
use crate::core::model::call_path::Finding;
use crate::core::model::call_path::RequestLine;

/// One finding for each sidecar that leads to the destination.
pub(super) fn clusters(facts: &Facts) -> Vec<Finding> {
    let destination = &facts.query.destination;
    let look = format!("`consul config read -kind service-router -name {destination}` shows the routes");
    let finding = |(id, pages): (&str, Option<&Pages>)| {
        let Some(pages) = pages else { return unknown(id) };
        let branches = Branches::of_the_way(facts, pages);
        let targets = match targets(id, facts, &branches, &look) {
            Ok(targets) => targets,
            Err(finding) => return finding,
        };
        if targets.is_empty() {
            return Finding::broken(
                id,
                format!("a route from the listener for {destination} to a cluster"),
                "the listener leads nowhere",
                "a service-router or -splitter that names something unknown? `consul config list -kind service-router`",
            );
        }
        Finding::holds(id, format!("to cluster {}", in_short(&targets)))
    };
    let findings: Vec<Finding> =
        facts.on_the_way().map(|(sidecar, pages)| finding((sidecar.instance.id.as_str(), pages))).collect();
    if findings.is_empty() { vec![nobody_leads_there(facts)] } else { findings }
}

/// Where calls go. `Err` is what is to be said whoever calls: that a cluster is not there, that the request goes elsewhere,
/// or may.
pub(super) fn targets(
    id: &str,
    facts: &Facts,
    branches: &Branches<'_>,
    look: &str,
) -> Result<Vec<String>, Finding> {
    let targets = branches.targets();
    if let Some(missing) = targets.iter().find(|target| !branches.has_cluster(target)) {
        return Err(no_cluster(id, missing));
    }
    let Some(request) = facts.query.request.as_ref().filter(|_| branches.lead_anywhere()) else {
        return Ok(targets);
    };
    match branches.verdict() {
        Match::Yes => Ok(targets),
        Match::Perhaps => {
            let seen =
                format!("{request} may go to cluster {}: a header or a pattern decides", in_short(&targets));
            Err(Finding::doubtful(id, seen, look))
        }
        Match::No => Err(not_this_one(id, request, &facts.query.destination, &branches.elsewhere(), look)),
    }
}

/// Other requests get there, this one does not.
fn not_this_one(
    id: &str,
    request: &RequestLine,
    destination: &str,
    elsewhere: &[String],
    look: &str,
) -> Finding {
    let seen = if elsewhere.is_empty() {
        "Envoy has none, and answers 404".to_owned()
    } else {
        format!("Envoy sends it to cluster {}", in_short(elsewhere))
    };
    Finding::broken(id, format!("a route for {request} that leads to {destination}"), seen, look)
}

/// An Envoy is told to send calls to a cluster that it does not have.
fn no_cluster(id: &str, missing: &str) -> Finding {
    Finding::broken(
        id,
        format!("a cluster {missing}"),
        "Envoy has none of that name",
        "Consul gives one as soon as the service it is about is known: `consul catalog services`",
    )
}

/// The paths that a request may arrive with at the destination, each once; `None` is one that a pattern makes. Where the
/// calling side says nothing, the path is believed to stay what it is.
pub(super) fn arrives_with(facts: &Facts, request: &RequestLine) -> Vec<Option<String>> {
    let pages = facts.on_the_way().filter_map(|(_, pages)| pages);
    let mut paths: Vec<Option<String>> =
        pages.flat_map(|pages| Branches::of_the_way(facts, pages).paths(&request.path)).collect();
    paths.sort();
    paths.dedup();
    if paths.is_empty() { vec![Some(request.path.clone())] } else { paths }
}

/// No sidecar leads to the destination: the hop before this one says so, too.
pub(super) fn nobody_leads_there(facts: &Facts) -> Finding {
    match facts.source.sidecars.first() {
        None => nobody(&facts.source),
        Some(sidecar) => Finding::broken(
            &sidecar.instance.id,
            format!("a way to {}", facts.query.destination),
            "there is none",
            "see the listener's own hop above, and the route's",
        ),
    }
}
