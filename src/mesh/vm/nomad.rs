//! What is left to do once Nomad has a leader: its first token, and a client that is ready for work.

use std::time::Duration;

use super::{NOMAD_HTTP, Vm};
use crate::core::failure::{Failure, FailureKind, Result};
use crate::core::model::Network;
use crate::core::until::{Deadline, Observed, TimedOut, until};
use crate::mesh::api::API_POLL_INTERVAL;
use crate::mesh::api::nomad::Nomad;

const LOOK: Duration = Duration::from_secs(2);

/// Waits until jobs can be placed. Doing it again changes nothing.
pub(super) async fn settle(vm: &Vm, deadline: Duration) -> Result<String> {
    let nomad = vm.nomad();
    let deadline = Deadline::after(deadline);
    let late = |late: TimedOut<String>| {
        let at = vm.run.address().port(NOMAD_HTTP);
        Failure::new(FailureKind::DeadlinePassed, format!("Nomad at {at} is not ready for jobs"))
            .detail("last seen", late.last_seen())
            .hint("`meshlab logs nomad` shows what it says of itself")
    };
    let bootstrapped = until(deadline.left(), API_POLL_INTERVAL, async || -> Result<_> {
        let answer = nomad.bootstrap(&vm.secrets.nomad_management, LOOK).await;
        Ok(Observed::from(answer.map_err(|error| error.to_string())))
    });
    bootstrapped.await?.map_err(late)?;
    let ready = until(deadline.left(), API_POLL_INTERVAL, async || -> Result<_> {
        Ok(Observed::from(ready_client(&nomad).await))
    });
    let ready = ready.await?.map_err(late)?;
    if vm.spec.network == Network::Bridge {
        vm.consul().trust_workloads(&nomad.keys_url()).await?;
    }
    Ok(ready)
}

/// `Ok` once there is a client that runs jobs and knows Consul; before, what is being waited for.
async fn ready_client(nomad: &Nomad) -> Result<String, String> {
    // Asked first: what the server knows of its client may be from before the agent was started.
    if !nomad.has_registered(LOOK).await.map_err(|error| error.to_string())? {
        return Err(unregistered(nomad).await);
    }
    let Some(attributes) = nomad.ready_node(LOOK).await.map_err(|error| error.to_string())? else {
        // It waits up to ten seconds before its first heartbeat, and counts as ready from then on.
        nomad.nudge(LOOK).await;
        return Err("its client is not ready yet".to_owned());
    };
    // Without it, jobs with services wait for the next time that Nomad looks for Consul.
    if attributes.get("consul.version").is_none() {
        return Err("its client has not found Consul yet".to_owned());
    }
    Ok("access control on: without a token nothing runs; its client is ready".to_owned())
}

/// What a client that has not registered is waiting for. One that was refused waits 15 to 30 s: it is made to try again
/// once its server has its keys, a moment after that became the leader, and will not refuse it any more.
async fn unregistered(nomad: &Nomad) -> String {
    match nomad.has_keys(LOOK).await {
        Ok(true) => {
            nomad.nudge(LOOK).await;
            "its client has not registered yet".to_owned()
        }
        Ok(false) => "its server has no keys yet".to_owned(),
        Err(error) => error.to_string(),
    }
}
