//! `meshlab lab new`: the beginning of a lab of one's own.

use camino::Utf8Path;
use fs_err as fs;
use serde_json::json;

use crate::assets;
use crate::cli::Settings;
use crate::command::Output;
use crate::failure::{Failure, Result};
use crate::lab::Catalog;
use crate::model::LabId;
use crate::ui::Look;

/// Stands for the lab's name in the template.
const NAME: &str = "{name}";

const FILES: [&str; 2] = ["lab.toml", "greeting.txt"];

/// Writes a small lab that runs and passes its tests, in `labs/` of the working directory; without a name shows the guide.
pub fn new(name: Option<&str>, settings: &Settings) -> Result<Output> {
    let Some(name) = name else {
        let guide = asset("guide.md")?;
        let human = crate::ui::markdown(guide, &Look::of_stdout(settings));
        return Ok(Output { human, json: json!({"schema": 1, "guide": guide}) });
    };
    let id = numbered(name, &Catalog::find(&settings.work_dir)?)?;
    let folder = settings.work_dir.join("labs").join(id.as_str());
    if folder.exists() {
        return Err(Failure::usage(format!("{folder} is there already")).hint("choose another name"));
    }
    let beside = folder.with_file_name(format!(".{id}.new"));
    let written = write(&beside, &id).and_then(|()| Ok(fs::rename(&beside, &folder)?));
    if written.is_err() {
        // Half a lab is of no use to anybody.
        let _ = std::fs::remove_dir_all(&beside);
    }
    written?;
    let markdown = format!(
        "`labs/{id}` is written: change `labs/{id}/lab.toml` until it says what you want to say.\n\n\
         - `meshlab lab {id}` goes through it\n\
         - `meshlab lab test {id}` tests it\n\
         - `meshlab lab new --guide` tells how labs are written\n\n\
         In this folder, its `labs` take the place of those that are built in.\n"
    );
    let human = crate::ui::markdown(&markdown, &Look::of_stdout(settings));
    Ok(Output { human, json: json!({"schema": 1, "id": id, "folder": folder}) })
}

fn write(folder: &Utf8Path, id: &LabId) -> Result<()> {
    fs::create_dir_all(folder)?;
    for file in FILES {
        fs::write(folder.join(file), asset(file)?.replace(NAME, id.as_str()))?;
    }
    Ok(())
}

fn asset(name: &str) -> Result<&'static str> {
    assets::lab_file(name).ok_or_else(|| Failure::failed(format!("assets/lab/{name} is not built in")))
}

/// A name without a number gets the next one.
fn numbered(name: &str, catalog: &Catalog) -> Result<LabId> {
    let begins_with_number = name.split_once('-').is_some_and(|(number, _)| number.parse::<u32>().is_ok());
    let full = if begins_with_number {
        name.to_owned()
    } else {
        let number = |id: &LabId| id.as_str().split('-').next().and_then(|number| number.parse::<u32>().ok());
        let last = catalog.ids().filter_map(number).max().unwrap_or(0);
        format!("{}-{name}", last + 1)
    };
    full.parse().map_err(|invalid: crate::model::Invalid| {
        Failure::usage(format!("{name:?} is no name for a lab: {invalid}"))
            .hint("for instance: meshlab lab new rate-limits")
    })
}
