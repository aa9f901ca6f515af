//! What Consul's catalog says of a service: how many instances are healthy, and where.

use futures_util::future::BoxFuture;
use serde::Deserialize;

use super::{Kind, Look, Place};

/// A service has exactly these healthy instances, and no others.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Service {
    #[serde(rename = "service")]
    name: String,
    /// `address:port` of each.
    healthy: Vec<String>,
}

impl Kind for Service {
    fn expected(&self) -> String {
        format!("{} healthy at {}", self.name, self.healthy.join(", "))
    }

    fn look<'a>(&'a self, place: Place<'a>) -> BoxFuture<'a, Look> {
        Box::pin(async move {
            let instances = place.consul().instances(&self.name).await?;
            let mut healthy = Vec::new();
            let mut told = Vec::new();
            for instance in instances {
                let at = instance.at();
                match instance.failing.first() {
                    None => {
                        told.push(format!("{at} passes its checks"));
                        healthy.push(at);
                    }
                    Some(failing) => told.push(format!("{at}: {failing}")),
                }
            }
            healthy.sort();
            let mut wanted = self.healthy.clone();
            wanted.sort();
            let told = if told.is_empty() { "no instances".to_owned() } else { told.join("; ") };
            if healthy == wanted { Ok(vec![format!("{}: {told}", self.name)]) } else { Err(told.into()) }
        })
    }
}
