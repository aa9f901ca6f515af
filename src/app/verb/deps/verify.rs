//! `meshlab deps verify`

use std::collections::BTreeSet;
use std::process::ExitCode;

use camino::Utf8PathBuf;
use clap::Args;
use fs_err as fs;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::json;

use super::{Places, SCHEMA};
use crate::app::verb::{Context, Output, Run};
use crate::artifacts::lockfile::{Artifact, Lock, Source};
use crate::artifacts::store::{Store, hash_file};
use crate::artifacts::tool::{Deviation, InstalledTool};
use crate::core::failure::{Failure, FailureKind, Result};
use crate::core::model::{ArtifactName, Digest};
use crate::core::settings::Settings;

/// Compute the digests of stored and unpacked files again, and compare them with deps.lock
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// Artifacts [default: all that are installed]
    #[arg(value_name = "NAME")]
    names: Vec<ArtifactName>,
}

impl Run for VerifyArgs {
    async fn run(self, context: &Context) -> Result<ExitCode> {
        context.print(&verify(&self.names, &context.settings, &context.lock()?).await?)
    }
}

/// Hashes everything that is stored and installed again.
async fn verify(names: &[ArtifactName], settings: &Settings, lock: &Lock) -> Result<Output> {
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
        .map_err(|error| Failure::failed("hashing was interrupted").seen(&error))?
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
