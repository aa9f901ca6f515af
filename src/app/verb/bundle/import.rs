//! `meshlab bundle import`

use std::fmt::Write as _;
use std::process::ExitCode;

use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use serde_json::json;

use super::{SCHEMA, names, platforms};
use crate::app::verb::{Context, Output, Run};
use crate::artifacts::bundle::{self, Imported};
use crate::artifacts::lockfile::Lock;
use crate::artifacts::provision::{ProvisionRequest, provision};
use crate::artifacts::store::Store;
use crate::core::event::SharedReporter;
use crate::core::failure::Result;
use crate::core::model::{ArtifactName, Platform};
use crate::core::settings::Settings;
use crate::labs::Catalog;

/// Verify a bundle, store its files and install this machine's tools
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// Bundle to read
    file: Utf8PathBuf,
}

impl Run for ImportArgs {
    const KEEPS_LOG: bool = true;
    async fn run(self, context: &Context) -> Result<ExitCode> {
        context.print(&import(&self.file, &context.settings, &context.lock()?, &context.reporter).await?)
    }
}

/// Stores what is in a bundle and installs what is for this machine.
async fn import(
    file: &Utf8Path,
    settings: &Settings,
    lock: &Lock,
    reporter: &SharedReporter,
) -> Result<Output> {
    let path = settings.work_dir.join(file);
    let store = Store::new(&settings.dirs.cache);
    let imported = bundle::import(&path, lock, &store, Platform::current()?, reporter).await?;
    let mut installed = Vec::new();
    if !imported.installable.is_empty() {
        let request = ProvisionRequest { names: imported.installable.clone(), ..ProvisionRequest::default() };
        // Everything is in the store; nothing may be asked of a network behind its user's back.
        let settings = Settings { offline: true, ..settings.clone() };
        let provisioned = provision(&request, &settings, lock, reporter).await?;
        installed.extend(provisioned.tools().map(|tool| tool.artifact.clone()));
    }
    let next = next_after_import(&installed, settings);
    Ok(was_imported(file, &imported, &installed, &next))
}

fn was_imported(file: &Utf8Path, imported: &Imported, installed: &[ArtifactName], next: &str) -> Output {
    let manifest = &imported.manifest;
    let mut human = String::new();
    let mut line = |label: &str, value: &str| {
        let _ = writeln!(human, "{label:<10} {value}");
    };
    line("bundle", file.as_str());
    line("artifacts", &names(manifest));
    line("platforms", &platforms(manifest));
    let mut files = vec![format!("{} stored", imported.stored)];
    if imported.present > 0 {
        files.push(format!("{} stored before", imported.present));
    }
    if imported.unknown > 0 {
        files.push(format!("{} not in the lock and left out", imported.unknown));
    }
    line("files", &files.join(", "));
    line("next", next);
    let json = json!({
        "schema": SCHEMA,
        "file": file,
        "platforms": manifest.platforms(),
        "artifacts": manifest.artifacts,
        "stored": imported.stored,
        "present": imported.present,
        "unknown": imported.unknown,
        "installed": installed,
        "next": next,
    });
    Output { human, json }
}

/// The first lab whose tools are all there now, else a look at what is there.
fn next_after_import(installed: &[ArtifactName], settings: &Settings) -> String {
    let lab = Catalog::find(&settings.work_dir).ok().and_then(|catalog| {
        let labs = catalog.ids().filter_map(|id| catalog.lab(id.as_str(), settings.address).ok());
        labs.filter(|lab| !lab.tools.is_empty())
            .find(|lab| lab.tools.iter().all(|tool| installed.contains(tool)))
            .map(|lab| lab.id)
    });
    match lab {
        Some(id) => format!("meshlab --offline lab {id}"),
        None => "meshlab deps list".to_owned(),
    }
}
