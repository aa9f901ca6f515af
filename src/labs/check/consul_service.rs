//! The check `consul-service`.

use futures_util::future::BoxFuture;
use serde::Deserialize;

use super::{CheckContext, CheckKind, ProbeResult};

/// A service has exactly these healthy instances in Consul's catalog.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConsulService {
    #[serde(rename = "service")]
    name: String,
    /// `address:port` of each instance.
    healthy: Vec<String>,
}

impl CheckKind for ConsulService {
    fn expected(&self) -> String {
        format!("{} healthy at {}", self.name, self.healthy.join(", "))
    }

    fn probe<'a>(&'a self, context: CheckContext<'a>) -> BoxFuture<'a, ProbeResult> {
        Box::pin(async move {
            let instances = context.consul().instances(&self.name).await?;
            let mut healthy = Vec::new();
            let mut seen = Vec::new();
            for instance in instances {
                let at = instance.at();
                match instance.failing.first() {
                    None => {
                        seen.push(format!("{at} passes its checks"));
                        healthy.push(at);
                    }
                    Some(failing) => seen.push(format!("{at}: {failing}")),
                }
            }
            healthy.sort();
            let mut expected = self.healthy.clone();
            expected.sort();
            let seen = if seen.is_empty() { "no instances".to_owned() } else { seen.join("; ") };
            if healthy == expected { Ok(vec![format!("{}: {seen}", self.name)]) } else { Err(seen.into()) }
        })
    }
}
