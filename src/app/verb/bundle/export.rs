//! `meshlab bundle export`

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::process::ExitCode;

use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use serde_json::json;

use super::{SCHEMA, names, platforms};
use crate::app::verb::profile::ProfileChoice;
use crate::app::verb::{Context, Output, Run};
use crate::artifacts::bundle::{self, Export, Exported, Manifest};
use crate::artifacts::lockfile::Lock;
use crate::artifacts::provision::{ProvisionRequest, Sources, store};
use crate::artifacts::store::Store;
use crate::core::event::SharedReporter;
use crate::core::failure::{Failure, Result};
use crate::core::model::{ArtifactName, ByteSize, Platform};
use crate::core::settings::Settings;

/// Write deps.lock and the files of tools to a bundle; download missing files first
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// Bundle to write; an existing file is replaced
    file: Utf8PathBuf,
    /// Artifacts (tools), as `meshlab deps list` lists them [default: those of the profile]
    #[arg(value_name = "NAME")]
    names: Vec<ArtifactName>,
    /// Set of artifacts [default: core, unless artifacts are named]
    #[arg(long, value_enum, value_name = "PROFILE")]
    profile: Option<ProfileChoice>,
    /// Platform of the other machine: linux-x86_64 or linux-arm64 (repeatable) [default: this machine's]
    #[arg(long = "platform", value_name = "PLATFORM")]
    platforms: Vec<Platform>,
    /// Also put this program into the bundle; `tar xf FILE meshlab-bundle/meshlab` extracts it
    #[arg(long)]
    with_meshlab: bool,
}

impl Run for ExportArgs {
    const KEEPS_LOG: bool = true;
    async fn run(self, context: &Context) -> Result<ExitCode> {
        context.print(&export(&self, &context.settings, &context.lock()?, &context.reporter).await?)
    }
}

/// Writes a bundle, after what is missing was fetched.
async fn export(
    args: &ExportArgs,
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
    let request = ProvisionRequest { names: args.names.clone(), profiles, sources: Sources::Any };
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

/// A file's name as a shell takes it.
fn quoted(name: &str) -> String {
    let is_plain = |letter: char| letter.is_alphanumeric() || "._-+~/".contains(letter);
    if name.chars().all(is_plain) { name.to_owned() } else { format!("'{}'", name.replace('\'', r"'\''")) }
}
