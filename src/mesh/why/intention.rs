//! Who may talk to whom: the intention that decides, or the default.

use super::facts::{Facts, Side};
use super::request::Match;
use super::route;
use crate::core::model::call_path::Finding;
use crate::core::model::call_path::RequestLine;
use crate::mesh::api::consul::{HttpMatch, Intention, Permission};
use crate::mesh::api::envoy::sum;

/// Consul's decision, in one finding.
pub(super) fn decision(facts: &Facts) -> Vec<Finding> {
    let (source, destination) = (&facts.query.source, &facts.query.destination);
    let applies = |intention: &&Intention| intention.source_name == *source || intention.source_name == "*";
    let finding = match facts.intentions.iter().find(applies) {
        None => by_default(facts, "no intention applies"),
        Some(intention) => {
            let name = format!(
                "{} -> {} (precedence {})",
                intention.source_name, intention.destination_name, intention.precedence
            );
            match (&intention.permissions, intention.action.as_str()) {
                (Some(permissions), _) if !permissions.is_empty() => by_request(facts, &name, permissions),
                (_, "allow") => Finding::holds(name, "allows"),
                (_, action) => denied(
                    facts,
                    &name,
                    format!("its action is {action:?}"),
                    format!("`consul intention create -replace -allow {source} {destination}` allows it"),
                ),
            }
        }
    };
    vec![finding]
}

fn by_default(facts: &Facts, why: &str) -> Finding {
    let (source, destination) = (&facts.query.source, &facts.query.destination);
    let setting = &facts.default.setting;
    if facts.default.allows {
        return Finding::holds("default", format!("{why}, and the default allows ({setting})"));
    }
    denied(
        facts,
        "default",
        format!("{why}, and the default denies ({setting})"),
        format!("`consul intention create {source} {destination}` allows it"),
    )
}

/// The first permission that matches decides; if none does, the default.
fn by_request(facts: &Facts, name: &str, permissions: &[Permission]) -> Finding {
    let all: Vec<String> = permissions.iter().map(in_words).collect();
    let Some(request) = &facts.query.request else {
        let seen = format!("decides by request: {}", all.join("; "));
        if permissions.iter().any(|permission| permission.action == "allow") {
            return Finding::holds(name, seen);
        }
        return denied(facts, name, seen, "no permission allows anything: add one".to_owned());
    };
    let arriving = match &route::arrives_with(facts, request)[..] {
        [Some(path)] => RequestLine { path: path.clone(), ..request.clone() },
        paths => {
            let known: Vec<&str> = paths.iter().flatten().map(String::as_str).collect();
            let seen = format!(
                "decides by request: {}; with which path {request} arrives is not plain{}",
                all.join("; "),
                if known.is_empty() { String::new() } else { format!(" (perhaps {})", known.join(" or ")) }
            );
            return Finding::doubtful(
                name,
                seen,
                "try it: the counters of the destination's Envoy (rbac) tell",
            );
        }
    };
    let asked = if arriving.path == request.path {
        request.to_string()
    } else {
        format!("{request}, which arrives as {}", arriving.path)
    };
    for permission in permissions {
        match matches(permission.http.as_ref(), &arriving) {
            Match::No => {}
            Match::Perhaps => {
                return Finding::doubtful(
                    name,
                    format!(
                        "{asked}: whether `{}` applies depends on headers or a pattern",
                        in_words(permission)
                    ),
                    "try it: the counters of the destination's Envoy (rbac) tell",
                );
            }
            Match::Yes if permission.action == "allow" => {
                return Finding::holds(name, format!("allows {asked}, by `{}`", in_words(permission)));
            }
            Match::Yes => {
                let seen = format!("denies {asked}, by `{}`", in_words(permission));
                return denied(
                    facts,
                    name,
                    seen,
                    "a permission that allows it has to stand before that one".to_owned(),
                );
            }
        }
    }
    let finding =
        by_default(facts, &format!("no permission matches {asked} (there are: {})", all.join("; ")));
    Finding { about: name.to_owned(), ..finding }
}

fn matches(http: Option<&HttpMatch>, request: &RequestLine) -> Match {
    let Some(http) = http else { return Match::Yes };
    let methods = http.methods.as_deref().unwrap_or_default();
    let exact = http.path_exact.is_empty() || http.path_exact == request.path;
    let prefix = request.path.starts_with(&http.path_prefix);
    let method = methods.is_empty() || methods.contains(&request.method);
    if !(exact && prefix && method) {
        return Match::No;
    }
    let by_header = http.header.as_ref().is_some_and(|headers| !headers.is_empty());
    if by_header || !http.path_regex.is_empty() { Match::Perhaps } else { Match::Yes }
}

fn in_words(permission: &Permission) -> String {
    let Some(http) = &permission.http else { return format!("{} all", permission.action) };
    let mut words = vec![permission.action.clone()];
    let methods = http.methods.as_deref().unwrap_or_default();
    words.extend((!methods.is_empty()).then(|| methods.join(",")));
    for (before, path, after) in
        [("", &http.path_exact, ""), ("", &http.path_prefix, "*"), ("~", &http.path_regex, "")]
    {
        words.extend((!path.is_empty()).then(|| format!("{before}{path}{after}")));
    }
    words.extend(
        http.header.as_ref().filter(|headers| !headers.is_empty()).map(|_| "with headers".to_owned()),
    );
    words.join(" ")
}

fn denied(facts: &Facts, name: &str, seen: String, hint: String) -> Finding {
    let (source, destination) = (&facts.query.source, &facts.query.destination);
    let seen = match refused(&facts.destination) {
        Some(count) => format!("{seen}; Envoys of {destination} have refused {count} so far (rbac denied)"),
        None => seen,
    };
    Finding::broken(name, format!("an intention that allows {source} -> {destination}"), seen, hint)
}

/// How much the destination's Envoys have refused, as far as they say.
fn refused(destination: &Side) -> Option<u64> {
    let pages: Vec<_> =
        destination.sidecars.iter().filter_map(|sidecar| destination.pages(sidecar)).collect();
    let count = |stats: &str| {
        sum(stats, "connect_authz.rbac.denied") + sum(stats, "http.public_listener.rbac.denied")
    };
    (!pages.is_empty()).then(|| pages.iter().map(|pages| count(&pages.stats)).sum())
}
