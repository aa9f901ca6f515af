//! What is left to do once Consul has a leader: who may do what.

use std::time::{Duration, Instant};

use super::{CONSUL_HTTP, Vm};
use crate::core::failure::{Failure, FailureKind, Result};

/// Anybody may look services up: DNS has no tokens.
const LOOK: &str = r#"service_prefix "" { policy = "read" }
node_prefix "" { policy = "read" }
"#;

/// What Nomad and the Envoys need.
const SERVICES: &str = r#"service_prefix "" { policy = "write" }
node_prefix "" { policy = "read" }
agent_prefix "" { policy = "read" }
mesh = "read"
"#;

const PAUSE: Duration = Duration::from_millis(10);

/// Waits for the certificate authority, and makes policies and tokens. Doing it again changes nothing. A leader that has
/// just been elected may still refuse any of it.
pub(super) async fn settle(vm: &Vm, patience: Duration) -> Result<String> {
    let deadline = Instant::now() + patience;
    loop {
        let Err(failure) = set_up(vm).await else {
            return Ok("access control on: without a token one may look, not touch".to_owned());
        };
        if Instant::now() >= deadline {
            return Err(failure.with_kind(FailureKind::DeadlinePassed));
        }
        tokio::time::sleep(PAUSE).await;
    }
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
            .hint("`meshlab logs consul` shows what it says of itself"));
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
    // Started again, Consul prepares the Envoys' configuration before it has a leader. A token that it does not know by
    // then it counts as lost, for good: their Envoys would wait for ever.
    consul.write_snapshot().await
}
