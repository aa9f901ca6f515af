//! `meshlab why`: the way from one service to another, and where it stops.

use serde_json::{Value, json};

use super::Output;
use crate::app::cli::WhyArgs;
use crate::app::ui::{self, Look};
use crate::core::failure::{Failure, FailureKind, Result};
use crate::core::model::way::{Question, Request, Way};
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
    let request = args.path.as_ref().map(|path| Request {
        method: args.method.to_uppercase(),
        path: path.split('?').next().unwrap_or_default().to_owned(),
    });
    let question = Question { source: args.source.clone(), destination: args.destination.clone(), request };
    let way = Box::pin(why::look(question, &run)).await?;
    let human = ui::why(&way, &Look::of_stdout(settings));
    Ok((Output { human, json: as_json(&way) }, outcome(&way)))
}

fn as_json(way: &Way) -> Value {
    json!({"schema": 1, "stops_at": way.stop().map(|hop| hop.kind), "way": way})
}

fn outcome(way: &Way) -> Result<()> {
    let Some(stop) = way.stop() else { return Ok(()) };
    let call = way
        .request
        .as_ref()
        .map_or_else(|| "no call gets".to_owned(), |asked| format!("{asked} does not get"));
    let what = format!(
        "{call} from {} to {}: the way stops at the {}",
        way.source,
        way.destination,
        way.name_of(stop.kind)
    );
    let failure = Failure::new(FailureKind::CheckFailed, what);
    Err(match stop.trouble().and_then(|trouble| trouble.hint.clone()) {
        Some(hint) => failure.hint(hint),
        None => failure,
    })
}
