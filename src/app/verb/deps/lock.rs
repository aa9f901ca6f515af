//! `meshlab deps lock`: the only thing that writes digests.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::SCHEMA;
use crate::app::verb::{Context, Output, Run};
use crate::artifacts::deps_lock::{FromStore, LockReport, LockRequest, deps_lock, lock_path};
use crate::artifacts::download::{Http, Timeouts};
use crate::artifacts::lockfile::Lock;
use crate::artifacts::measure::Clients;
use crate::artifacts::provision;
use crate::artifacts::source::{apt, go};
use crate::artifacts::store::Store;
use crate::core::event::{Event, SharedReporter, Warning};
use crate::core::failure::Result;
use crate::core::model::ArtifactName;
use crate::core::settings::Settings;

/// Download files, and write their digests and sizes to deps.lock; no other command does
#[derive(Debug, Args)]
pub(crate) struct LockArgs {
    /// Artifacts [default: all]
    #[arg(value_name = "NAME")]
    names: Vec<ArtifactName>,
    /// Write nothing; fail if deps.lock would change
    #[arg(long)]
    check: bool,
}

impl Run for LockArgs {
    const KEEPS_LOG: bool = true;
    async fn run(self, context: &Context) -> Result<ExitCode> {
        context.print(&run(&self.names, self.check, &context.settings, &context.reporter).await?)
    }
}

/// Measures and writes, as the flags say.
async fn run(
    names: &[ArtifactName],
    check: bool,
    settings: &Settings,
    reporter: &SharedReporter,
) -> Result<Output> {
    let path = lock_path(settings.lock.as_deref(), &settings.work_dir)?;
    let store = Store::new(&settings.dirs.cache);
    let http = Http::new(&settings.environment, Timeouts::default());
    let measure = Clients {
        store: &store,
        environment: &settings.environment,
        reporter,
        http: &http,
        toolchain: async |lock: &Lock, name: &ArtifactName| {
            let request = provision::ProvisionRequest {
                names: vec![name.clone()],
                ..provision::ProvisionRequest::default()
            };
            let provisioned = provision::provision(&request, settings, lock, reporter).await?;
            Ok(provisioned.tool(name.as_str())?.tree())
        },
    };
    let request =
        LockRequest { path: &path, names, check: check || settings.locked, offline: settings.offline };
    if settings.offline {
        reporter.report(Event::Warning(Warning::NotMeasured));
    }
    let mut images = FromStore::new(&store);
    let report = deps_lock(request, &measure, &mut images, reporter).await;
    images.remove().await?;
    let report = report?;
    go::sweep(store.root())?;
    apt::sweep(store.root())?;
    Ok(output(&report))
}

fn output(report: &LockReport) -> Output {
    let changes: Vec<String> = report
        .changes
        .iter()
        .map(|change| format!("{}\n  {} -> {}\n", change.label(), change.old, change.new))
        .collect();
    // Events have reported what was kept, and why.
    let human = format!(
        "{}{}: files measured: {}, values changed: {}, sources kept: {}\n",
        changes.concat(),
        report.path,
        report.measured,
        report.changes.len(),
        report.kept.len()
    );
    Output { human, json: json!({ "schema": SCHEMA, "report": report }) }
}
