//! The check `sidecar`.

use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::Value;

use super::{CheckContext, CheckKind, ProbeResult};
use crate::core::model::{Port, Slug};

/// The Consul agent has a sidecar with this configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sidecar {
    id: Slug,
    port: Port,
    destination: Slug,
    local_port: Port,
    upstreams: Vec<Upstream>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Upstream {
    destination: String,
    port: Port,
}

impl CheckKind for Sidecar {
    fn expected(&self) -> String {
        let upstreams: Vec<String> = self
            .upstreams
            .iter()
            .map(|upstream| format!("{} at port {}", upstream.destination, upstream.port))
            .collect();
        let upstreams = if upstreams.is_empty() { "none".to_owned() } else { upstreams.join(", ") };
        describe(
            "connect-proxy",
            self.port.get().into(),
            self.destination.as_str(),
            self.local_port.get().into(),
            &upstreams,
        )
    }

    fn probe<'a>(&'a self, context: CheckContext<'a>) -> BoxFuture<'a, ProbeResult> {
        Box::pin(async move {
            let services = context.consul().agent_services_json().await?;
            let Some(service) = services.get(self.id.as_str()) else {
                let known: Vec<&str> = services
                    .as_object()
                    .map(|known| known.keys().map(String::as_str).collect())
                    .unwrap_or_default();
                return Err(format!("the agent has no {}, only {}", self.id, known.join(", ")).into());
            };
            let observed = observe(service);
            if observed == self.expected() { Ok(vec![observed]) } else { Err(observed.into()) }
        })
    }
}

fn observe(service: &Value) -> String {
    let text = |pointer: &str| service.pointer(pointer).and_then(Value::as_str).unwrap_or("(none)");
    let number = |value: &Value, name: &str| value.get(name).and_then(Value::as_u64).unwrap_or_default();
    let proxy = service.get("Proxy").unwrap_or(&Value::Null);
    let upstreams: Vec<String> = proxy
        .get("Upstreams")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(|upstream| {
            let name = upstream.get("DestinationName").and_then(Value::as_str).unwrap_or("(none)");
            format!("{name} at port {}", number(upstream, "LocalBindPort"))
        })
        .collect();
    let upstreams = if upstreams.is_empty() { "none".to_owned() } else { upstreams.join(", ") };
    describe(
        text("/Kind"),
        number(service, "Port"),
        text("/Proxy/DestinationServiceName"),
        number(proxy, "LocalServicePort"),
        &upstreams,
    )
}

fn describe(kind: &str, port: u64, destination: &str, local_port: u64, upstreams: &str) -> String {
    format!("kind {kind}, port {port}, for {destination} at port {local_port}, upstreams: {upstreams}")
}
