//! What Envoy's admin port knows: configuration that was acknowledged, certificates, mutual TLS.

use std::net::SocketAddr;

use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::Value;

use super::admin::Admin;
use super::{Kind, Look, Mismatch, Place};
use crate::core::model::{Port, Slug};
use crate::mesh::api::envoy::{accepted_names, certificates, json, requires_client_certificate, sum, text};

/// Envoy acknowledged these listeners and clusters.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Xds {
    admin: Port,
    listeners: Vec<String>,
    clusters: Vec<String>,
}

impl Kind for Xds {
    fn expected(&self) -> String {
        format!("listeners {} and clusters {}", self.listeners.join(", "), self.clusters.join(", "))
    }

    fn look<'a>(&'a self, place: Place<'a>) -> BoxFuture<'a, Look> {
        Box::pin(async move {
            let admin = place.at(self.admin);
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

/// The names in a list, sorted, without what Consul adds: the address to a listener's, the trust domain to a cluster's.
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

/// Two Envoys show certificates of one authority and insist on each other's.
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

impl Kind for MutualTls {
    fn expected(&self) -> String {
        format!(
            "SPIFFE ids ending in /svc/{} and /svc/{} of one trust domain, client certificates required, \
             handshakes counted on both sides and none without a certificate",
            self.server.service, self.client.service
        )
    }

    fn look<'a>(&'a self, place: Place<'a>) -> BoxFuture<'a, Look> {
        Box::pin(async move {
            let server = place.at(self.server.admin);
            let client = place.at(self.client.admin);
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
                    "the mesh listener of {} takes connections without a certificate",
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

/// One of Envoy's statistics has the value it should: what counters cannot say, which only grow.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stat {
    admin: Admin,
    /// Its name; `*` stands for anything. Several that match are added up.
    name: String,
    at_least: u64,
}

impl Kind for Stat {
    fn expected(&self) -> String {
        format!("{} of {} is at least {}", self.name, self.admin.in_words(), self.at_least)
    }

    fn look<'a>(&'a self, place: Place<'a>) -> BoxFuture<'a, Look> {
        Box::pin(async move {
            let texts = self.admin.texts("/stats", place).await?;
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
    Err(format!("Envoy at {admin} shows {ids:?}, none ends in /svc/{service}").into())
}
