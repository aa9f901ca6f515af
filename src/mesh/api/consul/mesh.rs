//! Consul's HTTP API, as far as it is about the mesh: sidecars, and who may talk to whom.

use std::collections::BTreeMap;

use hyper::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::Value;

use super::{Consul, Instance, instance};
use crate::core::failure::Result;

/// A proxy that stands for an instance of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sidecar {
    /// Where it listens, and what its checks say.
    pub instance: Instance,
    /// Free labels.
    pub labels: BTreeMap<String, String>,
    /// Where it says that its service listens.
    pub local_address: String,
    /// The port there.
    pub local_port: u16,
    /// Whom it reaches for its service.
    pub upstreams: Vec<UpstreamPort>,
}

impl Sidecar {
    /// Whether a service is behind one of its ports.
    pub fn leads_to(&self, destination: &str) -> bool {
        self.upstreams.iter().any(|upstream| upstream.destination == destination)
    }
}

/// A port of a sidecar behind which a service is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamPort {
    /// Which service.
    pub destination: String,
    /// Where the sidecar listens for it.
    pub address: String,
    /// The port there.
    pub port: u16,
}

/// A rule about who may talk to whom.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Intention {
    /// Who talks; `*` for all.
    pub source_name: String,
    /// To whom; `*` for all.
    pub destination_name: String,
    /// `allow` or `deny`; empty where permissions decide.
    #[serde(default)]
    pub action: String,
    /// The higher one decides.
    #[serde(default)]
    pub precedence: u64,
    /// For each request, the first one that matches decides.
    #[serde(default)]
    pub permissions: Option<Vec<Permission>>,
}

/// What is decided about some requests.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Permission {
    /// `allow` or `deny`.
    pub action: String,
    /// About which; all if this says nothing.
    #[serde(rename = "HTTP", default)]
    pub http: Option<HttpMatch>,
}

/// Requests, by what they ask for. All that is set has to match.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct HttpMatch {
    /// The whole path.
    pub path_exact: String,
    /// How the path begins.
    pub path_prefix: String,
    /// What the path looks like.
    pub path_regex: String,
    /// Methods; any if there is none.
    pub methods: Option<Vec<String>>,
    /// Conditions on headers.
    pub header: Option<Vec<Value>>,
}

/// What holds where no intention says anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefaultIntention {
    /// Whether everybody may talk to everybody.
    pub allows: bool,
    /// Which of the agent's settings says so.
    pub setting: String,
}

impl Consul {
    /// The sidecars of a service, healthy or not, by id.
    pub async fn sidecars(&self, service: &str) -> Result<Vec<Sidecar>> {
        let path = format!("/v1/health/connect/{}", utf8_percent_encode(service, NON_ALPHANUMERIC));
        let entries: Vec<Value> = self.0.expect(Method::GET, &path, None).await?;
        Ok(sidecars(&entries))
    }

    /// The intentions about calls to a service, the one that decides first.
    pub async fn intentions_to(&self, service: &str) -> Result<Vec<Intention>> {
        let name = utf8_percent_encode(service, NON_ALPHANUMERIC);
        let path = format!("/v1/connect/intentions/match?by=destination&name={name}");
        let mut found: BTreeMap<String, Option<Vec<Intention>>> =
            self.0.expect(Method::GET, &path, None).await?;
        Ok(found.remove(service).flatten().unwrap_or_default())
    }

    /// What holds where no intention says anything.
    pub async fn default_intention(&self) -> Result<DefaultIntention> {
        let agent: Value = self.0.expect(Method::GET, "/v1/agent/self", None).await?;
        Ok(default_intention(&agent))
    }
}

/// By id.
pub(super) fn sidecars(entries: &[Value]) -> Vec<Sidecar> {
    let mut sidecars: Vec<Sidecar> = entries.iter().map(sidecar).collect();
    sidecars.sort_by(|one, other| one.instance.id.cmp(&other.instance.id));
    sidecars
}

fn sidecar(entry: &Value) -> Sidecar {
    let text =
        |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let port = |value: &Value, name: &str| {
        let port = value.get(name).and_then(Value::as_u64).unwrap_or_default();
        u16::try_from(port).unwrap_or_default()
    };
    let labels = entry.pointer("/Service/Meta").and_then(Value::as_object);
    let labels = labels.into_iter().flatten();
    let proxy = entry.pointer("/Service/Proxy").unwrap_or(&Value::Null);
    let upstreams = proxy.get("Upstreams").and_then(Value::as_array).into_iter().flatten();
    let or_loopback = |address: String| if address.is_empty() { "127.0.0.1".to_owned() } else { address };
    Sidecar {
        instance: instance(entry),
        labels: labels.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect(),
        local_address: or_loopback(text(proxy, "LocalServiceAddress")),
        local_port: port(proxy, "LocalServicePort"),
        upstreams: upstreams
            .map(|upstream| UpstreamPort {
                destination: text(upstream, "DestinationName"),
                address: or_loopback(text(upstream, "LocalBindAddress")),
                port: port(upstream, "LocalBindPort"),
            })
            .collect(),
    }
}

/// An own setting for intentions goes before the default of access control.
fn default_intention(agent: &Value) -> DefaultIntention {
    let text = |pointer: &str| agent.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let own = text("/DebugConfig/DefaultIntentionPolicy");
    if !own.is_empty() {
        let setting = format!("default_intention_policy = {own:?}");
        return DefaultIntention { allows: own == "allow", setting };
    }
    let controlled = agent.pointer("/DebugConfig/ACLsEnabled").and_then(Value::as_bool).unwrap_or_default();
    let policy = text("/DebugConfig/ACLResolverSettings/ACLDefaultPolicy");
    if controlled {
        return DefaultIntention {
            allows: policy == "allow",
            setting: format!("acl default_policy = {policy:?}"),
        };
    }
    DefaultIntention {
        allows: true,
        setting: "neither default_intention_policy nor access control is set".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_holds_without_an_intention_is_what_the_agent_is_set_to() {
        let agent = |own: &str, controlled: bool, acl: &str| {
            default_intention(
                &json!({"DebugConfig": {"DefaultIntentionPolicy": own, "ACLsEnabled": controlled,
                "ACLResolverSettings": {"ACLDefaultPolicy": acl}}}),
            )
        };
        assert!(agent("", false, "allow").allows);
        assert!(agent("", false, "deny").allows);
        assert!(!agent("", true, "deny").allows);
        assert!(agent("allow", true, "deny").allows);
        assert!(!agent("deny", false, "allow").allows);
        assert!(agent("deny", false, "allow").setting.contains("default_intention_policy"));
    }

    #[test]
    fn a_sidecar_is_read_with_its_label_and_its_upstream() {
        let entry = json!({
            "Service": {"ID": "client-sidecar-proxy", "Address": "127.0.0.1", "Port": 21000,
                "Meta": {"envoy-admin": "127.0.0.1:19001"},
                "Proxy": {"DestinationServiceName": "client", "LocalServicePort": 8080, "Upstreams": [
                    {"DestinationName": "echo", "LocalBindAddress": "127.0.0.1", "LocalBindPort": 9191}]}},
            "Checks": [{"Name": "as healthy as client", "Status": "passing", "Output": ""}],
        });
        let sidecar = sidecar(&entry);
        assert_eq!(sidecar.labels.get("envoy-admin").map(String::as_str), Some("127.0.0.1:19001"));
        assert_eq!((sidecar.local_address.as_str(), sidecar.local_port), ("127.0.0.1", 8080));
        let upstream = UpstreamPort { destination: "echo".into(), address: "127.0.0.1".into(), port: 9191 };
        assert_eq!(sidecar.upstreams, [upstream]);
        assert!(sidecar.instance.failing.is_empty());
    }
}
