//! Which Envoys are meant, and what their admin pages say as they stand.

use std::fmt;
use std::net::SocketAddr;

use futures_util::future::BoxFuture;
use serde::de::{Deserialize, Deserializer, Error, Visitor};

use super::{Kind, Look, Mismatch, Place};
use crate::core::model::{LabAddress, Port};
use crate::mesh::api::consul::ADMIN_LABEL;
use crate::mesh::api::envoy;

/// One Envoy, by the port of its admin page, or all that a service has: Consul knows where theirs are.
#[derive(Debug, Clone)]
pub(super) enum Admin {
    /// At the lab's address.
    Port(Port),
    /// The name of a sidecar whose label says where the page is.
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
    /// Where the pages are. `at` is the address of a port that is not the lab's.
    pub(super) async fn pages(
        &self,
        at: Option<LabAddress>,
        place: Place<'_>,
    ) -> Result<Vec<SocketAddr>, Mismatch> {
        let service = match self {
            Self::Service(service) => service,
            Self::Port(port) => return Ok(vec![at.unwrap_or(place.address).port(port.get())]),
        };
        let services = place.consul().agent_services().await?;
        let own = services.iter().filter(|known| known.service == *service);
        let pages: Vec<SocketAddr> = own.filter_map(|known| known.label(ADMIN_LABEL)?.parse().ok()).collect();
        if pages.is_empty() {
            return Err(format!("no {service} in Consul says where its admin page is ({ADMIN_LABEL})").into());
        }
        Ok(pages)
    }

    pub(super) fn in_words(&self) -> String {
        match self {
            Self::Port(port) => format!("the Envoy at admin port {port}"),
            Self::Service(service) => service.clone(),
        }
    }

    /// The text of a page of each of them.
    pub(super) async fn texts(&self, path: &'static str, place: Place<'_>) -> Result<Vec<String>, Mismatch> {
        let mut texts = Vec::new();
        for at in self.pages(None, place).await? {
            texts.push(envoy::text(at, path).await?);
        }
        Ok(texts)
    }
}

/// Each Envoy's configuration says something.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Configured {
    admin: Admin,
    contains: String,
}

impl Kind for Configured {
    fn expected(&self) -> String {
        format!("{:?} in the configuration of {}", self.contains, self.admin.in_words())
    }

    fn look<'a>(&'a self, place: Place<'a>) -> BoxFuture<'a, Look> {
        Box::pin(async move {
            let texts = self.admin.texts("/config_dump", place).await?;
            let having = texts.iter().filter(|text| text.contains(&self.contains)).count();
            let line = format!("{having} of {} have {:?}", texts.len(), self.contains);
            if having == texts.len() { Ok(vec![line]) } else { Err(line.into()) }
        })
    }
}
