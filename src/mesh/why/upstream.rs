//! The port of the calling side's Envoy behind which the called service is.

use super::certificate::unknown;
use super::envoy::nobody;
use super::facts::Facts;
use crate::core::model::call_path::Finding;

/// One finding for each sidecar that leads to the destination.
pub(super) fn listeners(facts: &Facts) -> Vec<Finding> {
    let (source, destination) = (&facts.query.source, &facts.query.destination);
    if facts.source.sidecars.is_empty() {
        return vec![nobody(&facts.source)];
    }
    let mut findings = Vec::new();
    for (sidecar, pages) in facts.on_the_way() {
        let id = &sidecar.instance.id;
        for upstream in sidecar.upstreams.iter().filter(|upstream| upstream.destination == *destination) {
            let at = format!("{}:{}", upstream.address, upstream.port);
            let Some(pages) = pages else {
                findings.push(unknown(id));
                continue;
            };
            let wanted = format!("{destination}:{at}");
            findings.push(if pages.listeners().any(|(name, _)| name == wanted) {
                Finding::holds(id, format!("{at} leads to {destination}"))
            } else {
                Finding::broken(
                    id,
                    format!("a listener {wanted}"),
                    format!("only {}", names(pages.listeners().map(|(name, _)| name))),
                    "Envoy refused it or could not open the port: `meshlab logs` of this Envoy says which",
                )
            });
        }
    }
    if findings.is_empty() {
        let others = facts.source.sidecars.iter().flat_map(|sidecar| &sidecar.upstreams);
        let others = names(others.map(|upstream| upstream.destination.as_str()));
        findings.push(Finding::broken(
            &facts.source.sidecars[0].instance.id,
            format!("an upstream {destination} of a sidecar of {source}"),
            format!("upstreams: {others}"),
            format!(
                "add it to the definition of {source}: `upstreams {{ destination_name = \"{destination}\", local_bind_port = PORT }}`"
            ),
        ));
    }
    findings
}

fn names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
