//! Ways for tests: `client` calls `echo`, and one thing after the other is broken.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::facts::{ConnectError, Envoy, Facts, Pages, Side};
use super::judge;
use crate::core::http::HttpError;
use crate::core::model::call_path::{CallPath, PathQuery, RequestLine};
use crate::mesh::api::consul::{
    ApiGateway, DefaultIntention, GatewayListener, GatewayRoute, GatewayTarget, HttpMatch, Instance,
    Intention, Permission, Sidecar, UpstreamPort,
};
use crate::mesh::api::envoy::PageError;

/// Nobody listens there.
pub(super) const REFUSED: ConnectError = ConnectError::Failed(std::io::ErrorKind::ConnectionRefused);

pub(super) const CLUSTER: &str = "echo.default.dc1.internal.0c8d2f1e.consul";

/// From Consul's and Envoy's answers in lab 1, with everything that no hop looks at left out.
pub(super) fn facts() -> Facts {
    let query = PathQuery { source: "client".to_owned(), destination: "echo".to_owned(), request: None };
    let upstream =
        UpstreamPort { destination: "echo".to_owned(), address: "127.0.0.1".to_owned(), port: 9191 };
    Facts {
        query,
        source: side("client", 8080, 21000, 19001, vec![upstream]),
        destination: side("echo", 9090, 21001, 19000, Vec::new()),
        intentions: vec![intention("client", "allow")],
        default: DefaultIntention {
            allows: false,
            setting: "default_intention_policy = \"deny\"".to_owned(),
        },
        now: humantime::parse_rfc3339("2026-11-24T13:39:00Z").unwrap(),
    }
}

/// `edge` is an API gateway that routes /echo/... to `echo`: from the answers in lab 2.
pub(super) fn facts_of_gateway() -> Facts {
    let mut facts = facts();
    facts.query.source = "edge".to_owned();
    facts.intentions = vec![intention("edge", "allow")];
    let mut source = side("edge", 2809, 2809, 19004, Vec::new());
    let configs = &mut source.said().configuration["configs"];
    let filter = json!({"rds": {"route_config_name": "2809"}, "access_log": access_log()});
    configs[1]["dynamic_listeners"] = json!([{"name": "http:127.0.0.1:2809", "active_state": {"listener": {
        "address": socket(2809), "filter_chains": [{"filters": [{"typed_config": filter}]}]}}}]);
    let route = json!({"name": "2809", "virtual_hosts": [{"routes": [{"route": {"cluster": CLUSTER}}]}]});
    configs.as_array_mut().unwrap().push(json!({"dynamic_route_configs": [{"route_config": route}]}));
    "api-gateway".clone_into(&mut source.instances[0].kind);
    "edge-1".clone_into(&mut source.instances[0].id);
    source.sidecars[0].instance = source.instances[0].clone();
    source.envoys = source.envoys.into_values().map(|envoy| ("edge-1".to_owned(), envoy)).collect();
    let target = GatewayTarget { service: "echo".to_owned(), paths: vec!["prefix /echo".to_owned()] };
    let listener = GatewayListener { name: "http".to_owned(), port: 2809, protocol: "http".to_owned() };
    source.gateway = Some(ApiGateway {
        listeners: vec![listener],
        troubles: Vec::new(),
        routes: vec![GatewayRoute {
            name: "http-route to-echo".to_owned(),
            targets: vec![target],
            troubles: Vec::new(),
        }],
    });
    facts.source = source;
    facts
}

pub(super) fn intention(source: &str, action: &str) -> Intention {
    Intention {
        source_name: source.to_owned(),
        destination_name: "echo".to_owned(),
        action: action.to_owned(),
        precedence: if source == "*" { 8 } else { 9 },
        permissions: None,
    }
}

/// An intention that allows one way of asking, and denies another one.
pub(super) fn by_request() -> Intention {
    let permission =
        |action: &str, http: HttpMatch| Permission { action: action.to_owned(), http: Some(http) };
    let get = HttpMatch {
        path_prefix: "/api/".to_owned(),
        methods: Some(vec!["GET".to_owned()]),
        ..HttpMatch::default()
    };
    let secret = HttpMatch { path_exact: "/api/secret".to_owned(), ..HttpMatch::default() };
    let permissions = Some(vec![permission("deny", secret), permission("allow", get)]);
    Intention { permissions, ..intention("client", "") }
}

fn side(name: &str, port: u16, mesh: u16, admin: u16, upstreams: Vec<UpstreamPort>) -> Side {
    let instance = |id: &str, port: u16| Instance {
        kind: String::new(),
        id: id.to_owned(),
        address: "127.0.0.1".to_owned(),
        port,
        failing: Vec::new(),
    };
    let id = format!("{name}-sidecar-proxy");
    let pages = pages(name, mesh, &upstreams);
    let sidecar = Sidecar {
        instance: instance(&id, mesh),
        labels: BTreeMap::new(),
        local_address: "127.0.0.1".to_owned(),
        local_port: port,
        upstreams,
    };
    let admin = format!("127.0.0.1:{admin}").parse().unwrap();
    Side {
        name: name.to_owned(),
        instances: vec![instance(name, port)],
        ports: [(format!("127.0.0.1:{mesh}"), Ok(())), (format!("127.0.0.1:{port}"), Ok(()))].into(),
        envoys: [(id, Envoy { admin, pages: Ok(pages) })].into(),
        sidecars: vec![sidecar],
        gateway: None,
    }
}

fn socket(port: u16) -> Value {
    json!({"socket_address": {"address": "127.0.0.1", "port_value": port}})
}

/// It names a cluster as well, which is no place that a call goes to.
pub(super) fn access_log() -> Value {
    json!([{"typed_config": {"log_format": {"json_format": {"cluster": "%UPSTREAM_CLUSTER%"}}}}])
}

fn pages(name: &str, mesh: u16, upstreams: &[UpstreamPort]) -> Pages {
    let local = if name == "echo" { 9090 } else { 8080 };
    let mut listeners = vec![
        json!({"name": format!("public_listener:127.0.0.1:{mesh}"), "active_state": {"listener": {
        "filter_chains": [{"filters": [{"typed_config": {"cluster": "local_app", "access_log": access_log()}}],
            "transport_socket": {"typed_config": {"require_client_certificate": true}}}]}}}),
    ];
    listeners.extend(upstreams.iter().map(|upstream| {
        json!({"name": format!("{}:{}:{}", upstream.destination, upstream.address, upstream.port),
            "active_state": {"listener": {"filter_chains": [{"filters": [
                {"typed_config": {"cluster": CLUSTER, "access_log": access_log()}}]}]}}})
    }));
    let endpoints = json!([{"lb_endpoints": [{"endpoint": {"address": socket(local)}}]}]);
    let clusters = json!([
        {"cluster": {"name": "local_app", "load_assignment": {"endpoints": endpoints}}},
        {"cluster": {"name": CLUSTER, "type": "EDS"}},
    ]);
    Pages {
        ready: "LIVE".to_owned(),
        stats: "control_plane.connected_state: 1\nconnect_authz.rbac.denied: 7\n".to_owned(),
        certificates: json!({"certificates": [{"cert_chain": [{"serial_number": "0a",
            "expiration_time": "2026-11-27T13:38:26Z", "subject_alt_names": [
                {"uri": format!("spiffe://0c8d2f1e-10cd-7ace-4976-d485d2d4dafa.consul/ns/default/dc/dc1/svc/{name}")}]}]}]}),
        clusters: json!({"cluster_statuses": [{"name": CLUSTER, "host_statuses": [
            {"address": socket(21001), "health_status": {"eds_health_status": "HEALTHY"}}]}]}),
        configuration: json!({"configs": [
            {"static_clusters": [], "dynamic_active_clusters": clusters}, {"dynamic_listeners": listeners}]}),
    }
}

impl Side {
    /// What its only Envoy says.
    pub(super) fn said(&mut self) -> &mut Pages {
        self.envoys.values_mut().next().unwrap().pages.as_mut().unwrap()
    }

    /// As an API gateway.
    pub(super) fn routes(&mut self) -> &mut Vec<GatewayRoute> {
        &mut self.gateway.as_mut().unwrap().routes
    }

    /// Without an answer of its Envoy; of several, the last.
    pub(super) fn silent(&mut self) {
        let envoy = self.envoys.values_mut().next_back().unwrap();
        let error = HttpError::Failed("Connection refused".to_owned());
        envoy.pages = Err(PageError { admin: envoy.admin, path: "/stats", error });
    }

    fn fail(&mut self, check: &str) {
        self.sidecars[0].instance.failing = vec![check.to_owned()];
    }
}

/// An open way.
pub(crate) fn open() -> CallPath {
    judge(&facts())
}

/// An open way from an API gateway.
pub(crate) fn open_from_gateway() -> CallPath {
    judge(&facts_of_gateway())
}

/// Ways from an API gateway that stop where only such ways do.
pub(crate) fn stopped_from_gateway() -> Vec<CallPath> {
    let breaks: [fn(&mut Facts); 5] = [
        // What Consul's check sees of a gateway that has no route.
        |facts| {
            facts.source.instances[0].failing = vec!["edge is up is critical: refused".to_owned()];
            facts.source.routes().clear();
        },
        |facts| facts.source.gateway = Some(ApiGateway::default()),
        |facts| facts.source.said().configuration["configs"][1]["dynamic_listeners"] = json!([]),
        |facts| facts.source.routes()[0].targets[0].service = "other".to_owned(),
        |facts| facts.source.routes().clear(),
    ];
    breaks
        .iter()
        .map(|change| {
            let mut facts = facts_of_gateway();
            change(&mut facts);
            judge(&facts)
        })
        .collect()
}

/// Ways that stop, each at another hop, in the hops' order.
pub(crate) fn stopped() -> Vec<CallPath> {
    let breaks: [fn(&mut Facts); 14] = [
        |facts| facts.source.instances[0].failing = vec!["client is up is critical: refused".to_owned()],
        |facts| facts.source.sidecars.clear(),
        |facts| facts.source.silent(),
        |facts| facts.now += Duration::from_hours(100),
        |facts| facts.source.sidecars[0].upstreams.clear(),
        |facts| facts.source.said().configuration["configs"][0]["dynamic_active_clusters"] = json!([]),
        |facts| {
            facts.source.said().clusters["cluster_statuses"][0]["host_statuses"] = json!([]);
            facts.destination.fail("echo accepts connections is critical: connection refused");
        },
        |facts| facts.intentions = vec![intention("*", "deny")],
        |facts| facts.destination.fail("as healthy as echo is critical: echo failed"),
        |facts| facts.destination.silent(),
        |facts| facts.destination.said().certificates = json!({"certificates": []}),
        |facts| _ = facts.destination.ports.insert("127.0.0.1:21001".to_owned(), Err(REFUSED)),
        |facts| facts.destination.sidecars[0].local_port = 9099,
        |facts| _ = facts.destination.ports.insert("127.0.0.1:9090".to_owned(), Err(REFUSED)),
    ];
    breaks
        .iter()
        .map(|change| {
            let mut facts = facts();
            change(&mut facts);
            judge(&facts)
        })
        .collect()
}

/// A way about one request that goes on, with something in doubt on it: one instance of two is ejected.
pub(crate) fn doubtful() -> CallPath {
    let mut facts = facts();
    facts.query.request = Some(RequestLine { method: "GET".to_owned(), path: "/api/v1/x".to_owned() });
    facts.intentions = vec![by_request()];
    let hosts = &mut facts.source.said().clusters["cluster_statuses"][0]["host_statuses"];
    let ejected = json!({"address": socket(21009), "health_status":
        {"eds_health_status": "HEALTHY", "failed_outlier_check": true}});
    hosts.as_array_mut().unwrap().push(ejected);
    facts.destination.said().stats = "control_plane.connected_state: 0\n".to_owned();
    judge(&facts)
}
