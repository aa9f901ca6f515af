//! `meshlab image load`

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::SCHEMA;
use crate::app::verb::{Context, Output, Run};
use crate::artifacts::image::artifacts;
use crate::artifacts::lockfile::Lock;
use crate::artifacts::provision::{ProvisionRequest, provision};
use crate::artifacts::tool::Tools;
use crate::core::event::SharedReporter;
use crate::core::failure::Result;
use crate::core::model::Slug;
use crate::core::settings::Settings;
use crate::machine::choose::docker_host;
use crate::machine::docker;

/// Load images that Docker does not have; download missing artifacts first
#[derive(Debug, Args)]
pub(crate) struct LoadArgs {
    /// Images [default: all]
    #[arg(value_name = "NAME")]
    names: Vec<Slug>,
}

impl Run for LoadArgs {
    const KEEPS_LOG: bool = true;
    async fn run(self, context: &Context) -> Result<ExitCode> {
        context.print(&load(&self.names, &context.settings, &context.lock()?, &context.reporter).await?)
    }
}

async fn load(names: &[Slug], settings: &Settings, lock: &Lock, reporter: &SharedReporter) -> Result<Output> {
    let daemon = docker::require(docker_host(settings)).await?;
    let request = ProvisionRequest { names: artifacts(lock, names)?, ..ProvisionRequest::default() };
    provision(&request, settings, lock, reporter).await?;
    let tools = Tools::new(&settings.dirs.data);
    let called = docker::ensure_images(&daemon, lock, &tools, names, reporter).await?;
    let mut human = String::new();
    for reference in called.values() {
        let _ = writeln!(human, "{reference}");
    }
    Ok(Output { human, json: json!({ "schema": SCHEMA, "images": called }) })
}
