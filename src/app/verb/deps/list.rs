//! `meshlab deps list`

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::{Places, SCHEMA, profiles};
use crate::app::ui::{Cell, Look, Table};
use crate::app::verb::{Context, Output, Run};
use crate::artifacts::lockfile::{Artifact, Lock};
use crate::core::failure::Result;
use crate::core::settings::Settings;

/// List every artifact: version, profiles, state, sources, licence
#[derive(Debug, Args)]
pub(crate) struct ListArgs;

impl Run for ListArgs {
    async fn run(self, context: &Context) -> Result<ExitCode> {
        context.print(&list(&context.settings, &context.lock()?)?)
    }
}

fn list(settings: &Settings, lock: &Lock) -> Result<Output> {
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
