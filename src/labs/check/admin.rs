//! The key `admin` of checks, and the check `envoy-config`.

use std::fmt;
use std::net::SocketAddr;

use futures_util::future::BoxFuture;
use serde::de::{Deserialize, Deserializer, Error, Visitor};

use super::{CheckContext, CheckKind, Mismatch, ProbeResult};
use crate::core::model::{LabAddress, Port};
use crate::mesh::api::consul::ADMIN_LABEL;
use crate::mesh::api::envoy;

/// One Envoy by its admin port, or all Envoys of a service: Consul has the addresses of their admin pages.
#[derive(Debug, Clone)]
pub(super) enum Admin {
    /// A port on the lab's address.
    Port(Port),
    /// The name of a sidecar, whose label has the address of its admin page.
    Service(String),
}

impl<'de> Deserialize<'de> for Admin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl Visitor<'_> for Either {
            type Value = Admin;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a port or the name of a sidecar")
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Admin, E> {
                number.try_into().map(Admin::Port).map_err(E::custom)
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Admin, E> {
                Ok(Admin::Service(name.to_owned()))
            }
        }

        deserializer.deserialize_any(Either)
    }
}

impl Admin {
    /// The addresses of the admin pages. `at` is the address of the Envoy, if it is not the lab's.
    pub(super) async fn pages(
        &self,
        at: Option<LabAddress>,
        context: CheckContext<'_>,
    ) -> Result<Vec<SocketAddr>, Mismatch> {
        let service = match self {
            Self::Service(service) => service,
            Self::Port(port) => return Ok(vec![at.unwrap_or(context.address).port(port.get())]),
        };
        let services = context.consul().agent_services().await?;
        let own = services.iter().filter(|known| known.service == *service);
        let pages: Vec<SocketAddr> = own.filter_map(|known| known.label(ADMIN_LABEL)?.parse().ok()).collect();
        if pages.is_empty() {
            return Err(format!("no instance of {service} in Consul has the label {ADMIN_LABEL}, the address of its admin page").into());
        }
        Ok(pages)
    }

    pub(super) fn in_words(&self) -> String {
        match self {
            Self::Port(port) => format!("the Envoy at admin port {port}"),
            Self::Service(service) => service.clone(),
        }
    }

    /// The text of an admin page of each Envoy.
    pub(super) async fn texts(
        &self,
        path: &'static str,
        context: CheckContext<'_>,
    ) -> Result<Vec<String>, Mismatch> {
        let mut texts = Vec::new();
        for at in self.pages(None, context).await? {
            texts.push(envoy::text(at, path).await?);
        }
        Ok(texts)
    }
}

/// `envoy-config`: each Envoy's configuration contains a text.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EnvoyConfig {
    admin: Admin,
    contains: String,
}

impl CheckKind for EnvoyConfig {
    fn expected(&self) -> String {
        format!("{:?} in the configuration of {}", self.contains, self.admin.in_words())
    }

    fn probe<'a>(&'a self, context: CheckContext<'a>) -> BoxFuture<'a, ProbeResult> {
        Box::pin(async move {
            let texts = self.admin.texts("/config_dump", context).await?;
            let matching = texts.iter().filter(|text| text.contains(&self.contains)).count();
            let line = format!("{matching} of {} contain {:?}", texts.len(), self.contains);
            if matching == texts.len() { Ok(vec![line]) } else { Err(line.into()) }
        })
    }
}
