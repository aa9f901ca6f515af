//! Consul's setup once it has a leader: policies and tokens.

use std::convert::Infallible;
use std::time::Duration;

use super::{CONSUL_HTTP, Vm};
use crate::core::event::Access;
use crate::core::failure::{Failure, FailureKind, Result};
use crate::core::until::{Observed, POLL_INTERVAL, until};

/// The policy of requests without a token: DNS has none.
const LOOK: &str = r#"service_prefix "" { policy = "read" }
node_prefix "" { policy = "read" }
"#;

/// The policy of Nomad and the Envoys.
const SERVICES: &str = r#"service_prefix "" { policy = "write" }
node_prefix "" { policy = "read" }
agent_prefix "" { policy = "read" }
mesh = "read"
"#;

/// Waits for the certificate authority, and creates policies and tokens. Idempotent. It is repeated until it succeeds: a new
/// leader may refuse requests at first.
pub(super) async fn settle(vm: &Vm, deadline: Duration) -> Result<Access> {
    let probe = async || -> Result<_, Infallible> { Ok(Observed::from(set_up(vm).await)) };
    let Ok(outcome) = until(deadline, POLL_INTERVAL, probe).await;
    outcome.map_err(|late| {
        let silent =
            || Failure::failed(format!("Consul at {} does not answer", vm.run.address().port(CONSUL_HTTP)));
        late.last.unwrap_or_else(silent).with_kind(FailureKind::DeadlinePassed)
    })?;
    Ok(Access::Read)
}

async fn set_up(vm: &Vm) -> Result<()> {
    let consul = vm.consul();
    let observed = match consul.has_authority(Duration::from_secs(1)).await {
        Ok(true) => None,
        Ok(false) => Some("no certificate authority yet".to_owned()),
        Err(error) => Some(error.to_string()),
    };
    if let Some(observed) = observed {
        let at = vm.run.address().port(CONSUL_HTTP);
        return Err(Failure::failed(format!("Consul at {at} cannot sign certificates"))
            .detail("last seen", observed)
            .hint("`meshlab logs consul` shows its log"));
    }
    let (services, look) = tokio::join!(
        consul.put_policy("services", "register services, configure proxies", SERVICES),
        consul.put_policy("look", "look up services and nodes", LOOK),
    );
    services.and(look)?;
    let (token, anonymous) = tokio::join!(
        consul.ensure_token(&vm.secrets.consul_services, "Nomad and the Envoys", &["services"]),
        consul.set_anonymous_policies(&["look"]),
    );
    token.and(anonymous)?;
    // After a restart, Consul prepares the Envoys' configuration before it has a leader. It rejects tokens that its snapshot
    // does not have, and never asks again: the Envoys would wait for ever.
    consul.write_snapshot().await
}
