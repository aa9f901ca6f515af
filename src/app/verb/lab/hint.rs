//! `meshlab lab hint`

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::practised::{lab, step};
use crate::app::ui::{self, Look};
use crate::app::verb::{Context, Output, Run};
use crate::core::failure::Result;
use crate::core::settings::Settings;
use crate::labs::{Lab, Progress, RunProgress};
use crate::machine::state::RunDir;

/// Show one more hint for a step
#[derive(Debug, Args)]
pub(super) struct HintArgs {
    /// Lab id, name, or unique prefix
    name: String,
    /// Step by number or name [default: the first that is not done]
    step: Option<String>,
}

impl Run for HintArgs {
    async fn run(self, context: &Context) -> Result<ExitCode> {
        context.print(&hint(&self.name, self.step.as_deref(), &context.settings)?)
    }
}

/// Where the lab is running, if it is. The settings' address comes first.
fn where_it_runs(lab: &Lab, settings: &Settings) -> Result<Option<RunDir>> {
    let mut running = RunDir::all(&settings.dirs.state)?;
    running.retain(|run| run.load().is_some_and(|state| state.lab == lab.id));
    running.sort_by_key(|run| run.address() != settings.address);
    Ok(running.into_iter().next())
}

/// Shows one more hint for a step, after the earlier ones.
fn hint(name: &str, named: Option<&str>, settings: &Settings) -> Result<Output> {
    let lab = lab(name, settings.address, settings)?;
    let running = where_it_runs(&lab, settings)?;
    let is_running = running.is_some();
    let run = running.unwrap_or_else(|| RunDir::of(settings));
    let mut standing = RunProgress::load(&run, Progress::load(&settings.dirs.state, &lab.id));
    // Of the running lab, else of the reader's progress.
    let open = if is_running { standing.current(&lab) } else { standing.progress().current(&lab) };
    let index = step(&lab, open, named)?;
    let (hinted, number) = (&lab.steps[index], index + 1);
    let of = hinted.hints.len();
    let shown = standing.progress().reveal_hint(&hinted.id, of)?;
    let hints = &hinted.hints[..shown];
    let item =
        |(index, hint): (usize, &String)| format!("{}. {}\n", index + 1, hint.trim().replace('\n', "\n   "));
    let list: String = hints.iter().enumerate().map(item).collect();
    let id = &lab.id;
    let rest = match of - shown {
        0 if of == 0 => format!("There are no hints for it. `meshlab lab solve {id} {number}` does it."),
        0 => format!("That is all. `meshlab lab solve {id} {number}` does it."),
        left => format!("{left} more: `meshlab lab hint {id} {number}` again."),
    };
    let text = format!("**Step {number}, {}**\n\n{list}\n{rest}\n", hinted.title);
    let json = json!({"schema": 1, "lab": id, "step": hinted.id, "hints": hints, "of": of});
    Ok(Output { human: ui::markdown(&text, &Look::of_stdout(settings)), json })
}
