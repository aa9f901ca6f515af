//! The checks `xds`, `mutual-tls` and `envoy-stat`, which read Envoy's admin pages.

use std::net::SocketAddr;

use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::Value;

use super::admin::Admin;
use super::{CheckContext, CheckKind, Mismatch, ProbeResult};
use crate::core::model::{Port, Slug};
use crate::mesh::api::envoy::{accepted_names, certificates, json, requires_client_certificate, sum, text};

/// `xds`: Envoy has these listeners and clusters, and rejected no update.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Xds {
    admin: Port,
    listeners: Vec<String>,
    clusters: Vec<String>,
}

impl CheckKind for Xds {
    fn expected(&self) -> String {
        format!("listeners {} and clusters {}", self.listeners.join(", "), self.clusters.join(", "))
    }

    fn probe<'a>(&'a self, context: CheckContext<'a>) -> BoxFuture<'a, ProbeResult> {
        Box::pin(async move {
            let admin = context.at(self.admin);
            let stats = text(admin, "/stats").await?;
            for (counter, what) in [
                ("listener_manager.lds.update_rejected", "listeners"),
                ("cluster_manager.cds.update_rejected", "clusters"),
            ] {
                let rejected = sum(&stats, counter);
                if rejected > 0 {
                    return Err(format!("Envoy rejected {what} {rejected} times").into());
                }
            }
            let listeners = names(&json(admin, "/listeners?format=json").await?, "/listener_statuses");
            let clusters = names(&json(admin, "/clusters?format=json").await?, "/cluster_statuses");
            let complete = self.listeners.iter().all(|name| listeners.contains(name))
                && self.clusters.iter().all(|name| clusters.contains(name));
            let (listeners, clusters) = (listeners.join(", "), clusters.join(", "));
            if complete {
                Ok(vec![format!("listeners: {listeners}"), format!("clusters: {clusters}")])
            } else {
                Err(format!("listeners {listeners} and clusters {clusters}").into())
            }
        })
    }
}

/// The sorted names in a list, without the address or trust domain that Consul appends.
fn names(answer: &Value, list: &str) -> Vec<String> {
    let entries = answer.pointer(list).and_then(Value::as_array);
    let mut names: Vec<String> = entries
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.get("name").and_then(Value::as_str))
        .filter_map(|name| name.split([':', '.']).next())
        .map(str::to_owned)
        .collect();
    names.sort();
    names
}

/// `mutual-tls`: two Envoys have certificates of one trust domain and require each other's.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MutualTls {
    server: Side,
    client: Side,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Side {
    service: Slug,
    admin: Port,
}

impl CheckKind for MutualTls {
    fn expected(&self) -> String {
        format!(
            "SPIFFE ids ending in /svc/{} and /svc/{} of one trust domain, client certificates required, \
             handshakes counted on both sides and none without a certificate",
            self.server.service, self.client.service
        )
    }

    fn probe<'a>(&'a self, context: CheckContext<'a>) -> BoxFuture<'a, ProbeResult> {
        Box::pin(async move {
            let server = context.at(self.server.admin);
            let client = context.at(self.client.admin);
            let server_id = spiffe_id(server, &self.server.service).await?;
            let client_id = spiffe_id(client, &self.client.service).await?;
            let domain = |id: &str| id.split('/').nth(2).map(str::to_owned);
            if domain(&server_id) != domain(&client_id) {
                return Err(format!("two trust domains: {server_id} and {client_id}").into());
            }
            let demands =
                requires_client_certificate(&json(server, "/config_dump?resource=dynamic_listeners").await?);
            if !demands {
                return Err(format!(
                    "the mesh listener of {} accepts connections without a certificate",
                    self.server.service
                )
                .into());
            }
            let clusters = json(client, "/config_dump?resource=dynamic_active_clusters").await?;
            let expects = accepted_names(&clusters);
            if !expects.contains(&server_id.as_str()) {
                return Err(format!(
                    "{}'s Envoy accepts {expects:?} as the server, not {server_id}",
                    self.client.service
                )
                .into());
            }
            let stats = text(server, "/stats").await?;
            let handshakes = sum(&stats, "listener.*.ssl.handshake");
            let anonymous = sum(&stats, "listener.*.ssl.no_certificate");
            let dialled = sum(
                &text(client, "/stats").await?,
                &format!("cluster.{}.*.ssl.handshake", self.server.service),
            );
            if handshakes == 0 || dialled == 0 || anonymous > 0 {
                return Err(format!(
                    "{handshakes} handshakes at the server, {dialled} at the client, {anonymous} without a certificate"
                ).into());
            }
            Ok(vec![
                format!("server: {server_id}"),
                format!("client: {client_id}"),
                "the server's listener requires a client certificate; the client accepts that server name only"
                    .to_owned(),
                format!(
                    "TLS handshakes: {handshakes} at the server, {dialled} at the client, 0 without a certificate"
                ),
            ])
        })
    }
}

/// `envoy-stat`: a statistic of Envoy has a minimum value.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EnvoyStat {
    admin: Admin,
    /// The name. `*` matches any text. All matching statistics are added up.
    name: String,
    at_least: u64,
}

impl CheckKind for EnvoyStat {
    fn expected(&self) -> String {
        format!("{} of {} is at least {}", self.name, self.admin.in_words(), self.at_least)
    }

    fn probe<'a>(&'a self, context: CheckContext<'a>) -> BoxFuture<'a, ProbeResult> {
        Box::pin(async move {
            let texts = self.admin.texts("/stats", context).await?;
            let value: u64 = texts.iter().map(|stats| sum(stats, &self.name)).sum();
            let line = format!("{}: {value}", self.name);
            if value >= self.at_least { Ok(vec![line]) } else { Err(line.into()) }
        })
    }
}

async fn spiffe_id(admin: SocketAddr, service: &Slug) -> Result<String, Mismatch> {
    let certificates = certificates(&json(admin, "/certs").await?);
    if let Some(own) = certificates.iter().find(|certificate| certificate.is_of(service.as_str())) {
        return Ok(own.id.clone());
    }
    let ids: Vec<&str> = certificates.iter().map(|certificate| certificate.id.as_str()).collect();
    Err(format!("the Envoy at {admin} has the certificates {ids:?}, none ends in /svc/{service}").into())
}
