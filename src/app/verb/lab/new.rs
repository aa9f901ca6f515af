//! `meshlab lab new`: files to start a lab from.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::process::ExitCode;

use camino::Utf8Path;
use clap::Args;
use serde_json::json;

use crate::app::ui::{self, Look};
use crate::app::verb::{Context, Output, Run};
use crate::core::assets;
use crate::core::atomic_file::TEMP_PREFIX;
use crate::core::failure::{Failure, Result};
use crate::core::model::LabId;
use crate::core::settings::Settings;
use crate::labs::Catalog;

/// Write the files of a small lab to start from (for authors)
#[derive(Debug, Args)]
pub(super) struct NewArgs {
    /// Name of the lab, for instance rate-limits; without a number, it gets the next one
    #[arg(required_unless_present = "guide")]
    name: Option<String>,
    /// Show how labs are written
    #[arg(long, conflicts_with = "name")]
    guide: bool,
}

impl Run for NewArgs {
    async fn run(self, context: &Context) -> Result<ExitCode> {
        context.print(&new(self.name.as_deref(), &context.settings)?)
    }
}

/// Stands for the lab's name in the template.
const NAME: &str = "{name}";

const FILES: [&str; 2] = ["lab.toml", "greeting.txt"];

/// Writes a small lab that runs and passes its tests, in `labs/` of the working directory; without a name shows the guide.
fn new(name: Option<&str>, settings: &Settings) -> Result<Output> {
    let Some(name) = name else {
        let guide = asset("guide.md")?;
        let human = ui::markdown(guide, &Look::of_stdout(settings));
        return Ok(Output { human, json: json!({"schema": 1, "guide": guide}) });
    };
    let id = numbered(name, &Catalog::find(&settings.work_dir)?)?;
    let folder = settings.work_dir.join("labs").join(id.as_str());
    if folder.exists() {
        return Err(Failure::usage(format!("{folder} exists")).hint("choose another name"));
    }
    write(&folder, &id)?;
    let markdown = format!(
        "`labs/{id}` is written: change `labs/{id}/lab.toml` until it says what you want to say.\n\n\
         - `meshlab lab {id}` runs it\n\
         - `meshlab lab test {id}` tests it\n\
         - `meshlab lab new --guide` shows how to write labs\n\n\
         In this folder, meshlab shows the labs of `labs` instead of the built-in ones.\n"
    );
    let human = ui::markdown(&markdown, &Look::of_stdout(settings));
    Ok(Output { human, json: json!({"schema": 1, "id": id, "folder": folder}) })
}

/// Writes all files or none: into a temporary folder, which is then renamed.
fn write(folder: &Utf8Path, id: &LabId) -> Result<()> {
    let cannot = |error: &std::io::Error| {
        Failure::failed(format!("cannot write {folder}"))
            .seen(error)
            .hint("run it in a folder where this user may write: -C DIR")
    };
    let labs = folder.parent().unwrap_or(folder);
    std::fs::create_dir_all(labs).map_err(|error| cannot(&error))?;
    let temporary_folder = tempfile::Builder::new()
        .prefix(TEMP_PREFIX)
        .permissions(Permissions::from_mode(0o777))
        .tempdir_in(labs)
        .map_err(|error| cannot(&error))?;
    for file in FILES {
        let text = asset(file)?.replace(NAME, id.as_str());
        std::fs::write(temporary_folder.path().join(file), text).map_err(|error| cannot(&error))?;
    }
    std::fs::rename(temporary_folder.path(), folder).map_err(|error| cannot(&error))?;
    // Its old name is gone.
    let _ = temporary_folder.keep();
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
    full.parse().map_err(|invalid: crate::core::model::Invalid| {
        Failure::usage(format!("{name:?} is no name for a lab: {invalid}"))
            .hint("for instance: meshlab lab new rate-limits")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lab_is_written_whole_or_not_at_all() {
        let temporary = tempfile::tempdir().unwrap();
        let labs = Utf8Path::from_path(temporary.path()).unwrap().join("labs");
        let names = || {
            let entries = labs.read_dir_utf8().unwrap().map(|entry| entry.unwrap().file_name().to_owned());
            entries.collect::<Vec<_>>()
        };
        let id: LabId = "9-own".parse().unwrap();
        let folder = labs.join(id.as_str());
        write(&folder, &id).unwrap();
        assert_eq!(names(), ["9-own"]);
        assert!(FILES.iter().all(|file| folder.join(file).is_file()));
        let mode = |path: &Utf8Path| std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&folder), mode(&labs), "as any other folder");
        // Another process wrote one meanwhile.
        std::fs::write(folder.join("lab.toml"), "theirs").unwrap();
        assert!(write(&folder, &id).unwrap_err().message().ends_with("labs/9-own"));
        assert_eq!(names(), ["9-own"]);
        assert_eq!(std::fs::read_to_string(folder.join("lab.toml")).unwrap(), "theirs");
    }
}
