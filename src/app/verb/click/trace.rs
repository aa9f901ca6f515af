//! `meshlab click --trace`: one call, and then every hop of it.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::{ClickArgs, compute, result, verdict};
use crate::app::ui::{self, Look};
use crate::app::verb::Output;
use crate::core::failure::{Failure, FailureKind, Result};
use crate::core::settings::Settings;
use crate::machine::state::RunDir;
use crate::mesh::trace::{Trace, Watch};

/// Time for the last log line to appear: longer than Envoy buffers lines by default.
const LAST_LINE_GRACE: Duration = Duration::from_secs(15);

/// The header with the request id, which the load balancer sets.
const REQUEST_ID: &str = "x-request-id";

/// Calls once and collects every hop. The second value fails if the call did, or if a hop is missing at the deadline.
pub(super) async fn run(args: &ClickArgs, settings: &Settings) -> Result<(Output, Result<()>)> {
    let watch = Watch::begin(&RunDir::of(settings)).await?;
    let began = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let click = compute(&args.expression, settings, Instant::now()).await;
    let outcome = verdict(&click, settings, &args.expression);
    let answer = click.answer.as_ref().ok();
    let id = answer.and_then(|answer| answer.headers.get(REQUEST_ID)?.to_str().ok());
    let (Some(answer), Some(id)) = (answer, id) else {
        return Err(outcome.err().unwrap_or_else(|| {
            Failure::failed(format!("the answer has no {REQUEST_ID} header, so it cannot be followed"))
                .hint("`meshlab down` and `meshlab up` bring back the lab's own load balancer")
        }));
    };
    let empty = Trace::new(id.to_owned(), micros(began), micros(click.took), answer.status.as_u16());
    let trace = watch.collect(empty, LAST_LINE_GRACE).await?;
    let result = result(&click);
    let human = ui::trace(&trace, &args.expression, result.as_deref(), &Look::of_stdout(settings));
    let json = as_json(&trace, &args.expression, result.as_deref());
    Ok((Output { human, json }, outcome.and_then(|()| complete(&trace))))
}

fn complete(trace: &Trace) -> Result<()> {
    if trace.missing.is_empty() {
        return Ok(());
    }
    Err(Failure::new(FailureKind::DeadlinePassed, "the call went through, and some hops are not in the logs")
        .detail("missing", trace.missing.join("\n"))
        .hint("`meshlab status` shows what runs, and `meshlab logs NAME` what it wrote"))
}

fn as_json(trace: &Trace, expression: &str, result: Option<&str>) -> Value {
    json!({
        "schema": 1, "expression": expression, "result": result.and_then(|result| result.parse::<i64>().ok()),
        "complete": trace.missing.is_empty(), "trace": trace, "shares": trace.shares(),
    })
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
