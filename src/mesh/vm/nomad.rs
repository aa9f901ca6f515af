//! Nomad's setup once it has a leader: its first token, and a client that is ready for jobs.

use std::time::Duration;

use super::{NOMAD_HTTP, Vm};
use crate::core::event::Access;
use crate::core::failure::{Failure, FailureKind, Result};
use crate::core::http::HttpError;
use crate::core::model::Network;
use crate::core::until::{Deadline, Observed, TimedOut, until};
use crate::mesh::api::API_POLL_INTERVAL;
use crate::mesh::api::nomad::Nomad;

const STARTUP_REQUEST_DEADLINE: Duration = Duration::from_secs(2);

/// Waits until jobs can be placed. Idempotent.
pub(super) async fn settle(vm: &Vm, deadline: Duration) -> Result<Access> {
    let nomad = vm.nomad();
    let deadline = Deadline::after(deadline);
    let late = |late: TimedOut<String>| {
        let at = vm.run.address().port(NOMAD_HTTP);
        Failure::new(FailureKind::DeadlinePassed, format!("Nomad at {at} is not ready for jobs"))
            .detail("last seen", late.last_seen())
            .hint("`meshlab logs nomad` shows its log")
    };
    let bootstrapped = until(deadline.left(), API_POLL_INTERVAL, async || -> Result<_> {
        let answer = nomad.bootstrap(&vm.secrets.nomad_management, STARTUP_REQUEST_DEADLINE).await;
        Ok(Observed::from(answer.map_err(|error| error.to_string())))
    });
    bootstrapped.await?.map_err(late)?;
    let ready = until(deadline.left(), API_POLL_INTERVAL, async || -> Result<_> {
        Ok(Observed::from(require_client(&nomad).await.map_err(|reason| reason.to_string())))
    });
    ready.await?.map_err(late)?;
    if vm.spec.network == Network::Bridge {
        vm.consul().trust_workloads(&nomad.keys_url()).await?;
    }
    Ok(Access::Nothing)
}

/// Why Nomad's client does not run jobs yet.
#[derive(Debug, thiserror::Error)]
enum ClientNotReady {
    #[error("its server has no keys yet")]
    NoKeys,
    #[error("its client has not registered yet")]
    Unregistered,
    #[error("its client is not ready yet")]
    NoHeartbeat,
    #[error("its client has not found Consul yet")]
    NoConsul,
    #[error(transparent)]
    Api(#[from] HttpError),
}

/// Fails until there is a client that runs jobs and has found Consul.
async fn require_client(nomad: &Nomad) -> Result<(), ClientNotReady> {
    // First: the server's view of its client may be older than the agent's start.
    if !nomad.has_registered(STARTUP_REQUEST_DEADLINE).await? {
        return Err(unregistered(nomad).await);
    }
    let Some(attributes) = nomad.ready_node(STARTUP_REQUEST_DEADLINE).await? else {
        // It waits up to ten seconds before its first heartbeat, and is ready from then on.
        nomad.nudge(STARTUP_REQUEST_DEADLINE).await;
        return Err(ClientNotReady::NoHeartbeat);
    };
    // Otherwise, jobs with services wait until Nomad looks for Consul the next time.
    if attributes.get("consul.version").is_none() {
        return Err(ClientNotReady::NoConsul);
    }
    Ok(())
}

/// Why a client has not registered. After a refusal it waits 15 to 30 s. A nudge makes it try again once the server has its
/// keys, shortly after it became the leader: from then on it does not refuse.
async fn unregistered(nomad: &Nomad) -> ClientNotReady {
    match nomad.has_keys(STARTUP_REQUEST_DEADLINE).await {
        Ok(true) => {
            nomad.nudge(STARTUP_REQUEST_DEADLINE).await;
            ClientNotReady::Unregistered
        }
        Ok(false) => ClientNotReady::NoKeys,
        Err(error) => error.into(),
    }
}
