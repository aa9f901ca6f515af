//! What is left to do once Nomad has a leader: its first token, and a client that is ready for work.

use std::time::{Duration, Instant};

use super::{Settled, Vm, component::NOMAD_HTTP};
use crate::api::nomad::Nomad;
use crate::failure::{Failure, FailureKind, Result};
use crate::runtime::logs::last_lines;
use crate::secret::Token;

const LOOK: Duration = Duration::from_secs(2);

const PAUSE: Duration = Duration::from_millis(25);

/// Waits until jobs can be placed. Doing it again changes nothing. Starting again helps more often than not; on a busy
/// machine there is an end to it, and the client's own patience is waited for.
pub(super) async fn settle(vm: &Vm, patience: Duration, may_start_again: bool) -> Result<Settled> {
    let nomad = vm.nomad();
    let deadline = Instant::now() + patience;
    let mut bootstrapped = false;
    loop {
        let observed = if bootstrapped {
            match ready_client(vm, &nomad).await? {
                Ok(said) => return Ok(Settled::Done(said)),
                Err(_) if may_start_again && was_turned_away(vm) => {
                    return Ok(Settled::StartAgain("its client registered before its server had its keys"));
                }
                Err(observed) => observed,
            }
        } else {
            match nomad.bootstrap(&vm.secrets.nomad_management, LOOK).await {
                Ok(()) => {
                    bootstrapped = true;
                    continue;
                }
                Err(error) => error.to_string(),
            }
        };
        if Instant::now() >= deadline {
            let at = vm.run.address().port(NOMAD_HTTP);
            return Err(Failure::new(
                FailureKind::DeadlinePassed,
                format!("Nomad at {at} is not ready for jobs"),
            )
            .detail("last seen", observed)
            .hint("`meshlab logs nomad` shows what it says of itself"));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// A server has its keys a moment after it became the leader, a new one and one that comes back. A client that registers
/// in between is refused, and nothing makes it try again before 15 to 30 s are over; started again, it comes later.
fn was_turned_away(vm: &Vm) -> bool {
    const LINES: usize = 400;
    let lines = last_lines(&vm.run, "nomad", LINES);
    let since_start = lines.iter().rev().take_while(|line| !line.contains("==> Starting Nomad agent"));
    let mut refused = false;
    for line in since_start {
        if line.contains("client: node registration complete") {
            return false;
        }
        refused |= line.contains("client: error registering");
    }
    refused
}

/// `Ok(Ok)` once there is a client that runs jobs and knows Consul.
async fn ready_client(vm: &Vm, nomad: &Nomad) -> Result<Result<String, String>> {
    // Asked first: what the server knows of its client may be from before the agent was started.
    match nomad.has_registered(LOOK).await {
        Ok(true) => {}
        Ok(false) => return Ok(Err("its client has not registered yet".to_owned())),
        Err(error) => return Ok(Err(error.to_string())),
    }
    let attributes = match nomad.ready_node(LOOK).await {
        Ok(Some(attributes)) => attributes,
        Ok(None) => {
            // A client waits up to ten seconds before its first heartbeat, and counts as ready from then on; any other
            // word with its server makes it send one at once. So it is made to ask about a token that nobody has.
            let stranger = Nomad::new(vm.run.address().port(NOMAD_HTTP), Some(Token::random()?));
            stranger.nudge(LOOK).await;
            return Ok(Err("its client is not ready yet".to_owned()));
        }
        Err(error) => return Ok(Err(error.to_string())),
    };
    // Without it, jobs with services wait for the next time that Nomad looks for Consul.
    if attributes.get("consul.version").is_none() {
        return Ok(Err("its client has not found Consul yet".to_owned()));
    }
    Ok(Ok("access control on: without a token nothing runs; its client is ready".to_owned()))
}
