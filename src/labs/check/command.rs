//! The check `command`.

use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::Deserialize;

use super::{CheckContext, CheckKind, ProbeResult};

/// The limit of compared output lines.
const MAX_LINES: usize = 1000;

/// How much later the command's own deadline is than that of the probe.
const DEADLINE_MARGIN: Duration = Duration::from_secs(1);

/// A command succeeds with the expected output.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CommandCheck {
    command: String,
    /// The whole output, trimmed.
    prints: String,
}

impl CheckKind for CommandCheck {
    fn expected(&self) -> String {
        format!("`{}` prints:\n{}", self.command, self.prints)
    }

    fn probe<'a>(&'a self, context: CheckContext<'a>) -> BoxFuture<'a, ProbeResult> {
        Box::pin(async move {
            let mut printed = Vec::new();
            let finished = context
                .machine
                // The probe times out before the command: the last observation says more than a timeout.
                .execute(&self.command, context.deadline + DEADLINE_MARGIN, |line| {
                    if printed.len() < MAX_LINES {
                        printed.push(line.text);
                    }
                })
                .await?;
            let text = printed.join("\n");
            if !finished.status.success() {
                return Err(format!("{} ({})", text.trim(), finished.status).into());
            }
            // Columns are padded with invisible spaces.
            let lines: Vec<&str> = text.trim().lines().map(str::trim_end).collect();
            let shown = lines.join("\n");
            if shown == self.prints.trim() { Ok(vec![lines.join(", ")]) } else { Err(shown.into()) }
        })
    }
}
