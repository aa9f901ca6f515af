//! `meshlab bundle export|import`

use std::collections::BTreeSet;
use std::fmt::Write as _;

use camino::Utf8Path;
use serde_json::json;

use super::Output;
use crate::app::cli::{BundleExportArgs, ProfileChoice};
use crate::artifacts::bundle::{self, Export, Exported, Imported, Manifest};
use crate::artifacts::lockfile::Lock;
use crate::artifacts::provision::{Request, Sources, provision, store};
use crate::artifacts::store::Store;
use crate::core::event::SharedReporter;
use crate::core::failure::{Failure, Result};
use crate::core::model::{ArtifactName, ByteSize, Platform};
use crate::core::settings::Settings;
use crate::labs::Catalog;

const SCHEMA: u32 = 1;

/// Writes a bundle, after what is missing was fetched.
pub async fn export(
    args: &BundleExportArgs,
    settings: &Settings,
    lock: &Lock,
    reporter: &SharedReporter,
) -> Result<Output> {
    let here = Platform::current()?;
    let mut platforms: BTreeSet<Platform> = args.platforms.iter().copied().collect();
    if platforms.is_empty() {
        platforms.insert(here);
    }
    if args.with_meshlab && !platforms.contains(&here) {
        return Err(Failure::usage(format!(
            "--with-meshlab puts in a program for {here}, and --platform leaves that out"
        ))
        .hint(format!("add --platform {here}, or leave --with-meshlab out")));
    }
    let platforms: Vec<Platform> = platforms.into_iter().collect();
    let profiles = ProfileChoice::profiles(args.profile, &args.names);
    let request = Request { names: args.names.clone(), profiles, sources: Sources::Any };
    let chosen = store(&request, &platforms, settings, lock, reporter).await?;
    let path = settings.work_dir.join(&args.file);
    let export = Export { lock, chosen, program: args.with_meshlab.then_some(here) };
    let exported = bundle::export(&export, &Store::new(&settings.dirs.cache), &path, reporter).await?;
    Ok(was_exported(&args.file, &exported))
}

fn was_exported(file: &Utf8Path, exported: &Exported) -> Output {
    let manifest = &exported.manifest;
    let mut human = String::new();
    let mut line = |label: &str, value: &str| {
        let _ = writeln!(human, "{label:<10} {value}");
    };
    line("bundle", file.as_str());
    line("size", &format!("{} ({} bytes)", ByteSize(exported.size), exported.size));
    line("artifacts", &names(manifest));
    line("platforms", &platforms(manifest));
    if manifest.meshlab.is_some() {
        line("program", "meshlab-bundle/meshlab");
    }
    line("sha256", &exported.digest.hex());
    let next = next_after_export(file, manifest);
    line("next", &next.join("\n           "));
    let json = json!({
        "schema": SCHEMA,
        "file": file,
        "size": exported.size,
        "digest": exported.digest,
        "platforms": manifest.platforms(),
        "artifacts": manifest.artifacts,
        "next": next,
    });
    Output { human, json }
}

/// What to type on the other machine.
fn next_after_export(file: &Utf8Path, manifest: &Manifest) -> Vec<String> {
    let file = quoted(file.file_name().unwrap_or(file.as_str()));
    if manifest.meshlab.is_none() {
        return vec![format!("meshlab --offline bundle import {file}")];
    }
    vec![
        format!("tar xf {file} meshlab-bundle/meshlab"),
        format!("./meshlab-bundle/meshlab --offline bundle import {file}"),
    ]
}

/// Stores what is in a bundle and installs what is for this machine.
pub async fn import(
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
        let request = Request { names: imported.installable.clone(), ..Request::default() };
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

/// Each artifact once, with its version.
fn names(manifest: &Manifest) -> String {
    let names: BTreeSet<String> =
        manifest.artifacts.iter().map(|artifact| format!("{} {}", artifact.name, artifact.version)).collect();
    names.into_iter().collect::<Vec<_>>().join(", ")
}

fn platforms(manifest: &Manifest) -> String {
    manifest.platforms().into_iter().map(Platform::name).collect::<Vec<_>>().join(", ")
}

/// A file's name as a shell takes it.
fn quoted(name: &str) -> String {
    let is_plain = |letter: char| letter.is_alphanumeric() || "._-+~/".contains(letter);
    if name.chars().all(is_plain) { name.to_owned() } else { format!("'{}'", name.replace('\'', r"'\''")) }
}
