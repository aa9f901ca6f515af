//! `meshlab why`: the path from one service to another, and where it stops.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::{Context, Output, Run};
use crate::app::ui::{self, Look};
use crate::core::failure::{Failure, FailureKind, Result};
use crate::core::model::call_path::{CallPath, PathQuery, RequestLine};
use crate::core::settings::Settings;
use crate::machine::state::RunDir;
use crate::mesh::why;

/// Check every hop between two services, and show where a call stops
#[derive(Debug, Args)]
pub(crate) struct WhyArgs {
    /// Service that calls, or API gateway
    source: String,
    /// Service that is called
    destination: String,
    /// Path of the request, for routes and intentions that depend on it
    #[arg(long, value_name = "PATH", value_parser = path)]
    path: Option<String>,
    /// Method of the request
    #[arg(long, value_name = "METHOD", default_value = "GET", requires = "path")]
    method: String,
}

impl Run for WhyArgs {
    const IN_LAB_NETNS: bool = true;

    async fn run(self, context: &Context) -> Result<ExitCode> {
        let (output, outcome) = run(&self, &context.settings).await?;
        context.print(&output)?;
        outcome.map(|()| ExitCode::SUCCESS)
    }
}

fn path(text: &str) -> Result<String, String> {
    if text.starts_with('/') { Ok(text.to_owned()) } else { Err("a path begins with /".to_owned()) }
}

/// Looks and draws. The second value fails if no call gets through.
async fn run(args: &WhyArgs, settings: &Settings) -> Result<(Output, Result<()>)> {
    let run = RunDir::of(settings);
    if !run.exists() {
        return Err(Failure::failed(format!("no lab is running on {}", run.address()))
            .hint("`meshlab status` shows what runs; `meshlab lab NAME --keep` leaves a lab running"));
    }
    let request = args.path.as_ref().map(|path| RequestLine {
        method: args.method.to_uppercase(),
        path: path.split('?').next().unwrap_or_default().to_owned(),
    });
    let query = PathQuery { source: args.source.clone(), destination: args.destination.clone(), request };
    let path = Box::pin(why::look(query, &run)).await?;
    let human = ui::why(&path, &Look::of_stdout(settings));
    Ok((Output { human, json: as_json(&path) }, outcome(&path)))
}

fn as_json(path: &CallPath) -> Value {
    json!({"schema": 1, "stops_at": path.stop().map(|hop| hop.kind), "way": path})
}

fn outcome(path: &CallPath) -> Result<()> {
    let Some(stop) = path.stop() else { return Ok(()) };
    let call = path
        .request
        .as_ref()
        .map_or_else(|| "no call gets".to_owned(), |asked| format!("{asked} does not get"));
    let what = format!(
        "{call} from {} to {}: the path stops at the {}",
        path.source,
        path.destination,
        path.name_of(stop.kind)
    );
    let failure = Failure::new(FailureKind::CheckFailed, what);
    Err(match stop.trouble().and_then(|trouble| trouble.hint.clone()) {
        Some(hint) => failure.hint(hint),
        None => failure,
    })
}
