//! Waiting for a component until it is ready, it ends, or a deadline passes.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Machine;
use super::logs::telling_lines;
use crate::core::event::ReadyState;
use crate::core::failure::{Failure, FailureKind, Result};
use crate::core::until::{Observed, until};
use crate::machine::state::readiness::Readiness;

/// How many of a component's last lines a failure shows.
const LOG_LINES: usize = 8;

/// The pause between two looks at a starting component.
const STARTUP_POLL_INTERVAL: Duration = Duration::from_millis(3);

impl Machine {
    /// Waits until a component is ready. Returns what makes it ready.
    pub async fn await_ready(&self, name: &str, ready: &Readiness, deadline: Duration) -> Result<ReadyState> {
        let started = Instant::now();
        let seen = Mutex::new(String::new());
        let outcome = until(deadline, STARTUP_POLL_INTERVAL, async || -> Result<_> {
            let looked = ready.look(self.run().address()).await.map_err(|reason| reason.to_string());
            // If the component has ended, another program answers on its port.
            if let Some(status) = self.ended(name).await {
                let failure = Failure::failed(format!("{name} ended before it was ready")).seen_text(status);
                return Err(self.with_log(failure, Some(name)));
            }
            match &looked {
                Ok(ready) => {
                    tracing::info!(millis = started.elapsed().as_millis(), "{name} is ready: {ready}");
                }
                Err(observed) => {
                    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                    if *seen != *observed {
                        tracing::debug!("{name} is not ready: {observed}");
                        seen.clone_from(observed);
                    }
                }
            }
            Ok(Observed::from(looked))
        });
        outcome.await?.map_err(|late| {
            let message = format!("{name} was not ready within {} s", deadline.as_secs());
            let failure =
                Failure::new(FailureKind::DeadlinePassed, message).detail("last seen", late.last_seen());
            self.with_log(failure, Some(name))
        })
    }

    /// Adds the last lines of a component's log, and a hint if they show a full disk.
    pub fn with_log(&self, failure: Failure, service: Option<&str>) -> Failure {
        let Some(service) = service else { return failure };
        let lines = telling_lines(self.run(), service, LOG_LINES);
        if lines.is_empty() {
            return failure;
        }
        let failure = failure.detail(format!("log of {service}"), lines.join("\n"));
        if lines.iter().any(|line| line.to_ascii_lowercase().contains("no space left on device")) {
            return failure.hint("free some space, or point MESHLAB_STATE_DIR elsewhere");
        }
        failure
    }
}
