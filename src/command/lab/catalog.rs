//! `meshlab lab list|show`

use serde_json::json;

use crate::cli::Settings;
use crate::command::Output;
use crate::failure::Result;
use crate::lab::{Catalog, Progress, Step};
use crate::ui::{Cell, Look, Table};

/// All labs, in order.
pub fn list(settings: &Settings) -> Result<Output> {
    let catalog = Catalog::find(&settings.work_dir)?;
    let mut table = Table::new(["LAB", "DONE", "WHAT IT IS ABOUT"]).right(1);
    let mut rows = Vec::new();
    for id in catalog.ids() {
        let name = Cell::strong(id.to_string());
        match catalog.lab(id.as_str(), settings.address) {
            Ok(lab) => {
                let progress = Progress::load(&settings.dirs.state, &lab.id);
                let (done, of) = (progress.done(&lab), lab.steps.len());
                table.row([name, format!("{done}/{of}").into(), lab.title.clone().into()]);
                rows.push(json!({
                    "id": id, "title": lab.title, "steps": of, "done": done,
                    "completed": progress.is_completed(), "tools": lab.tools,
                }));
            }
            // One that is being written must not hide the others.
            Err(failure) => {
                table.row([name, "".into(), Cell::bad(failure.message())]);
                rows.push(json!({"id": id, "error": failure.message()}));
            }
        }
    }
    let human = table.render(&Look::of_stdout(settings));
    Ok(Output { human, json: json!({"schema": 1, "labs": rows}) })
}

/// What a lab teaches, and its steps.
pub fn show(name: &str, settings: &Settings) -> Result<Output> {
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
    Ok(Output { human: crate::ui::markdown(&text, &look), json })
}
