//! `meshlab deps why`

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::{Places, SCHEMA, profiles};
use crate::app::verb::{Context, Output, Run};
use crate::artifacts::lockfile::{Artifact, Locator, Lock, LockedFile, Source, SourceKind};
use crate::core::failure::Result;
use crate::core::model::{ArtifactName, FileName};
use crate::core::settings::Settings;

/// Show what needs an artifact, and where it comes from
#[derive(Debug, Args)]
pub(crate) struct WhyArgs {
    /// Artifact
    name: ArtifactName,
}

impl Run for WhyArgs {
    async fn run(self, context: &Context) -> Result<ExitCode> {
        context.print(&why(&self.name, &context.settings, &context.lock()?)?)
    }
}

/// Artifacts whose build needs this one.
fn needed_by<'a>(name: &ArtifactName, lock: &'a Lock) -> Vec<&'a ArtifactName> {
    let builds_with = |artifact: &&Artifact| {
        artifact
            .sources
            .iter()
            .any(|source| matches!(&source.kind, SourceKind::Go(build) if build.toolchain == *name))
    };
    lock.artifacts.iter().filter(builds_with).map(|artifact| &artifact.name).collect()
}

fn why(name: &ArtifactName, settings: &Settings, lock: &Lock) -> Result<Output> {
    let artifact = lock.artifact(name)?;
    let places = Places::of(settings)?;
    let needed_by = needed_by(name, lock);
    let names = needed_by.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
    let mut text = format!("{} {}: {}\n", artifact.name, artifact.version, artifact.summary);
    let mut line = |label: &str, value: &str| {
        if !value.is_empty() {
            let _ = writeln!(text, "{label:<10} {value}");
        }
    };
    line("profiles", &profiles(artifact).join(", "));
    line("builds", &names);
    line("licence", &artifact.license);
    line("note", artifact.note.as_deref().unwrap_or_default());
    line("state", places.state(artifact));
    let tool = places.tools.find(artifact, places.platform);
    line("installed", tool.as_ref().map_or("", |tool| tool.folder.as_str()));
    line("commands", &artifact.commands.keys().map(FileName::as_str).collect::<Vec<_>>().join(", "));
    for source in &artifact.sources {
        let stored = if places.is_stored(source) { ", stored" } else { "" };
        let _ = writeln!(text, "\n{} for {}{stored}", source.kind.name(), source.platform);
        for file in &source.files {
            let _ = writeln!(text, "  {}\n    {}\n    {}", file.name, file.digest, origin(file));
        }
    }
    let sources: Vec<_> = artifact.sources.iter().map(|source| source_json(source, &places)).collect();
    let json = json!({
        "schema": SCHEMA,
        "name": artifact.name,
        "version": artifact.version,
        "summary": artifact.summary,
        "license": artifact.license,
        "note": artifact.note,
        "profiles": profiles(artifact),
        "builds": needed_by,
        "state": places.state(artifact),
        "installed": tool.map(|tool| tool.folder),
        "commands": artifact.commands.keys().map(FileName::as_str).collect::<Vec<_>>(),
        "sources": sources,
    });
    Ok(Output { human: text, json })
}

fn source_json(source: &Source, places: &Places) -> serde_json::Value {
    let files: Vec<_> = source
        .files
        .iter()
        .map(|file| {
            json!({
                "name": file.name,
                "digest": file.digest,
                "size": file.size.exact(),
                "size_limit": file.size.limit(),
                "origin": origin(file),
                "stored": places.store.contains(&file.digest),
            })
        })
        .collect();
    json!({ "kind": source.kind.name(), "platform": source.platform, "files": files })
}

fn origin(file: &LockedFile) -> String {
    match &file.locator {
        Locator::Url(url) => url.to_string(),
        Locator::Package { package, version } => format!("{package} {version}"),
        Locator::GoPackage(package) => package.clone(),
    }
}
