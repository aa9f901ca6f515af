//! `meshlab deps list|verify|why|path`

use std::collections::BTreeSet;
use std::fmt::Write as _;

use camino::Utf8PathBuf;
use fs_err as fs;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::json;

use super::Output;
use crate::app::cli::DepsCommand;
use crate::app::ui::{Cell, Look, Table};
use crate::artifacts::lockfile::{Artifact, Lock, Source, SourceKind};
use crate::artifacts::store::{Store, hash_file};
use crate::artifacts::tool::{Deviation, InstalledTool, Tools};
use crate::core::failure::{Failure, FailureKind, Result};
use crate::core::model::{ArtifactName, Digest, FileName, Platform};
use crate::core::settings::Settings;

const SCHEMA: u32 = 1;

/// All verbs but `lock`, which is a command of its own.
pub async fn run(command: &DepsCommand, settings: &Settings, lock: &Lock) -> Result<Output> {
    match command {
        DepsCommand::List => list(settings, lock),
        DepsCommand::Verify { names } => verify(names, settings, lock).await,
        DepsCommand::Why { name } => why(name, settings, lock),
        DepsCommand::Path { name } => path(name, settings, lock),
        DepsCommand::Lock { .. } => Err(Failure::usage("`deps lock` is not part of this build")),
    }
}

/// Where things lie, and for which platform.
struct Places {
    store: Store,
    tools: Tools,
    platform: Platform,
}

impl Places {
    fn of(settings: &Settings) -> Result<Self> {
        Ok(Self {
            store: Store::new(&settings.dirs.cache),
            tools: Tools::new(&settings.dirs.data),
            platform: Platform::current()?,
        })
    }

    /// How far an artifact is: `installed`, `stored`, `missing` or `not locked`.
    fn state(&self, artifact: &Artifact) -> &'static str {
        if artifact.sources_for(self.platform).next().is_none() {
            "not locked"
        } else if self.tools.find(artifact, self.platform).is_some() {
            "installed"
        } else if artifact.sources_for(self.platform).any(|source| self.is_stored(source)) {
            "stored"
        } else {
            "missing"
        }
    }

    fn is_stored(&self, source: &Source) -> bool {
        source.files.iter().all(|file| self.store.contains(&file.digest))
    }
}

fn profiles(artifact: &Artifact) -> Vec<&'static str> {
    artifact.profiles.iter().map(|profile| profile.name()).collect()
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

/// Every pinned artifact.
pub fn list(settings: &Settings, lock: &Lock) -> Result<Output> {
    let places = Places::of(settings)?;
    let kinds = |artifact: &Artifact| -> Vec<&str> {
        artifact.sources_for(places.platform).map(|source| source.kind.name()).collect()
    };
    let mut table = Table::new(["NAME", "VERSION", "PROFILES", "STATE", "SOURCES", "LICENCE"]);
    for artifact in &lock.artifacts {
        let state = match places.state(artifact) {
            "installed" => Cell::good("installed"),
            other => Cell::dim(other),
        };
        table.row([
            Cell::strong(artifact.name.to_string()),
            artifact.version.clone().into(),
            profiles(artifact).join(",").into(),
            state,
            kinds(artifact).join(",").into(),
            artifact.license.clone().into(),
        ]);
    }
    let artifacts: Vec<_> = lock
        .artifacts
        .iter()
        .map(|artifact| {
            json!({
                "name": artifact.name,
                "version": artifact.version,
                "summary": artifact.summary,
                "license": artifact.license,
                "profiles": profiles(artifact),
                "state": places.state(artifact),
                "sources": kinds(artifact),
            })
        })
        .collect();
    Ok(Output {
        human: table.render(&Look::of_stdout(settings)),
        json: json!({ "schema": SCHEMA, "lock": lock.origin, "platform": places.platform, "artifacts": artifacts }),
    })
}

/// Why an artifact is there, and where it comes from.
pub fn why(name: &ArtifactName, settings: &Settings, lock: &Lock) -> Result<Output> {
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

fn origin(file: &crate::artifacts::lockfile::LockedFile) -> String {
    use crate::artifacts::lockfile::Locator;
    match &file.locator {
        Locator::Url(url) => url.to_string(),
        Locator::Package { package, version } => format!("{package} {version}"),
        Locator::GoPackage(package) => package.clone(),
    }
}

/// Where an artifact is unpacked.
pub fn path(name: &ArtifactName, settings: &Settings, lock: &Lock) -> Result<Output> {
    let artifact = lock.artifact(name)?;
    let places = Places::of(settings)?;
    let tool = places.tools.find(artifact, places.platform).ok_or_else(|| {
        Failure::failed(format!("{name} {} is not installed", artifact.version))
            .hint(format!("run `meshlab provision {name}`"))
    })?;
    let json = json!({ "schema": SCHEMA, "tree": tool.tree(), "bin": tool.bin_dir(), "source": tool.source });
    Ok(Output { human: format!("{}\n", tool.tree()), json })
}

/// Hashes everything that is stored and installed again.
pub async fn verify(names: &[ArtifactName], settings: &Settings, lock: &Lock) -> Result<Output> {
    let places = Places::of(settings)?;
    let artifacts: Vec<&Artifact> = if names.is_empty() {
        lock.artifacts.iter().collect()
    } else {
        names.iter().map(|name| lock.artifact(name)).collect::<Result<_>>()?
    };
    let stored =
        if names.is_empty() { all_stored(&places.store)? } else { stored_of(&artifacts, &places.store) };
    let installed: Vec<(Artifact, Source, InstalledTool)> = artifacts
        .iter()
        .flat_map(|artifact| artifact.sources.iter().map(move |source| (*artifact, source)))
        .filter_map(|(artifact, source)| {
            let tool = places.tools.find_source(artifact, source)?;
            Some((artifact.clone(), source.clone(), tool))
        })
        .collect();
    let (files, tools) = (stored.len(), installed.len());
    let of_files = stream::iter(stored).map(|(digest, path)| on_a_thread(move || verify_file(&digest, path)));
    let of_files: Vec<_> = of_files.buffered(settings.jobs).try_collect().await?;
    let of_tools = stream::iter(installed)
        .map(|(artifact, source, tool)| on_a_thread(move || tool.verify(&artifact, &source)));
    let of_tools: Vec<_> = of_tools.buffered(settings.jobs).try_collect().await?;
    let deviations: Vec<Deviation> = of_files.into_iter().chain(of_tools).flatten().collect();
    if deviations.is_empty() {
        return Ok(Output {
            human: format!("{files} stored files and {tools} installed tools are as locked\n"),
            json: json!({ "schema": SCHEMA, "files": files, "tools": tools, "deviations": [] }),
        });
    }
    let count = match deviations.len() {
        1 => "1 file is".to_owned(),
        count => format!("{count} files are"),
    };
    let failure = Failure::new(FailureKind::Untrusted, format!("{count} not as locked"));
    let failure = deviations
        .iter()
        .fold(failure, |failure, found| failure.detail("deviates", format!("{} {}", found.path, found.what)));
    Err(failure.hint("`meshlab clean --cache --tools` and `meshlab provision` put everything back"))
}

async fn on_a_thread<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Failure::failed("hashing was cut short").seen(&error))?
}

fn verify_file(digest: &Digest, path: Utf8PathBuf) -> Result<Vec<Deviation>> {
    let found = hash_file(&path, digest.algorithm())?;
    Ok(if found == *digest { Vec::new() } else { vec![Deviation { path, what: format!("has {found}") }] })
}

/// Every file of the store: its name is the digest it must have.
fn all_stored(store: &Store) -> Result<Vec<(Digest, Utf8PathBuf)>> {
    let mut found = Vec::new();
    for algorithm in ["sha256", "sha512"] {
        let folder = store.root().join(algorithm);
        if !folder.is_dir() {
            continue;
        }
        for entry in fs::read_dir(&folder)? {
            let Ok(path) = Utf8PathBuf::from_path_buf(entry?.path()) else { continue };
            if let Some(digest) =
                path.file_name().and_then(|hex| format!("{algorithm}:{hex}").parse::<Digest>().ok())
            {
                found.push((digest, path));
            }
        }
    }
    found.sort();
    Ok(found)
}

fn stored_of(artifacts: &[&Artifact], store: &Store) -> Vec<(Digest, Utf8PathBuf)> {
    let files = artifacts.iter().flat_map(|artifact| &artifact.sources).flat_map(|source| &source.files);
    let digests: BTreeSet<Digest> =
        files.map(|file| file.digest).filter(|digest| store.contains(digest)).collect();
    digests.into_iter().map(|digest| (digest, store.path_of(&digest))).collect()
}
