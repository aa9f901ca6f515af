//! Consul's entries about API gateways: the ports that they open, and what they route where.

use hyper::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::Value;

use super::{Consul, Sidecar, mesh};
use crate::core::failure::Result;

/// The kind of service that an API gateway is, and of the entry about it.
pub const API_GATEWAY: &str = "api-gateway";

/// The kinds of entries that say what a gateway routes.
const ROUTES: [&str; 2] = ["http-route", "tcp-route"];

/// What Consul is told of an API gateway.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApiGateway {
    /// The ports that it opens; none if there is no entry about it.
    pub listeners: Vec<GatewayListener>,
    /// What Consul finds wrong with them.
    pub troubles: Vec<String>,
    /// Those that name it as where they belong.
    pub routes: Vec<GatewayRoute>,
}

/// A port of an API gateway.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GatewayListener {
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// The port.
    pub port: u16,
    /// `http` or `tcp`.
    #[serde(default)]
    pub protocol: String,
}

/// What an API gateway routes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayRoute {
    /// `http-route <name>` or `tcp-route <name>`.
    pub name: String,
    /// Where it leads, in the order of its rules.
    pub targets: Vec<GatewayTarget>,
    /// What Consul finds wrong with it.
    pub troubles: Vec<String>,
}

/// A service that a rule of a route leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayTarget {
    /// Its name.
    pub service: String,
    /// Which paths, in words; empty for all of them.
    pub paths: Vec<String>,
}

impl ApiGateway {
    /// The routes that lead to a service.
    pub fn routes_to(&self, service: &str) -> impl Iterator<Item = &GatewayRoute> {
        self.routes.iter().filter(move |route| route.targets.iter().any(|target| target.service == service))
    }
}

impl Consul {
    /// The instances of an API gateway, healthy or not, by id. Each is a proxy itself.
    pub async fn api_gateway_instances(&self, name: &str) -> Result<Vec<Sidecar>> {
        let path = format!("/v1/health/service/{}", utf8_percent_encode(name, NON_ALPHANUMERIC));
        let entries: Vec<Value> = self.0.expect(Method::GET, &path, None).await?;
        Ok(mesh::sidecars(&entries))
    }

    /// What Consul is told of an API gateway.
    pub async fn api_gateway(&self, name: &str) -> Result<ApiGateway> {
        let mut gateway = ApiGateway::default();
        let (entries, http, tcp) =
            tokio::try_join!(self.entries(API_GATEWAY), self.entries(ROUTES[0]), self.entries(ROUTES[1]))?;
        if let Some(entry) = entries.into_iter().find(|entry| entry.name == name) {
            gateway.troubles = entry.troubles();
            gateway.listeners = entry.listeners.unwrap_or_default();
        }
        for (kind, entries) in ROUTES.into_iter().zip([http, tcp]) {
            let own = entries.into_iter().filter(|entry| entry.belongs_to(name));
            gateway.routes.extend(own.map(|entry| entry.route(kind)));
        }
        Ok(gateway)
    }

    async fn entries(&self, kind: &str) -> Result<Vec<Entry>> {
        let found: Option<Vec<Entry>> =
            self.0.expect(Method::GET, &format!("/v1/config/{kind}"), None).await?;
        Ok(found.unwrap_or_default())
    }
}

/// An entry about a gateway, or about one of its routes.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    name: String,
    listeners: Option<Vec<GatewayListener>>,
    parents: Option<Vec<Parent>>,
    /// Of a route for HTTP.
    rules: Option<Vec<Rule>>,
    /// Of a route for TCP.
    services: Option<Vec<Named>>,
    #[serde(default)]
    status: Status,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Parent {
    /// An API gateway's, if it says nothing.
    #[serde(default)]
    kind: String,
    name: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Rule {
    matches: Option<Vec<Condition>>,
    services: Option<Vec<Named>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Condition {
    path: Option<PathCondition>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct PathCondition {
    r#match: String,
    value: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Named {
    name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Status {
    conditions: Option<Vec<Judgement>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Judgement {
    r#type: String,
    status: String,
    #[serde(default)]
    message: String,
}

impl Entry {
    fn belongs_to(&self, gateway: &str) -> bool {
        let is_it = |parent: &Parent| {
            parent.name == gateway && (parent.kind.is_empty() || parent.kind == API_GATEWAY)
        };
        self.parents.iter().flatten().any(is_it)
    }

    /// Conflicts are bad where there are some, everything else where it is not so.
    fn troubles(&self) -> Vec<String> {
        let bad = |judgement: &&Judgement| match judgement.r#type.as_str() {
            "Conflicted" => judgement.status == "True",
            _ => judgement.status == "False",
        };
        let judgements = self.status.conditions.iter().flatten();
        judgements.filter(bad).map(|judgement| judgement.message.clone()).collect()
    }

    fn route(self, kind: &str) -> GatewayRoute {
        let troubles = self.troubles();
        let mut targets: Vec<GatewayTarget> = Vec::new();
        for rule in self.rules.into_iter().flatten() {
            let conditions = rule.matches.into_iter().flatten();
            let paths = conditions.filter_map(|condition| condition.path);
            let paths: Vec<String> = paths.map(|path| format!("{} {}", path.r#match, path.value)).collect();
            let services = rule.services.into_iter().flatten();
            targets.extend(services.map(|named| GatewayTarget { service: named.name, paths: paths.clone() }));
        }
        let services = self.services.into_iter().flatten();
        targets.extend(services.map(|named| GatewayTarget { service: named.name, paths: Vec::new() }));
        GatewayRoute { name: format!("{kind} {}", self.name), targets, troubles }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    #[test]
    fn a_route_is_read_with_what_it_leads_to() {
        let entry: Entry = from_value(json!({
            "Kind": "http-route", "Name": "frontend", "Hostnames": null,
            "Parents": [{"Kind": "api-gateway", "Name": "api-gateway", "SectionName": ""}],
            "Rules": [{"Matches": [{"Headers": null, "Method": "", "Path": {"Match": "prefix", "Value": "/frontend"}}],
                "Services": [{"Name": "frontend", "Weight": 0}]}, {"Matches": null, "Services": null}],
            "Status": {"Conditions": [{"Type": "Accepted", "Status": "True", "Message": "route is valid"},
                {"Type": "Bound", "Status": "False", "Message": "failed to bind route"}]},
        }))
        .unwrap();
        assert!(entry.belongs_to("api-gateway") && !entry.belongs_to("other"));
        let route = entry.route("http-route");
        let target =
            GatewayTarget { service: "frontend".to_owned(), paths: vec!["prefix /frontend".to_owned()] };
        assert_eq!(route.name, "http-route frontend");
        assert_eq!(route.targets, [target]);
        assert_eq!(route.troubles, ["failed to bind route"]);
    }

    #[test]
    fn a_gateway_without_conflicts_has_no_trouble() {
        let entry = |conflicted: &str| {
            from_value::<Entry>(json!({"Kind": "api-gateway", "Name": "api-gateway",
                "Listeners": [{"Name": "http", "Hostname": "", "Port": 2809, "Protocol": "http"}],
                "Status": {"Conditions": [{"Type": "Conflicted", "Status": conflicted, "Message": "conflicts"}]}}))
            .unwrap()
        };
        assert!(entry("False").troubles().is_empty());
        assert_eq!(entry("True").troubles(), ["conflicts"]);
        assert_eq!(entry("False").listeners.unwrap()[0].port, 2809);
    }
}
