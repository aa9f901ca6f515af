//! `meshlab click`: calls through the whole lab, from the load balancer to the services behind the mesh.

mod trace;

use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::{Context, Output, Run, parse};
use crate::app::ui::{Cell, Look, Table};
use crate::core::failure::{Failure, FailureKind, Result};
use crate::core::http::{self, HttpRequest, HttpResponse};
use crate::core::numbers::words;
use crate::core::settings::Settings;
use crate::core::until::retry;
use crate::labs::bench::plan::EXPRESSION;
use crate::machine::state::RunDir;
use crate::mesh::vm::LOAD_BALANCER;

/// Send an expression to the running calculator, and print the result
#[derive(Debug, Args)]
pub(crate) struct ClickArgs {
    /// Integers with + and - between them
    #[arg(default_value = EXPRESSION, allow_hyphen_values = true)]
    expression: String,
    /// Number of calls
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    count: u32,
    /// Pause between two calls
    #[arg(long, default_value = "0s", value_name = "TIME", value_parser = parse::duration)]
    interval: Duration,
    /// Show every hop of the call, from the logs of nginx, Envoy and the services
    #[arg(long, conflicts_with = "count")]
    trace: bool,
}

impl Run for ClickArgs {
    async fn run(self, context: &Context) -> Result<ExitCode> {
        let (output, outcome) = if self.trace {
            trace::run(&self, &context.settings).await?
        } else {
            run(&self, &context.settings).await?
        };
        context.print(&output)?;
        outcome.map(|()| ExitCode::SUCCESS)
    }
}

/// The timeout of one call: longer than any timeout behind the load balancer.
const DEADLINE: Duration = Duration::from_secs(20);

/// The outcome of one call.
pub(super) struct Click {
    at: u64,
    pub(super) took: Duration,
    pub(super) answer: Result<HttpResponse, String>,
}

/// Calls as often as asked. The second value fails if the last call did.
async fn run(args: &ClickArgs, settings: &Settings) -> Result<(Output, Result<()>)> {
    let began = Instant::now();
    let clicks = Mutex::new(Vec::new());
    retry(async || {
        let mut clicks = clicks.lock().await;
        clicks.push(compute(&args.expression, settings, began).await);
        let is_last = clicks.len() >= args.count as usize;
        if is_last { ControlFlow::Break(()) } else { ControlFlow::Continue(args.interval) }
    })
    .await;
    let clicks = clicks.into_inner();
    let Some(last) = clicks.last() else { return Err(Failure::usage("nothing to do")) };
    let outcome = verdict(last, settings, &args.expression);
    let human = match (&outcome, clicks.as_slice()) {
        (Err(_), [_]) => String::new(),
        (Ok(()), [one]) => format!(
            "{} = {}  ({})\n",
            args.expression,
            result(one).unwrap_or_default(),
            words::duration(one.took)
        ),
        _ => several(&clicks, settings),
    };
    let calls: Vec<Value> = clicks.iter().map(as_json).collect();
    Ok((Output { human, json: json!({"schema": 1, "expression": args.expression, "calls": calls}) }, outcome))
}

/// One compute call.
pub(super) async fn compute(expression: &str, settings: &Settings, began: Instant) -> Click {
    let body = json!({"expression": expression}).to_string();
    call(settings, "/api/v1/compute", body, began).await
}

pub(super) async fn call(settings: &Settings, path: &str, body: String, began: Instant) -> Click {
    let started = Instant::now();
    let at = u64::try_from((started - began).as_millis()).unwrap_or(u64::MAX);
    // Without a lab, an address that is not on loopback may be another machine's.
    if !settings.address.is_loopback() && !RunDir::of(settings).exists() {
        return Click { at, took: started.elapsed(), answer: Err("no lab is running there".to_owned()) };
    }
    let headers = [("Content-Type", "application/json")];
    let call = HttpRequest {
        method: Method::POST,
        path,
        headers: &headers,
        body: body.into_bytes(),
        deadline: DEADLINE,
    };
    let answer =
        http::send(settings.address.port(LOAD_BALANCER), call).await.map_err(|error| error.to_string());
    Click { at, took: started.elapsed(), answer }
}

pub(super) fn body(answer: &HttpResponse) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_default()
}

pub(super) fn result(click: &Click) -> Option<String> {
    let answer = click.answer.as_ref().ok()?;
    let result = body(answer).get("result").cloned()?;
    (answer.status == StatusCode::OK).then(|| result.to_string())
}

pub(super) fn verdict(click: &Click, settings: &Settings, expression: &str) -> Result<()> {
    let answer = click.answer.as_ref().map_err(|seen| unreachable(settings, seen))?;
    if result(click).is_some() {
        return Ok(());
    }
    let said = body(answer);
    let said = ["reason", "details"].iter().find_map(|name| said.get(name)?.as_str().map(str::to_owned));
    let seen = format!("{}: {}", answer.status, said.unwrap_or_else(|| first_line(&answer.text())));
    Err(match answer.status {
        StatusCode::BAD_REQUEST => {
            Failure::new(FailureKind::Usage, format!("{expression:?} is no expression"))
                .seen_text(seen)
                .hint("integers with + or - between them, for instance 1+2-3")
        }
        _ => Failure::failed("the call failed").seen_text(seen).hint(
            "`meshlab jobs list` and `meshlab status` show what runs; `meshlab jobs start` starts the jobs",
        ),
    })
}

pub(super) fn unreachable(settings: &Settings, seen: &str) -> Failure {
    Failure::failed(format!("no answer from http://{}", settings.address.port(LOAD_BALANCER)))
        .seen_text(seen)
        .hint("`meshlab up` and `meshlab jobs start` bring the calculator up; `meshlab lab 2-calculator --keep` too")
}

/// An answer that is not JSON is often a page of HTML.
fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(200).collect()
}

/// Runs of calls with the same outcome, a line each.
fn several(clicks: &[Click], settings: &Settings) -> String {
    let mut table = Table::new(["AT", "CALLS", "LONGEST", "OUTCOME"]).right(0).right(1).right(2);
    let outcome = |click: &Click| match (&click.answer, result(click)) {
        (_, Some(result)) => (true, format!("200 {result}")),
        (Ok(answer), None) => {
            let said = body(answer);
            let said =
                ["reason", "details"].iter().find_map(|name| said.get(name)?.as_str().map(str::to_owned));
            let said = said.unwrap_or_else(|| first_line(&answer.text()));
            (false, format!("{} {}", answer.status.as_u16(), in_short(&said)))
        }
        (Err(seen), None) => (false, seen.clone()),
    };
    for group in clicks.chunk_by(|one, next| outcome(one) == outcome(next)) {
        let Some(first) = group.first() else { continue };
        let (good, said) = outcome(first);
        let longest = group.iter().map(|click| click.took).max().unwrap_or_default();
        table.row([
            words::duration(Duration::from_millis(first.at)).into(),
            group.len().to_string().into(),
            words::duration(longest).into(),
            if good { Cell::good(said) } else { Cell::bad(said) },
        ]);
    }
    let good = clicks.iter().filter(|click| result(click).is_some()).count();
    let mut text = table.render(&Look::of_stdout(settings));
    // Writing to a String cannot fail.
    let _ = writeln!(text, "\n{good} of {} calls succeeded", clicks.len());
    text
}

/// What failed and how, without the details in between.
fn in_short(said: &str) -> String {
    match (said.split_once(" at "), said.rsplit_once(": ")) {
        (Some((who, _)), Some((_, why))) => format!("{who}: {why}"),
        _ => said.to_owned(),
    }
}

pub(super) fn as_json(click: &Click) -> Value {
    let micros = u64::try_from(click.took.as_micros()).unwrap_or(u64::MAX);
    match &click.answer {
        Ok(answer) => {
            json!({"at_millis": click.at, "micros": micros, "status": answer.status.as_u16(), "answer": body(answer)})
        }
        Err(seen) => json!({"at_millis": click.at, "micros": micros, "error": seen}),
    }
}
