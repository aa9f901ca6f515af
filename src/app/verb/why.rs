//! `meshlab why`: the path from one service to another, and where it stops.

use serde_json::{Value, json};

use super::Output;
use crate::app::cli::WhyArgs;
use crate::app::ui::{self, Look};
use crate::core::failure::{Failure, FailureKind, Result};
use crate::core::model::call_path::{CallPath, PathQuery, RequestLine};
use crate::core::settings::Settings;
use crate::machine::state::RunDir;
use crate::mesh::why;

/// Looks and draws. The second value fails if no call gets through.
pub async fn run(args: &WhyArgs, settings: &Settings) -> Result<(Output, Result<()>)> {
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
