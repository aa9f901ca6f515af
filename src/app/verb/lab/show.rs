//! `meshlab lab show`

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use crate::app::ui::{self, Look};
use crate::app::verb::{Context, Output, Run};
use crate::core::failure::Result;
use crate::core::settings::Settings;
use crate::labs::{Catalog, Progress, Step};

/// Show what a lab teaches, and its steps
#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// Lab id, name, or unique prefix
    name: String,
}

impl Run for ShowArgs {
    async fn run(self, context: &Context) -> Result<ExitCode> {
        context.print(&show(&self.name, &context.settings)?)
    }
}

fn show(name: &str, settings: &Settings) -> Result<Output> {
    let lab = Catalog::find(&settings.work_dir)?.lab(name, settings.address)?;
    let look = Look::of_stdout(settings);
    let progress = Progress::load(&settings.dirs.state, &lab.id);
    let line = |(index, step): (usize, &Step)| {
        let done = if progress.is_done(&step.id) { " (done)" } else { "" };
        format!("{}. {}{done}", index + 1, step.title)
    };
    let steps: Vec<String> = lab.steps.iter().enumerate().map(line).collect();
    let text = format!(
        "# {}\n\n{}\n\n{}\n\n`meshlab lab {}` runs it.\n",
        lab.title,
        lab.summary,
        steps.join("\n"),
        lab.id
    );
    let json_of = |step: &Step| {
        json!({
            "id": step.id, "title": step.title, "done": progress.is_done(&step.id),
            "hints": step.hints.len(), "resets": !step.reset.is_empty(),
        })
    };
    let steps: Vec<_> = lab.steps.iter().map(json_of).collect();
    let json = json!({
        "schema": 1, "id": lab.id, "title": lab.title, "summary": lab.summary, "tools": lab.tools,
        "ports": lab.ports.iter().map(|port| json!({"port": port.port, "purpose": port.purpose})).collect::<Vec<_>>(),
        "steps": steps, "learned": lab.learned,
    });
    Ok(Output { human: ui::markdown(&text, &look), json })
}
