//! `meshlab svc load`: calls to one URL, bounded, and how they went.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use hyper::Method;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
use url::Url;

use crate::app::ui::{self, Look};
use crate::app::verb::{Context, Output, Run, parse};
use crate::core::failure::{Failure, Result};
use crate::core::settings::Settings;
use crate::samples::load::{Load, MAX_CALLS, MAX_CONNECTIONS, MAX_RATE, Tally};
use crate::samples::local_url::{address_of, path_of};

/// The number of calls without `--count` and `--duration`.
const DEFAULT_CALLS: u32 = 100;

/// Call a URL many times; print latencies, statuses and errors
#[derive(Debug, Args)]
pub(crate) struct LoadArgs {
    /// URL to call: http://address:port/path
    url: Url,
    /// Number of calls [default: 100, with --duration no limit]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_CALLS)))]
    count: Option<u32>,
    /// Number of calls at once, each on its own connection
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=i64::from(MAX_CONNECTIONS)))]
    connections: u16,
    /// Calls per second [default: no limit]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_RATE)))]
    rate: Option<u32>,
    /// Start no call after this time
    #[arg(long, value_name = "TIME", value_parser = parse::duration)]
    duration: Option<Duration>,
    /// Timeout of one call
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse::duration)]
    timeout: Duration,
    /// HTTP method
    #[arg(long, default_value = "GET")]
    method: Method,
    /// Header of every call: 'name: value' (repeatable)
    #[arg(long, value_name = "HEADER", value_parser = header)]
    header: Vec<(HeaderName, HeaderValue)>,
    /// Count answers by the value of this header, for instance x-instance
    #[arg(long, value_name = "HEADER")]
    by: Option<HeaderName>,
    /// Exit with status 1 if a call failed
    #[arg(long)]
    fail_on_error: bool,
}

impl Run for LoadArgs {
    const NEEDS_HOME: bool = false;

    async fn run(self, context: &Context) -> Result<ExitCode> {
        let (output, outcome) = run(&self, &context.settings).await?;
        context.print(&output)?;
        outcome.map(|()| ExitCode::SUCCESS)
    }
}

impl LoadArgs {
    fn load(&self) -> Result<Load> {
        let mut headers = HeaderMap::new();
        headers.extend(self.header.iter().map(|(name, value)| (Some(name.clone()), value.clone())));
        let calls = if self.duration.is_some() { MAX_CALLS } else { DEFAULT_CALLS };
        let load = Load {
            address: address_of(&self.url)?,
            path: path_of(&self.url),
            method: self.method.clone(),
            headers,
            count: self.count.unwrap_or(calls),
            connections: self.connections,
            rate: self.rate,
            timeout: self.timeout,
            duration: self.duration,
            by: self.by.clone(),
        };
        load.check()
            .map_err(|error| Failure::usage("invalid load").seen(&error).hint("`meshlab svc load --help`"))?;
        Ok(load)
    }
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("expected 'name: value'")?;
    let name = name.trim().parse().map_err(|_| format!("{name:?} is no header's name"))?;
    let value = value.trim().parse().map_err(|_| format!("{value:?} is no header's value"))?;
    Ok((name, value))
}

/// Makes the calls. The second value fails if one of them did and none may.
async fn run(args: &LoadArgs, settings: &Settings) -> Result<(Output, Result<()>)> {
    let tally = args.load()?.run().await.map_err(|error| Failure::usage("invalid load").seen(&error))?;
    let human = ui::load(&tally, args.by.as_ref().map(HeaderName::as_str), &Look::of_stdout(settings));
    let outcome = if args.fail_on_error && tally.failures() > 0 {
        Err(Failure::failed(format!("{} of {} calls failed", tally.failures(), tally.calls()))
            .seen_text(tally.failures_in_words())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_have_a_name_and_a_value() {
        let (name, value) = header("X-Canary:  yes").unwrap();
        assert_eq!((name.as_str(), value.to_str().unwrap()), ("x-canary", "yes"));
        assert!(header("x-canary").is_err() && header("x y: z").is_err() && header("x: \n").is_ok());
    }
}
