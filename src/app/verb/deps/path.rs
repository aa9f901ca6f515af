//! `meshlab deps path`

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::{Places, SCHEMA};
use crate::app::verb::{Context, Output, Run};
use crate::artifacts::lockfile::Lock;
use crate::core::failure::{Failure, Result};
use crate::core::model::ArtifactName;
use crate::core::settings::Settings;

/// Print the folder an artifact is unpacked in
#[derive(Debug, Args)]
pub(crate) struct PathArgs {
    /// Artifact
    name: ArtifactName,
}

impl Run for PathArgs {
    async fn run(self, context: &Context) -> Result<ExitCode> {
        context.print(&path(&self.name, &context.settings, &context.lock()?)?)
    }
}

fn path(name: &ArtifactName, settings: &Settings, lock: &Lock) -> Result<Output> {
    let artifact = lock.artifact(name)?;
    let places = Places::of(settings)?;
    let tool = places.tools.find(artifact, places.platform).ok_or_else(|| {
        Failure::failed(format!("{name} {} is not installed", artifact.version))
            .hint(format!("run `meshlab provision {name}`"))
    })?;
    let json = json!({ "schema": SCHEMA, "tree": tool.tree(), "bin": tool.bin_dir(), "source": tool.source });
    Ok(Output { human: format!("{}\n", tool.tree()), json })
}
