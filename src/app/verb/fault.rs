//! `meshlab fault`: a call that fails behind the mesh.

use std::process::ExitCode;
use std::time::Instant;

use clap::Args;
use hyper::StatusCode;
use serde_json::{Value, json};

use super::click::{as_json, body, call, unreachable};
use super::{Context, Output, Run};
use crate::core::failure::{Failure, Result};
use crate::core::numbers::words;
use crate::core::settings::Settings;

/// Send a call that fails in a service, and check that the caller gets the error
#[derive(Debug, Args)]
pub(crate) struct FaultArgs;

impl Run for FaultArgs {
    async fn run(self, context: &Context) -> Result<ExitCode> {
        context.print(&fault(&context.settings).await?)
    }
}

/// Sends a call that add-svc cannot serve. Succeeds if its error comes back to the caller.
async fn fault(settings: &Settings) -> Result<Output> {
    let click = call(settings, "/api/v1/test/fault", String::new(), Instant::now()).await;
    let answer = click.answer.as_ref().map_err(|seen| unreachable(settings, seen))?;
    let details = body(answer).get("details").and_then(Value::as_str).map(str::to_owned);
    match (answer.status, details) {
        (StatusCode::INTERNAL_SERVER_ERROR, Some(details)) => Ok(Output {
            human: format!("500 {details}  ({})\n", words::duration(click.took)),
            json: json!({"schema": 1, "calls": [as_json(&click)]}),
        }),
        _ => Err(Failure::failed("the caller did not get the error of the service")
            .detail("expected", "500 with {\"details\": ...}")
            .observed(format!("{}: {}", answer.status, answer.text().trim()))
            .hint("`meshlab jobs list` and `meshlab status` show what runs")),
    }
}
