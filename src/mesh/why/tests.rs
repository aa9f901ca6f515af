use serde_json::{Value, json};

use super::facts::{Facts, Pages};
use super::judge;
use super::request::Match;
use super::samples::{
    CLUSTER, REFUSED, access_log, by_request, facts, facts_of_gateway, intention, open, open_from_gateway,
    stopped, stopped_from_gateway,
};
use crate::core::model::call_path::{CallPath, HopKind, HopState, RequestLine, Verdict};

fn state_of(call_path: &CallPath, kind: HopKind) -> HopState {
    call_path.hops.iter().find(|hop| hop.kind == kind).unwrap().state
}

fn stop_of(facts: &Facts) -> Option<HopKind> {
    judge(facts).stop().map(|hop| hop.kind)
}

#[test]
fn an_open_way_is_open_at_every_hop() {
    let call_path = open();
    assert!(call_path.open && call_path.stop().is_none());
    assert!(call_path.hops.iter().all(|hop| hop.state == HopState::Open), "{call_path:?}");
}

#[test]
fn each_kind_of_hop_can_stop_it_and_those_behind_are_not_reached() {
    let kinds: Vec<HopKind> = open().hops.iter().map(|hop| hop.kind).collect();
    for (call_path, kind) in stopped().iter().zip(kinds.clone()) {
        assert_eq!(call_path.stop().map(|hop| hop.kind), Some(kind));
        let at = kinds.iter().position(|known| *known == kind).unwrap();
        assert!(call_path.hops[at + 1..].iter().all(|hop| hop.state == HopState::Unreached), "{kind:?}");
        let trouble = call_path.stop().unwrap().trouble().unwrap();
        assert!(trouble.expected.is_some() && trouble.hint.is_some(), "{kind:?}");
    }
}

#[test]
fn the_first_intention_that_applies_decides_and_else_the_default() {
    let with = |intentions, allows| {
        let mut facts = facts();
        facts.intentions = intentions;
        facts.default.allows = allows;
        stop_of(&facts)
    };
    let denied = Some(HopKind::Intention);
    assert_eq!(with(vec![intention("client", "allow"), intention("*", "deny")], false), None);
    assert_eq!(with(vec![intention("client", "deny"), intention("*", "allow")], true), denied);
    assert_eq!(with(vec![intention("other", "deny")], true), None);
    assert_eq!(with(vec![intention("other", "allow")], false), denied);
}

#[test]
fn permissions_are_tried_in_their_order_and_a_request_none_matches_gets_the_default() {
    let asked = |method: &str, path: &str| {
        let mut facts = facts();
        facts.intentions = vec![by_request()];
        facts.query.request = Some(RequestLine { method: method.to_owned(), path: path.to_owned() });
        let call_path = judge(&facts);
        let hop = call_path.hops.iter().find(|hop| hop.kind == HopKind::Intention).unwrap();
        (call_path.open, hop.findings[0].seen.clone())
    };
    let (open, seen) = asked("GET", "/api/v1/x");
    assert!(open && seen.contains("`allow GET /api/*`"), "{seen}");
    let (open, seen) = asked("GET", "/api/secret");
    assert!(!open && seen.contains("`deny /api/secret`"), "{seen}");
    let (open, seen) = asked("POST", "/api/v1/x");
    assert!(!open && seen.contains("no permission matches POST /api/v1/x"), "{seen}");
    // Without a request there is nothing to decide: it is told by what it will be.
    let mut facts = facts();
    facts.intentions = vec![by_request()];
    let call_path = judge(&facts);
    assert!(call_path.open && state_of(&call_path, HopKind::Intention) == HopState::Open);
}

#[test]
fn a_header_or_a_pattern_leaves_it_in_doubt() {
    let mut facts = facts();
    let mut intention = by_request();
    let permissions = intention.permissions.as_mut().unwrap();
    permissions[0].http.as_mut().unwrap().header = Some(vec![json!({"Name": "x", "Present": true})]);
    facts.intentions = vec![intention];
    facts.query.request = Some(RequestLine { method: "GET".to_owned(), path: "/api/secret".to_owned() });
    let call_path = judge(&facts);
    assert!(call_path.open && state_of(&call_path, HopKind::Intention) == HopState::Doubtful);
}

#[test]
fn one_instance_of_two_is_enough_and_another_one_at_each_hop_is_not() {
    let mut facts = facts();
    let mut second = facts.destination.sidecars[0].clone();
    second.instance.id = "echo-2".to_owned();
    second.instance.port = 21009;
    let envoy = facts.destination.envoys["echo-sidecar-proxy"].clone();
    facts.destination.envoys.insert("echo-2".to_owned(), envoy);
    facts.destination.sidecars.push(second);
    assert_eq!(stop_of(&facts), None);
    // The Envoy of the first one is gone: the second one is left.
    facts.destination.silent();
    let call_path = judge(&facts);
    assert!(call_path.open && state_of(&call_path, HopKind::DestinationEnvoy) == HopState::Doubtful);
    // The second one's port does not answer: now nobody is left, though no hop is broken for both.
    facts.destination.ports.insert("127.0.0.1:21009".to_owned(), Err(REFUSED));
    assert_eq!(stop_of(&facts), Some(HopKind::PublicListener));
}

#[test]
fn shares_and_routes_of_their_own_lead_to_several_clusters() {
    let mut facts = facts();
    let other = format!("v2.{CLUSTER}");
    let pages = facts.source.said();
    let route = json!({"name": "echo", "virtual_hosts": [{"routes": [{"route": {
        "weighted_clusters": {"clusters": [{"name": CLUSTER, "weight": 9}, {"name": other, "weight": 1}]},
        "request_mirror_policies": [{"cluster": "shadow"}]}}]}]});
    leads_by(pages, &json!({"rds": {"route_config_name": "echo"}, "access_log": access_log()}));
    let configs = pages.configuration["configs"].as_array_mut().unwrap();
    configs.push(json!({"dynamic_route_configs": [{"route_config": route}]}));
    assert_eq!(targets(facts.source.said(), "echo", false), [CLUSTER, other.as_str()]);
    // Envoy has no cluster for the second share.
    assert_eq!(stop_of(&facts), Some(HopKind::Route));
}

#[test]
fn a_gateway_has_an_entry_and_no_sidecar_and_all_else_as_others() {
    let call_path = open_from_gateway();
    assert!(call_path.hops.iter().all(|hop| hop.state == HopState::Open), "{call_path:?}");
    let kinds = |call_path: &CallPath| call_path.hops.iter().map(|hop| hop.kind).collect::<Vec<_>>();
    let mut expected = kinds(&open());
    expected[1] = HopKind::SourceGateway;
    assert_eq!(kinds(&call_path), expected);
}

#[test]
fn a_way_from_a_gateway_stops_at_itself_its_entry_its_listener_and_its_routes() {
    let stops: Vec<HopKind> =
        stopped_from_gateway().iter().map(|call_path| call_path.stop().unwrap().kind).collect();
    let (entry, listener) = (HopKind::SourceGateway, HopKind::Upstream);
    assert_eq!(stops, [HopKind::Source, entry, listener, HopKind::Route, HopKind::Route]);
}

#[test]
fn a_gateway_sends_each_service_to_its_own_clusters() {
    let mut facts = facts_of_gateway();
    let (subset, other) = (format!("v2.{CLUSTER}"), CLUSTER.replace("echo.", "other."));
    let shares = json!({"clusters": [{"name": CLUSTER, "weight": 9}, {"name": subset, "weight": 1}]});
    let pages = facts.source.said();
    pages.configuration["configs"][2]["dynamic_route_configs"][0]["route_config"]["virtual_hosts"] =
        json!([{"routes": [{"route": {"cluster": other}}, {"route": {"weighted_clusters": shares}}]}]);
    assert_eq!(targets(pages, "echo", true), [CLUSTER, subset.as_str()]);
    assert_eq!(targets(pages, "other", true), [other.as_str()]);
    // The one that stands in for this one is any of them.
    assert_eq!(targets(pages, "third", true).len(), 3);
}

#[test]
fn a_request_goes_the_way_of_its_own_route_and_arrives_with_the_path_that_it_makes() {
    let other = CLUSTER.replace("echo.", "other.");
    let routes = json!([{"routes": [
        {"match": {"prefix": "/web/"}, "route": {"cluster": CLUSTER, "prefix_rewrite": "/api/"}},
        {"match": {"prefix": "/other"}, "route": {"cluster": other}},
    ]}]);
    let with = |path: &str, change: fn(&mut Value)| {
        let mut facts = facts_of_gateway();
        let mut routes = routes.clone();
        change(&mut routes);
        facts.source.said().configuration["configs"][2]["dynamic_route_configs"][0]["route_config"]["virtual_hosts"] =
            routes;
        facts.intentions =
            vec![crate::mesh::api::consul::Intention { source_name: "edge".to_owned(), ..by_request() }];
        facts.query.request = Some(RequestLine { method: "GET".to_owned(), path: path.to_owned() });
        let call_path = judge(&facts);
        let kind = call_path.stop().map_or(HopKind::Intention, |hop| hop.kind);
        let hop = call_path.hops.into_iter().find(|hop| hop.kind == kind).unwrap();
        (call_path.open, hop.kind, hop.state, hop.findings[0].seen.clone())
    };
    let (open, .., seen) = with("/web/x", |_| {});
    assert!(open);
    assert_eq!(seen, "allows GET /web/x, which arrives as /api/x, by `allow GET /api/*`");
    let (_, kind, _, seen) = with("/web/secret", |_| {});
    assert!(
        kind == HopKind::Intention && seen.contains("denies GET /web/secret, which arrives as /api/secret"),
        "{seen}"
    );
    let (_, kind, _, seen) = with("/api/x", |_| {});
    assert_eq!((kind, seen.as_str()), (HopKind::Route, "Envoy has none, and answers 404"));
    let (_, kind, _, seen) = with("/other", |_| {});
    assert_eq!((kind, seen.as_str()), (HopKind::Route, "Envoy sends it to cluster other.default.dc1"));
    // A pattern makes the path.
    let by_pattern = |routes: &mut Value| routes[0]["routes"][0]["route"]["regex_rewrite"] = json!({});
    let (open, _, state, seen) = with("/web/x", by_pattern);
    assert!(open && state == HopState::Doubtful && seen.contains("is not plain"), "{seen}");
}

#[test]
fn what_consul_finds_wrong_with_a_route_stops_it_only_where_envoy_has_no_way() {
    let mut facts = facts_of_gateway();
    facts.source.routes()[0].troubles = vec!["failed to bind route".to_owned()];
    let call_path = judge(&facts);
    assert!(call_path.open && state_of(&call_path, HopKind::Route) == HopState::Doubtful);
    facts.source.said().configuration["configs"][2] = json!({});
    assert_eq!(stop_of(&facts), Some(HopKind::Route));
    let call_path = judge(&facts);
    assert_eq!(call_path.stop().unwrap().trouble().unwrap().seen, "failed to bind route");
}

#[test]
fn only_what_routes_says_where_calls_go() {
    let mut facts = facts();
    let routes = json!({"virtual_hosts": [{"routes": [{"route": {"cluster": CLUSTER}},
        {"redirect": {"path_redirect": "/"}}]}]});
    let asks = json!([{"typed_config": {"grpc_service": {"cluster": "judge"}, "cluster": "judge"}}]);
    let manager = json!({"route_config": routes, "http_filters": asks, "access_log": access_log()});
    let shares = json!({"weighted_clusters": {"clusters": [{"name": CLUSTER, "weight": 1}]},
        "access_log": access_log()});
    for filter in [manager, shares] {
        leads_by(facts.source.said(), &filter);
        assert_eq!(targets(facts.source.said(), "echo", false), [CLUSTER]);
        assert!(judge(&facts).hops.iter().all(|hop| hop.state == HopState::Open));
    }
    leads_by(facts.source.said(), &json!({"access_log": access_log()}));
    assert_eq!(stop_of(&facts), Some(HopKind::Route));
}

#[test]
fn a_request_that_a_router_sends_elsewhere_does_not_arrive() {
    let other = CLUSTER.replace("echo.", "other.");
    let route_of = |path: &str, by_header: &str| {
        let mut facts = facts();
        let canary = json!([{"name": "x-canary", "present_match": true}]);
        let routes = json!([
            {"match": {"prefix": "/other"}, "route": {"cluster": other}},
            {"match": {"prefix": "/", "headers": canary}, "route": {"cluster": by_header}},
            {"match": {"prefix": "/"}, "route": {"cluster": CLUSTER}},
        ]);
        leads_by(facts.source.said(), &json!({"route_config": {"virtual_hosts": [{"routes": routes}]}}));
        facts.query.request = Some(RequestLine { method: "GET".to_owned(), path: path.to_owned() });
        let call_path = judge(&facts);
        let hop = call_path.hops.into_iter().find(|hop| hop.kind == HopKind::Route).unwrap();
        (hop.state, hop.findings[0].seen.clone())
    };
    let (state, seen) = route_of("/other/x", CLUSTER);
    assert_eq!((state, seen.as_str()), (HopState::Stopped, "Envoy sends it to cluster other.default.dc1"));
    assert_eq!(route_of("/x", CLUSTER).0, HopState::Open);
    let (state, seen) = route_of("/x", &other);
    let told = "GET /x may go to cluster echo.default.dc1: a header or a pattern decides";
    assert_eq!((state, seen.as_str()), (HopState::Doubtful, told));
}

#[test]
fn where_one_service_stands_in_for_another_a_request_goes_its_way_too() {
    let call_path = |path: &str| {
        let mut facts = facts_of_gateway();
        let routes = json!([{"routes": [{"match": {"prefix": "/web"},
            "route": {"cluster": CLUSTER.replace("echo.", "instead."), "prefix_rewrite": "/api"}}]}]);
        let pages = facts.source.said();
        pages.configuration["configs"][2]["dynamic_route_configs"][0]["route_config"]["virtual_hosts"] =
            routes;
        facts.query.request = Some(RequestLine { method: "GET".to_owned(), path: path.to_owned() });
        let pages = facts.source.said().clone();
        let request = facts.query.request.as_ref();
        let branches = super::branch::Branches::of(&pages, "echo", request, true);
        (branches.verdict(), branches.paths(path))
    };
    assert_eq!(call_path("/web/x"), (Match::Yes, vec![Some("/api/x".to_owned())]));
    assert_eq!(call_path("/nowhere"), (Match::No, Vec::new()));
}

#[test]
fn names_of_clusters_tell_whose_they_are() {
    for cluster in [CLUSTER.to_owned(), format!("v2.{CLUSTER}"), format!("0c8d2f1e~v2.{CLUSTER}")] {
        assert!(super::branch::is_of(&cluster, "echo") && !super::branch::is_of(&cluster, "v2"), "{cluster}");
    }
}

fn targets(pages: &Pages, destination: &str, is_gateway: bool) -> Vec<String> {
    super::branch::Branches::of(pages, destination, None, is_gateway).targets()
}

/// Gives the listener for echo this filter alone.
fn leads_by(pages: &mut Pages, filter: &Value) {
    pages.configuration["configs"][1]["dynamic_listeners"][1]["active_state"]["listener"] =
        json!({"filter_chains": [{"filters": [{"typed_config": filter}]}]});
}

#[test]
fn what_nobody_says_stops_nothing() {
    let mut facts = facts();
    facts.source.envoys.clear();
    facts.destination.envoys.clear();
    let call_path = judge(&facts);
    assert!(call_path.open, "{}", call_path.in_short());
    let in_doubt = call_path.hops.iter().filter(|hop| hop.state == HopState::Doubtful);
    assert!(in_doubt.clone().count() >= 8, "{call_path:?}");
    assert!(in_doubt.flat_map(|hop| &hop.findings).all(|finding| finding.verdict == Verdict::Doubtful));
}
