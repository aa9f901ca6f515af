//! The check `nomad-task`.

use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::Deserialize;

use super::{CheckContext, CheckKind, ProbeResult};

/// A task runs, and Nomad has restarted it a minimum number of times.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NomadTask {
    job: String,
    #[serde(rename = "task")]
    name: String,
    /// The minimum number of restarts.
    #[serde(default)]
    restarts: u64,
}

impl CheckKind for NomadTask {
    fn expected(&self) -> String {
        format!("task {} of {} runs, restarted at least {} times", self.name, self.job, self.restarts)
    }

    fn probe<'a>(&'a self, context: CheckContext<'a>) -> BoxFuture<'a, ProbeResult> {
        Box::pin(async move {
            let nomad = context.nomad();
            let (allocations, _) = nomad.allocations(0, Duration::ZERO).await?;
            let mut seen = format!("no allocation of {} has a task {}", self.job, self.name);
            for allocation in allocations.iter().filter(|allocation| allocation.job == self.job) {
                let Some(state) = allocation.task_states.as_ref().and_then(|states| states.get(&self.name))
                else {
                    continue;
                };
                let last = state.events.as_ref().and_then(|events| events.last());
                let last = last
                    .map(|event| format!("{}: {}", event.kind, event.display_message))
                    .unwrap_or_default();
                let id = allocation.id.get(..8).unwrap_or_default();
                seen = format!("{id} is {}, restarted {} times ({last})", state.state, state.restarts);
                if state.state == "running" && state.restarts >= self.restarts {
                    return Ok(vec![format!(
                        "allocation {id}: {}, restarts: {}",
                        state.state, state.restarts
                    )]);
                }
            }
            Err(seen.into())
        })
    }
}
