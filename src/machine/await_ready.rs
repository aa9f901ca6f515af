//! Waiting for a component: until it is ready, has ended, or has had its time.

use std::time::{Duration, Instant};

use super::Machine;
use super::logs::telling_lines;
use crate::core::failure::{Failure, FailureKind, Result};
use crate::machine::state::readiness::Readiness;

/// How many of a component's last lines a failure shows.
const LOG_LINES: usize = 8;

/// The pause between two looks at a component that is starting.
const LOOK_PAUSE: Duration = Duration::from_millis(3);

impl Machine {
    /// What makes it ready, in words.
    pub async fn await_ready(&self, name: &str, ready: &Readiness, patience: Duration) -> Result<String> {
        let deadline = Instant::now() + patience;
        loop {
            let looked = ready.look(self.run().address()).await;
            // Asked before the answer is believed: if it has ended, somebody else answers there.
            if let Some(status) = self.ended(name).await {
                let failure =
                    Failure::failed(format!("{name} ended before it was ready")).detail("seen", status);
                return Err(self.with_log(failure, Some(name)));
            }
            let observed = match looked {
                Ok(ready) => return Ok(ready),
                Err(observed) => observed,
            };
            if Instant::now() >= deadline {
                let late = format!("{name} was not ready within {} s", patience.as_secs());
                let failure = Failure::new(FailureKind::DeadlinePassed, late).detail("last seen", observed);
                return Err(self.with_log(failure, Some(name)));
            }
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    }

    /// Adds what a component logged last, and what to do where that is plain.
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
