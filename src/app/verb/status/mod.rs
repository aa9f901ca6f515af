//! `meshlab status`: every component and every task of every running lab.

#[cfg(test)]
mod tests;

use std::process::ExitCode;
use std::time::{Duration, UNIX_EPOCH};

use clap::Args;
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{Context, Output, Run};
use crate::app::ui::{self, Cell, Look, Note, Table, Weight};
use crate::core::failure::{Failure, Result};
use crate::core::numbers::words;
use crate::core::settings::Settings;
use crate::machine::state::{RunDir, RunState, ServiceRecord, now};
use crate::machine::{Role, program_of};
use crate::mesh::jobs::{self, Condition, Jobs, Task};

/// Show every component of every running lab: state, address, version, uptime
#[derive(Debug, Args)]
pub(crate) struct StatusArgs;

impl Run for StatusArgs {
    async fn run(self, context: &Context) -> Result<ExitCode> {
        let (output, outcome) = run(&context.settings).await?;
        context.print(&output)?;
        outcome.map(|()| ExitCode::SUCCESS)
    }
}

/// How long Nomad or Consul may take to say how tasks are.
const DEADLINE: Duration = Duration::from_secs(3);

/// Something that runs, or should.
struct Row {
    name: String,
    /// In the words that `--json` has.
    state: &'static str,
    weight: Weight,
    reason: String,
    pid: Option<i32>,
    uptime: Option<u64>,
    version: String,
    listens: Vec<String>,
    /// What only `--json` shows.
    more: Value,
    /// Whether a person wants to see it.
    shown: bool,
}

/// The components and tasks of the labs on all addresses, with what makes them ready or why they are not. The second
/// value fails unless all of them are ready.
pub(super) async fn run(settings: &Settings) -> Result<(Output, Result<()>)> {
    let look = Look::of_stdout(settings);
    let mut human = String::new();
    let mut labs = Vec::new();
    let mut not_ready = Vec::new();
    for run in RunDir::all(&settings.dirs.state)? {
        let Some(state) = run.load() else {
            // Its processes may still be there.
            let address = run.address();
            human.extend([format!(
                "{address}: the record of this lab is lost; `meshlab down --address {address}` ends what runs\n\n"
            )]);
            labs.push(json!({"lab": null, "address": address, "components": []}));
            not_ready.push(address.to_string());
            continue;
        };
        let Report { text, json, not_ready: of_lab } = Box::pin(lab(&run, &state, &look)).await;
        human.push_str(&text);
        labs.push(json);
        not_ready.extend(of_lab);
    }
    let outcome = outcome(labs.len(), &not_ready);
    Ok((Output { human, json: json!({"schema": 1, "labs": labs}) }, outcome))
}

fn outcome(labs: usize, not_ready: &[String]) -> Result<()> {
    if labs == 0 {
        return Err(Failure::failed("no lab is running").hint(
            "`meshlab up` starts the environment; `meshlab lab 1-tcp-echo --keep` runs a lab and leaves it running",
        ));
    }
    if not_ready.is_empty() {
        return Ok(());
    }
    Err(Failure::failed(format!("not ready: {}", not_ready.join(", ")))
        .hint("`meshlab logs NAME` shows the log of a component"))
}

/// A lab as `status` shows it.
struct Report {
    text: String,
    json: Value,
    /// What should be ready and is not.
    not_ready: Vec<String>,
}

async fn lab(run: &RunDir, state: &RunState, look: &Look) -> Report {
    // All at once: each may take its time to not answer.
    let components = join_all(state.services.iter().map(|service| component(run, state, service)));
    let ((tasks, notes, not_started), mut rows) = tokio::join!(tasks(run, state), components);
    let count = rows.len();
    rows.extend(tasks);
    let notes = with_reasons(&rows, &notes);
    let text = draw(state, &rows, &notes, look);
    let list = |rows: &[Row]| rows.iter().map(as_json).collect::<Vec<Value>>();
    let tools: Vec<Value> =
        state.tools.iter().map(|(name, version)| json!({"name": name, "version": version})).collect();
    let advice = |note: &Note| note.advice.as_ref().map(|(_, advice)| advice.clone());
    let troubles: Vec<Value> = notes
        .iter()
        .map(|note| json!({"what": note.subject, "seen": note.seen, "hint": advice(note)}))
        .collect();
    let not_ready = not_ready(&rows, &notes);
    let (components, tasks) = rows.split_at(count);
    let json = json!({
        "lab": state.lab, "address": state.address, "runtime": state.runtime, "kept": state.kept,
        "tools": tools, "components": list(components), "tasks": list(tasks), "jobs_not_started": not_started,
        "troubles": troubles,
    });
    Report { text, json, not_ready }
}

/// The components and tasks that should be ready and are not. A job that was not started should not run.
fn not_ready(rows: &[Row], notes: &[Note]) -> Vec<String> {
    let rows = rows.iter().filter(|row| row.weight != Weight::Good).map(|row| row.name.clone());
    let mut names: Vec<String> = rows.collect();
    for note in notes.iter().filter(|note| note.weight == Weight::Bad) {
        if !names.contains(&note.subject) {
            names.push(note.subject.clone());
        }
    }
    names
}

/// Why each thing that is not well is not, and then what is wrong as a whole. One thing is said once.
fn with_reasons(rows: &[Row], whole: &[Note]) -> Vec<Note> {
    let said = |row: &Row| whole.iter().any(|note| note.subject == row.name);
    let unwell = rows.iter().filter(|row| row.shown && row.weight != Weight::Good && !said(row));
    let reasons = unwell.filter(|row| !row.reason.is_empty());
    let notes = reasons.map(|row| Note::new(row.weight, row.name.clone(), row.reason.clone()));
    notes.chain(whole.iter().cloned()).collect()
}

fn draw(state: &RunState, rows: &[Row], notes: &[Note], look: &Look) -> String {
    let tools: Vec<String> = state.tools.iter().map(|(name, version)| format!("{name} {version}")).collect();
    let mut human = format!("{} on {} ({})\n\n", state.lab, state.address, tools.join(", "));
    human.push_str(&table(rows, look));
    human.push('\n');
    if !notes.is_empty() {
        human.push_str(&ui::notes(notes, look));
        human.push('\n');
    }
    human
}

/// Columns of the table.
const PID: usize = 2;
const UPTIME: usize = 3;
const VERSION: usize = 4;

fn table(rows: &[Row], look: &Look) -> String {
    let header = ["COMPONENT", "STATE", "PID", "UPTIME", "VERSION", "LISTENS"];
    let shown = || rows.iter().filter(|row| row.shown);
    // An address with its port, without what listens there.
    let address = |row: &Row| row.listens.first()?.split(' ').next().map(str::len);
    let widest = shown().filter_map(address).max().unwrap_or_default();
    let mut table = Table::new(header).right(PID).right(UPTIME).keep_last(widest, &[VERSION, UPTIME, PID]);
    for row in shown() {
        let word = row.state.replace('-', " ");
        let state = match (row.weight, row.state) {
            (Weight::Good, "done") => Cell::dim(word),
            (Weight::Good, _) => Cell::good(word),
            (Weight::Warning, _) => Cell::warn(word),
            (Weight::Bad, _) => Cell::bad(word),
        };
        let uptime = row.uptime.map(|seconds| words::duration(Duration::from_secs(seconds)));
        table.row([
            Cell::strong(row.name.clone()),
            state,
            row.pid.map(|pid| pid.to_string()).unwrap_or_default().into(),
            uptime.unwrap_or_default().into(),
            row.version.clone().into(),
            row.listens.join(", ").into(),
        ]);
    }
    table.render(look)
}

fn as_json(row: &Row) -> Value {
    let mut json = json!({
        "name": row.name, "state": row.state, "reason": row.reason, "pid": row.pid,
        "uptime_seconds": row.uptime, "version": row.version, "listens": row.listens,
    });
    if let (Value::Object(json), Value::Object(more)) = (&mut json, &row.more) {
        json.extend(more.clone());
    }
    json
}

async fn component(run: &RunDir, state: &RunState, service: &ServiceRecord) -> Row {
    let (word, weight, reason) = condition(run, service).await;
    let alive = service.process.filter(|_| ["ready", "not-ready"].contains(&word));
    let program = program_of(&service.command);
    Row {
        name: service.name.clone(),
        state: word,
        weight,
        reason,
        pid: service.process.map(|process| process.pid_here().unwrap_or(process.pid)),
        uptime: alive.map(|process| now().saturating_sub(process.started)),
        version: version(state, program),
        listens: service.listens.clone(),
        more: json!({"command": service.command}),
        shown: true,
    }
}

async fn condition(run: &RunDir, service: &ServiceRecord) -> (&'static str, Weight, String) {
    let Some(process) = service.process else { return ("never-started", Weight::Bad, String::new()) };
    if process.pid_here().is_none() {
        return ("ended", Weight::Bad, "its process is gone".to_owned());
    }
    match service.ready.look(run.address()).await {
        Ok(ready) => ("ready", Weight::Good, ready.to_string()),
        Err(why) => ("not-ready", Weight::Warning, why.to_string()),
    }
}

/// The version of a program of the lab; this program's own for everything that it publishes under other names.
fn version(state: &RunState, program: &str) -> String {
    let of_tool = state.tools.iter().find(|(name, _)| name == program).map(|(_, version)| version.clone());
    let published =
        state.environment.iter().flat_map(|spec| &spec.packages).any(|name| name.as_str() == program);
    match of_tool {
        Some(version) => version,
        None if published || program == "meshlab" => env!("CARGO_PKG_VERSION").to_owned(),
        None => String::new(),
    }
}

/// The tasks of a lab's jobs, what is wrong with them as a whole, and the jobs that were not started.
async fn tasks(run: &RunDir, state: &RunState) -> (Vec<Row>, Vec<Note>, Vec<String>) {
    const MEND: &str = "`meshlab up` mends it";
    // A lab with an environment may not have started Nomad yet.
    if state.services.iter().all(|service| service.role != Role::Nomad) {
        return (Vec::new(), Vec::new(), Vec::new());
    }
    let mut notes = Vec::new();
    let asked = match Jobs::of(run) {
        Ok(jobs) => Box::pin(jobs::tasks(&jobs, DEADLINE)).await,
        Err(failure) => Err(failure),
    };
    let found = match asked {
        Ok(found) => found,
        Err(failure) => {
            let seen = format!("{failure}; so how the jobs' tasks are is not known");
            return (
                Vec::new(),
                vec![Note::new(Weight::Bad, "nomad", seen).advice("hint", MEND)],
                Vec::new(),
            );
        }
    };
    if let Some(failure) = found.without_consul {
        let seen = format!("{failure}; so what its checks say of the tasks is not known");
        notes.push(Note::new(Weight::Bad, "consul", seen).advice("hint", MEND));
    }
    if !found.not_started.is_empty() {
        let seen = format!("not started: {}", found.not_started.join(", "));
        notes.push(
            Note::new(Weight::Warning, "jobs", seen).advice("hint", "`meshlab jobs start` starts them"),
        );
    }
    (found.list.iter().map(|task| row(state, task)).collect(), notes, found.not_started)
}

fn row(state: &RunState, task: &Task) -> Row {
    let (word, weight) = match task.condition {
        Condition::Ready => ("ready", Weight::Good),
        Condition::NotReady => ("not-ready", Weight::Warning),
        Condition::Starting => ("starting", Weight::Warning),
        Condition::Restarting => ("restarting", Weight::Warning),
        Condition::Waiting => ("waiting", Weight::Good),
        Condition::Done => ("done", Weight::Good),
        Condition::Ended => ("ended", Weight::Bad),
    };
    let runs = matches!(task.condition, Condition::Ready | Condition::NotReady);
    let program = task.process.as_ref().map_or(task.name.as_str(), |(_, program)| program);
    Row {
        name: format!("{}/{}", task.job, task.name),
        state: word,
        weight,
        reason: task.reason.clone(),
        pid: task.process.as_ref().map(|(pid, _)| *pid),
        uptime: task.started_at.as_deref().filter(|_| runs).and_then(seconds_since),
        version: version(state, program),
        listens: task.listens.clone(),
        more: json!({
            "job": task.job, "task": task.name, "allocation": task.allocation, "hook": task.hook,
            "restarts": task.restarts,
        }),
        // Helpers that have done their part, or whose turn is not yet, are noise.
        shown: task.hook.is_none() || !matches!(task.condition, Condition::Waiting | Condition::Done),
    }
}

fn seconds_since(time: &str) -> Option<u64> {
    let time = humantime::parse_rfc3339(time).ok()?;
    Some(now().saturating_sub(time.duration_since(UNIX_EPOCH).ok()?.as_secs()))
}
