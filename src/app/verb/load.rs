//! `meshlab svc load`: calls to one URL, bounded, and how they went.

use hyper::header::HeaderName;
use serde_json::{Value, json};

use super::Output;
use crate::app::cli::LoadArgs;
use crate::app::ui::{self, Look};
use crate::core::failure::{Failure, Result};
use crate::core::settings::Settings;
use crate::samples::load::Tally;

/// Makes the calls. The second value fails if one of them did and none may.
pub async fn run(args: &LoadArgs, settings: &Settings) -> Result<(Output, Result<()>)> {
    let tally = args.load()?.run().await.map_err(Failure::usage)?;
    let human = ui::load(&tally, args.by.as_ref().map(HeaderName::as_str), &Look::of_stdout(settings));
    let outcome = if args.fail_on_error && tally.failures() > 0 {
        Err(Failure::failed(format!("{} of {} calls failed", tally.failures(), tally.calls()))
            .detail("seen", tally.failures_in_words())
            .hint("`meshlab logs` shows what the components behind it say"))
    } else {
        Ok(())
    };
    Ok((Output { human, json: as_json(&tally) }, outcome))
}

fn as_json(tally: &Tally) -> Value {
    let latencies = tally.latencies();
    let errors: Vec<Value> =
        tally.errors().map(|(error, calls)| json!({"error": error, "calls": calls})).collect();
    let by: Vec<Value> = tally
        .by()
        .iter()
        .map(|(value, calls)| json!({"value": value, "calls": calls.calls, "failed": calls.failed}))
        .collect();
    json!({
        "schema": 1,
        "calls": tally.calls(),
        "ok": tally.ok(),
        "failed": tally.failures(),
        "statuses": tally.statuses(),
        "errors": errors,
        "micros": {
            "p50": latencies.percentile(50.0),
            "p99": latencies.percentile(99.0),
            "max": latencies.max(),
        },
        "took_millis": u64::try_from(tally.took.as_millis()).unwrap_or(u64::MAX),
        "by": by,
    })
}
