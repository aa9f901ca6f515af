//! What becomes of one request on its way: which of an Envoy's routes it takes, and with which path it goes on.

use serde_json::Value;

use super::facts::items;
use crate::core::model::call_path::RequestLine;

/// What a condition says of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Match {
    No,
    /// It depends on a header or a pattern.
    Perhaps,
    Yes,
}

impl From<bool> for Match {
    fn from(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}

/// The routes of a virtual host that a request may take, and whether it does: up to the first one that takes it for sure, as
/// Envoy tries them in their order. Without a request, all of them.
pub(super) fn taken<'a>(host: &'a Value, request: Option<&RequestLine>) -> Vec<(&'a Value, Match)> {
    let routes = items(host.get("routes"));
    let Some(request) = request else { return routes.map(|route| (route, Match::Yes)).collect() };
    let mut taken = Vec::new();
    for route in routes {
        let verdict = route.get("match").map_or(Match::Yes, |condition| matches(condition, request));
        taken.extend((verdict != Match::No).then_some((route, verdict)));
        if verdict == Match::Yes {
            break;
        }
    }
    taken
}

/// Envoy's `RouteMatch`.
fn matches(condition: &Value, request: &RequestLine) -> Match {
    let has = |name: &str| condition.get(name).is_some();
    let verdicts = items(condition.get("headers")).map(|header| by_header(header, request));
    let depends =
        ["query_parameters", "cookies", "runtime_fraction", "grpc", "tls_context", "dynamic_metadata"];
    let else_known = if depends.into_iter().any(has) { Match::Perhaps } else { Match::Yes };
    verdicts.chain([by_path(condition, &request.path), else_known]).min().unwrap_or(Match::Yes)
}

fn by_path(condition: &Value, path: &str) -> Match {
    let ignores_case = condition.get("case_sensitive").and_then(Value::as_bool) == Some(false);
    let folded = |text: &str| if ignores_case { text.to_ascii_lowercase() } else { text.to_owned() };
    let path = folded(path);
    let of = |name: &str| condition.get(name).and_then(Value::as_str).map(folded);
    if let Some(exact) = of("path") {
        (path == exact).into()
    } else if let Some(prefix) = of("prefix") {
        path.starts_with(&prefix).into()
    } else if let Some(prefix) = of("path_separated_prefix") {
        path.strip_prefix(&prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')).into()
    } else {
        Match::Perhaps
    }
}

/// A method is a header, too: of Consul a pattern of plain words, `GET|PUT`. Of other headers nothing is known.
fn by_header(header: &Value, request: &RequestLine) -> Match {
    let is_method = header.get("name").and_then(Value::as_str) == Some(":method");
    let is_inverted = header.get("invert_match").and_then(Value::as_bool) == Some(true);
    let of = |name: &str| header.pointer(&format!("/string_match/{name}")).and_then(Value::as_str);
    let is_plain = |pattern: &&str| pattern.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'|');
    match of("exact").or_else(|| of("safe_regex/regex").filter(is_plain)) {
        Some(methods) if is_method => {
            (methods.split('|').any(|method| method == request.method) != is_inverted).into()
        }
        _ => Match::Perhaps,
    }
}

/// The path that a request goes on with by a route; `None` where a pattern of somebody's own rewrites it.
pub(super) fn goes_on_with(route: &Value, path: &str) -> Option<String> {
    let action = route.get("route")?;
    let matched = || {
        let mut names = ["prefix", "path_separated_prefix", "path"].into_iter();
        names.find_map(|name| route.get("match")?.get(name)?.as_str())
    };
    if let Some(rewrite) = action.get("regex_rewrite") {
        // What Consul makes of a gateway's URLRewrite: the prefix and a slash behind it are replaced.
        let prefix = matched()?;
        let pattern = rewrite.pointer("/pattern/regex")?.as_str()?;
        let before = rewrite.get("substitution")?.as_str()?.strip_suffix("\\2")?;
        let rest = path.strip_prefix(prefix).filter(|_| pattern == format!("^{prefix}(/?)(.*)"))?;
        return Some(format!("{before}{}", rest.strip_prefix('/').unwrap_or(rest)));
    }
    let rewrite = action.get("prefix_rewrite").and_then(Value::as_str).filter(|rewrite| !rewrite.is_empty());
    let Some(rewrite) = rewrite else { return Some(path.to_owned()) };
    Some(format!("{rewrite}{}", path.get(matched()?.len()..)?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn get(path: &str) -> RequestLine {
        RequestLine { method: "GET".to_owned(), path: path.to_owned() }
    }

    #[test]
    fn the_first_route_that_takes_a_request_for_sure_is_the_last_one_it_may_take() {
        let by_header =
            json!({"match": {"prefix": "/", "headers": [{"name": "x-version", "present_match": true}]}});
        let host = json!({"routes": [{"match": {"path": "/a"}}, by_header, {"match": {"prefix": "/b"}}, {"match": {"prefix": "/"}}]});
        let routes = host["routes"].as_array().unwrap();
        let taken = |path: &str| {
            let taken = taken(&host, Some(&get(path)));
            let place = |(one, _): &(&Value, Match)| routes.iter().position(|route| route == *one).unwrap();
            taken.iter().map(place).collect::<Vec<_>>()
        };
        assert_eq!(taken("/a"), [0]);
        assert_eq!(taken("/b/c"), [1, 2]);
        assert_eq!(taken("/c"), [1, 3]);
        assert_eq!(super::taken(&host, None).len(), 4);
    }

    #[test]
    fn a_condition_is_what_envoy_makes_of_it() {
        // As Consul writes it.
        let methods = |regex: &str, inverted: bool| {
            let method = json!({"name": ":method", "string_match": {"safe_regex": {"regex": regex}}, "invert_match": inverted});
            json!({"prefix": "/", "headers": [method]})
        };
        for (condition, path, expected) in [
            (json!({"path": "/a"}), "/a/b", Match::No),
            (json!({"path_separated_prefix": "/a"}), "/a/b", Match::Yes),
            (json!({"path_separated_prefix": "/a"}), "/ab", Match::No),
            (json!({"prefix": "/A", "case_sensitive": false}), "/ab", Match::Yes),
            (json!({"prefix": "/A"}), "/ab", Match::No),
            (json!({"safe_regex": {"regex": "/a.*"}}), "/a", Match::Perhaps),
            (json!({"prefix": "/", "query_parameters": [{"name": "q"}]}), "/", Match::Perhaps),
            (
                json!({"prefix": "/", "headers": [{"name": ":method", "string_match": {"exact": "GET"}}]}),
                "/",
                Match::Yes,
            ),
            (methods("PUT|GET", false), "/", Match::Yes),
            (methods("PUT|POST", false), "/", Match::No),
            (methods("PUT", true), "/", Match::Yes),
            (methods("P.*", false), "/", Match::Perhaps),
            (json!({"prefix": "/b", "headers": [{"name": "x", "present_match": true}]}), "/", Match::No),
        ] {
            assert_eq!(matches(&condition, &get(path)), expected, "{condition} {path}");
        }
    }

    #[test]
    fn a_route_may_change_the_path() {
        let by = |condition: &Value, action: &Value, path: &str| {
            goes_on_with(&json!({"match": condition, "route": action}), path)
        };
        let rewrite = json!({"prefix_rewrite": "/"});
        assert_eq!(by(&json!({"prefix": "/web/"}), &rewrite, "/web/a").as_deref(), Some("/a"));
        assert_eq!(by(&json!({"path": "/web"}), &rewrite, "/web").as_deref(), Some("/"));
        assert_eq!(by(&json!({"prefix": "/web"}), &json!({}), "/web/a").as_deref(), Some("/web/a"));
        let consul =
            |pattern: &str| json!({"regex_rewrite": {"pattern": {"regex": pattern}, "substitution": "/\\2"}});
        let (web, of_web) = (json!({"prefix": "/web"}), consul("^/web(/?)(.*)"));
        for (path, expected) in [("/web/a", "/a"), ("/web", "/"), ("/webs", "/s")] {
            assert_eq!(by(&web, &of_web, path).as_deref(), Some(expected));
        }
        assert_eq!(by(&web, &consul("^/(.*)/(.*)"), "/web/a"), None);
        assert_eq!(by(&json!({"prefix": "/"}), &json!({"regex_rewrite": {}}), "/a"), None);
    }
}
