//! `meshlab lab list`

use std::process::ExitCode;

use camino::Utf8Path;
use clap::Args;
use serde_json::json;

use crate::app::ui::{self, Cell, Look, Note, Table, Weight};
use crate::app::verb::{Context, Output, Run};
use crate::core::failure::{Failure, Result};
use crate::core::model::LabAddress;
use crate::core::settings::Settings;
use crate::labs::{Catalog, Progress};

/// List all labs
#[derive(Debug, Args)]
pub(super) struct ListArgs;

impl Run for ListArgs {
    async fn run(self, context: &Context) -> Result<ExitCode> {
        context.print(&list(&context.settings)?)
    }
}

/// All labs, in order.
fn list(settings: &Settings) -> Result<Output> {
    let catalog = Catalog::find(&settings.work_dir)?;
    Ok(listed(&catalog, &settings.dirs.state, settings.address, &Look::of_stdout(settings)))
}

fn listed(catalog: &Catalog, state: &Utf8Path, address: LabAddress, look: &Look) -> Output {
    let mut table = Table::new(["LAB", "DONE", "WHAT IT IS ABOUT"]).right(1);
    let mut rows = Vec::new();
    // A broken lab must not hide the others.
    let mut notes = Vec::new();
    for id in catalog.ids() {
        let name = Cell::strong(id.to_string());
        match catalog.lab(id.as_str(), address) {
            Ok(lab) => {
                let progress = Progress::load(state, &lab.id);
                let (done, of) = (progress.done(&lab), lab.steps.len());
                table.row([name, format!("{done}/{of}").into(), lab.title.clone().into()]);
                rows.push(json!({
                    "id": id, "title": lab.title, "steps": of, "done": done,
                    "completed": progress.is_completed(), "tools": lab.tools,
                }));
            }
            Err(failure) => {
                table.row([name, "".into(), Cell::bad("cannot be read, see below")]);
                rows.push(json!({"id": id, "error": failure.message()}));
                notes.push(note(id.as_str(), &failure));
            }
        }
    }
    let mut unusable = Vec::new();
    for folder in catalog.unusable() {
        unusable.push(json!({"folder": folder.folder, "error": folder.why.message()}));
        notes.push(note(&folder.folder, &folder.why));
    }
    let mut human = table.render(look);
    if !notes.is_empty() {
        human = format!("{human}\n{}", ui::notes(&notes, look));
    }
    Output { human, json: json!({"schema": 1, "labs": rows, "unusable": unusable}) }
}

/// Why a folder is no lab, with the wrong line or a hint.
fn note(folder: &str, failure: &Failure) -> Note {
    let note = Note::new(Weight::Bad, folder, failure.message());
    let line = failure.details().iter().find(|detail| detail.label == "line");
    match (line, failure.hint_text()) {
        (Some(line), _) => note.advice("line", line.text.trim()),
        (None, Some(hint)) => note.advice("hint", hint),
        (None, None) => note,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::ui::testing::look;
    use crate::core::assets::lab_file;

    #[test]
    fn what_is_no_lab_is_told_below_those_that_are() {
        let folder = tempfile::tempdir().unwrap();
        let folder = Utf8Path::from_path(folder.path()).unwrap();
        let good = lab_file("lab.toml").unwrap();
        for (name, text) in [
            ("1-good", good.to_owned()),
            ("2-half", good.replacen("bytes = 64", "bytes = 0", 1)),
            ("Bad Name", good.to_owned()),
        ] {
            std::fs::create_dir_all(folder.join("labs").join(name)).unwrap();
            std::fs::write(folder.join("labs").join(name).join("lab.toml"), text).unwrap();
            std::fs::write(folder.join("labs").join(name).join("greeting.txt"), "").unwrap();
        }
        let catalog = Catalog::find(folder).unwrap();
        let output = listed(&catalog, &folder.join("state"), LabAddress::DEFAULT, &look(80));
        // Line ends depend on the length of the folder's name.
        let human: Vec<&str> = output.human.split_whitespace().collect();
        let text = format!("{}\n{:#}", human.join(" "), output.json["unusable"]);
        insta::assert_snapshot!(text.replace(folder.as_str(), "/work"));
    }
}
