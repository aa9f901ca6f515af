//! Consul's HTTP API.

mod gateway;
mod mesh;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use hyper::{Method, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Value, json};

pub use gateway::{API_GATEWAY, ApiGateway, GatewayListener, GatewayRoute, GatewayTarget};
pub use mesh::{DefaultIntention, HttpMatch, Intention, Permission, Sidecar, UpstreamPort};

use super::Api;
use crate::core::failure::Result;
use crate::core::http::HttpError;
use crate::core::secret::Token;

/// The label by which a sidecar says where its Envoy's admin page is, as `address:port`.
pub const ADMIN_LABEL: &str = "envoy-admin";

/// A Consul agent.
#[derive(Debug, Clone)]
pub struct Consul(Api);

/// A service of the agent, as far as it is looked at here.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct AgentService {
    /// Unique on the agent.
    #[serde(rename = "ID")]
    pub id: String,
    /// The service's name.
    pub service: String,
    /// Where it listens.
    #[serde(default)]
    pub address: String,
    /// Its port.
    #[serde(default)]
    pub port: u16,
    /// Free labels.
    #[serde(default)]
    pub meta: Option<BTreeMap<String, String>>,
    /// What it is as a proxy.
    #[serde(default)]
    pub proxy: Option<Proxy>,
}

/// What a service is as a proxy.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Proxy {
    /// Whom it reaches.
    #[serde(default)]
    pub upstreams: Option<Vec<Upstream>>,
}

/// A service that a proxy reaches.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Upstream {
    /// Its name.
    pub destination_name: String,
}

impl AgentService {
    /// A label's value.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.meta.as_ref()?.get(name).map(String::as_str)
    }

    /// The names of the services that it reaches as a proxy.
    pub fn upstreams(&self) -> Vec<String> {
        let upstreams = self.proxy.as_ref().and_then(|proxy| proxy.upstreams.as_ref());
        upstreams.into_iter().flatten().map(|upstream| upstream.destination_name.clone()).collect()
    }
}

/// A check of the agent.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct AgentCheck {
    /// Its name.
    pub name: String,
    /// `passing`, `warning`, `critical`.
    pub status: String,
    /// What it printed last.
    #[serde(default)]
    pub output: String,
    /// The service that it is about; empty for the agent itself.
    #[serde(rename = "ServiceID", default)]
    pub service_id: String,
}

/// An instance of a service, with what its checks say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// What it is in the mesh: `connect-proxy`, `api-gateway` ...; empty for a service like any other.
    pub kind: String,
    /// The instance's id.
    pub id: String,
    /// Where it listens.
    pub address: String,
    /// Its port.
    pub port: u16,
    /// The checks that do not pass, each with what it printed.
    pub failing: Vec<String>,
}

impl Instance {
    /// `address:port`.
    pub fn at(&self) -> String {
        format!("{}:{}", self.address, self.port)
    }
}

impl Consul {
    /// The agent that answers at `address`.
    pub fn new(address: SocketAddr, token: Option<Token>) -> Self {
        Self(Api { name: "Consul", address, header: "X-Consul-Token", token })
    }

    /// Whether the certificate authority can sign: the last thing that becomes ready after a leader was elected.
    pub async fn has_authority(&self, deadline: Duration) -> Result<bool, HttpError> {
        let answer = self.0.call(Method::GET, "/v1/connect/ca/roots", None, deadline).await?;
        let roots: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        Ok(answer.status == StatusCode::OK
            && roots.get("ActiveRootID").and_then(Value::as_str).is_some_and(|id| !id.is_empty()))
    }

    /// Makes or replaces an ACL policy.
    pub async fn put_policy(&self, name: &str, description: &str, rules: &str) -> Result<()> {
        let policy = json!({"Name": name, "Description": description, "Rules": rules});
        let path = format!("/v1/acl/policy/name/{name}");
        let known = self.0.call(Method::GET, &path, None, super::REQUEST_DEADLINE).await;
        let known = known.map_err(|error| self.0.unreachable(&error))?;
        let path = match known.status {
            StatusCode::OK => {
                let known: Value = self.0.read(&Method::GET, &path, &known)?;
                format!("/v1/acl/policy/{}", known.get("ID").and_then(Value::as_str).unwrap_or_default())
            }
            _ => "/v1/acl/policy".to_owned(),
        };
        self.0.expect::<Value>(Method::PUT, &path, Some(&policy)).await.map(drop)
    }

    /// Makes a token with this secret and these policies, unless there is one.
    pub async fn ensure_token(&self, token: &Token, description: &str, policies: &[&str]) -> Result<()> {
        let policies: Vec<Value> = policies.iter().map(|name| json!({"Name": name})).collect();
        let own = Self(Api { token: Some(token.clone()), ..self.0.clone() });
        let known = own.0.call(Method::GET, "/v1/acl/token/self", None, super::REQUEST_DEADLINE).await;
        if known.map_err(|error| self.0.unreachable(&error))?.status == StatusCode::OK {
            return Ok(());
        }
        let body = json!({"SecretID": token.expose(), "Description": description, "Policies": policies});
        self.0.expect::<Value>(Method::PUT, "/v1/acl/token", Some(&body)).await.map(drop)
    }

    /// What somebody without a token may do.
    pub async fn set_anonymous_policies(&self, policies: &[&str]) -> Result<()> {
        const ANONYMOUS: &str = "00000000-0000-0000-0000-000000000002";
        let policies: Vec<Value> = policies.iter().map(|name| json!({"Name": name})).collect();
        let body = json!({"AccessorID": ANONYMOUS, "Description": "no token", "Policies": policies});
        self.0
            .expect::<Value>(Method::PUT, &format!("/v1/acl/token/{ANONYMOUS}"), Some(&body))
            .await
            .map(drop)
    }

    /// Lets everything that Nomad runs log in with what Nomad has signed, and be the service that this names. `keys` is where
    /// Nomad's public keys are.
    pub async fn trust_workloads(&self, keys: &str) -> Result<()> {
        // The name that Nomad takes if it is not told another.
        const METHOD: &str = "nomad-workloads";
        let path = format!("/v1/acl/auth-method/{METHOD}");
        let known = self.0.call(Method::GET, &path, None, super::REQUEST_DEADLINE).await;
        if known.map_err(|error| self.0.unreachable(&error))?.status != StatusCode::OK {
            let method = json!({
                "Name": METHOD, "Type": "jwt", "Description": "services that Nomad runs",
                "Config": {
                    "JWKSURL": keys, "JWTSupportedAlgs": ["RS256"], "BoundAudiences": ["consul.io"],
                    "ClaimMappings": {"nomad_service": "nomad_service"},
                },
            });
            self.0.expect::<Value>(Method::PUT, "/v1/acl/auth-method", Some(&method)).await?;
        }
        let path = format!("/v1/acl/binding-rules?authmethod={METHOD}");
        let rules: Vec<Value> = self.0.expect(Method::GET, &path, None).await?;
        if rules.is_empty() {
            let rule = json!({
                "AuthMethod": METHOD, "Description": "each is its own service",
                "BindType": "service", "BindName": "${value.nomad_service}", "Selector": "value.nomad_service != \"\"",
            });
            self.0.expect::<Value>(Method::PUT, "/v1/acl/binding-rule", Some(&rule)).await?;
        }
        Ok(())
    }

    /// Has the server write all that it knows into a snapshot, which it reads before anything else when it is started
    /// again; what came later it learns only once it has a leader.
    pub async fn write_snapshot(&self) -> Result<()> {
        const PATH: &str = "/v1/snapshot";
        let answer = self.0.call(Method::GET, PATH, None, super::REQUEST_DEADLINE).await;
        let answer = answer.map_err(|error| self.0.unreachable(&error))?;
        if answer.status == StatusCode::OK || answer.text().contains("nothing new to snapshot") {
            return Ok(());
        }
        self.0.read::<Value>(&Method::GET, PATH, &answer).map(drop)
    }

    /// All services of the agent by id, with everything that Consul tells of them.
    pub async fn agent_services_json(&self) -> Result<Value> {
        self.0.expect(Method::GET, "/v1/agent/services", None).await
    }

    /// All services of the agent.
    pub async fn agent_services(&self) -> Result<Vec<AgentService>> {
        let services: BTreeMap<String, AgentService> =
            self.0.expect(Method::GET, "/v1/agent/services", None).await?;
        Ok(services.into_values().collect())
    }

    /// The names of all services that the servers know of. An agent tells them a moment later than it knows itself.
    pub async fn catalog(&self) -> Result<BTreeSet<String>> {
        let services: BTreeMap<String, Value> =
            self.0.expect(Method::GET, "/v1/catalog/services", None).await?;
        Ok(services.into_keys().collect())
    }

    /// All checks of the agent.
    pub async fn agent_checks(&self) -> Result<Vec<AgentCheck>> {
        let checks: BTreeMap<String, AgentCheck> =
            self.0.expect(Method::GET, "/v1/agent/checks", None).await?;
        Ok(checks.into_values().collect())
    }

    /// Registers a service (Consul's JSON), or replaces it.
    pub async fn register(&self, service: &Value) -> Result<()> {
        self.0.expect::<Value>(Method::PUT, "/v1/agent/service/register", Some(service)).await.map(drop)
    }

    /// Removes a service; one that is not there is removed already.
    pub async fn deregister(&self, id: &str) -> Result<()> {
        let path = format!("/v1/agent/service/deregister/{}", utf8_percent_encode(id, NON_ALPHANUMERIC));
        let answer = self.0.call(Method::PUT, &path, None, super::REQUEST_DEADLINE).await;
        let answer = answer.map_err(|error| self.0.unreachable(&error))?;
        match answer.status {
            StatusCode::OK | StatusCode::NOT_FOUND => Ok(()),
            _ => Err(self.0.refused(&Method::PUT, &path, &answer)),
        }
    }

    /// The instances of a service, healthy or not, by id.
    pub async fn instances(&self, service: &str) -> Result<Vec<Instance>> {
        let path = format!("/v1/health/service/{}", utf8_percent_encode(service, NON_ALPHANUMERIC));
        let entries: Vec<Value> = self.0.expect(Method::GET, &path, None).await?;
        let mut instances: Vec<Instance> = entries.iter().map(instance).collect();
        instances.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(instances)
    }
}

fn instance(entry: &Value) -> Instance {
    let text = |pointer: &str| entry.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let failing = |check: &Value| {
        let of = |name: &str| check.get(name).and_then(Value::as_str).unwrap_or_default();
        let output = super::shortened(of("Output"));
        (of("Status") != "passing").then(|| format!("{} is {}: {output}", of("Name"), of("Status")))
    };
    let checks = entry.get("Checks").and_then(Value::as_array);
    let port = entry.pointer("/Service/Port").and_then(Value::as_u64);
    Instance {
        kind: text("/Service/Kind"),
        id: text("/Service/ID"),
        address: text("/Service/Address"),
        port: port.and_then(|port| u16::try_from(port).ok()).unwrap_or_default(),
        failing: checks.into_iter().flatten().filter_map(failing).collect(),
    }
}
