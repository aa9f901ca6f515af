//! A command whose success, and whose output, is the proof.

use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::Deserialize;

use super::{Kind, Look, Place};

/// The most lines that are compared.
const MOST_LINES: usize = 1000;

/// By how much a command's own deadline is later than the look's.
const SPARE: Duration = Duration::from_secs(1);

/// A command succeeds and prints what it should.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CommandCheck {
    command: String,
    /// Its whole output, without white space at either end.
    prints: String,
}

impl Kind for CommandCheck {
    fn expected(&self) -> String {
        format!("`{}` prints:\n{}", self.command, self.prints)
    }

    fn look<'a>(&'a self, place: Place<'a>) -> BoxFuture<'a, Look> {
        Box::pin(async move {
            let mut printed = Vec::new();
            let finished = place
                .machine
                // The look as a whole ends first: what was seen before tells more than that this one took too long.
                .execute(&self.command, place.deadline + SPARE, |line| {
                    if printed.len() < MOST_LINES {
                        printed.push(line.text);
                    }
                })
                .await?;
            let text = printed.join("\n");
            if !finished.status.success() {
                return Err(format!("{} ({})", text.trim(), finished.status).into());
            }
            // Columns are padded with blanks that nobody sees.
            let lines: Vec<&str> = text.trim().lines().map(str::trim_end).collect();
            let shown = lines.join("\n");
            if shown == self.prints.trim() { Ok(vec![lines.join(", ")]) } else { Err(shown.into()) }
        })
    }
}
