//! `meshlab status`: every component of every running lab.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::Output;
use crate::cli::Settings;
use crate::failure::Result;
use crate::runtime::host::is_running;
use crate::state::{RunDir, RunState, ServiceRecord, now};
use crate::ui::{Cell, Look, Table};

/// How a component is.
enum Condition {
    Ready(String),
    NotReady(String),
    Ended,
    NeverStarted,
}

/// The components of the labs on all addresses, with what makes them ready or why they are not.
pub async fn run(settings: &Settings) -> Result<Output> {
    let look = Look::of_stdout(settings);
    let mut human = String::new();
    let mut labs = Vec::new();
    for run in RunDir::all(&settings.dirs.state)? {
        let Some(state) = run.load() else {
            // Its processes may well be there.
            let address = run.address();
            human.extend([format!(
                "{address}: what runs here is not known, its record is lost; `meshlab down --address {address}` ends it\n\n"
            )]);
            labs.push(json!({"lab": null, "address": address, "components": []}));
            continue;
        };
        let (table, json) = lab(&run, &state).await;
        let tools: Vec<String> =
            state.tools.iter().map(|(name, version)| format!("{name} {version}")).collect();
        human.extend([
            format!("{} on {} ({})\n\n", state.lab, state.address, tools.join(", ")),
            table.render(&look),
        ]);
        human.push('\n');
        labs.push(json);
    }
    if labs.is_empty() {
        human.push_str(
            "no lab is running; `meshlab lab 1-tcp-echo --keep` starts one and leaves it running\n",
        );
    }
    Ok(Output { human, json: json!({"schema": 1, "labs": labs}) })
}

async fn lab(run: &RunDir, state: &RunState) -> (Table, Value) {
    let mut table = Table::new(["COMPONENT", "STATE", "PID", "UPTIME", "LISTENS"]).right(2).right(3);
    let mut components = Vec::new();
    let now = now();
    // All at once: each may take its time to not answer.
    let conditions = join_all(state.services.iter().map(|service| condition(run, service))).await;
    for (service, condition) in state.services.iter().zip(conditions) {
        let pid = service.process.map(|process| process.pid);
        let alive = service.process.filter(|_| !matches!(condition, Condition::Ended));
        let uptime = alive.map(|process| now.saturating_sub(process.started));
        let (cell, word, reason) = match &condition {
            Condition::Ready(why) => (Cell::good("ready"), "ready", why.clone()),
            Condition::NotReady(why) => (Cell::warn(format!("not ready: {why}")), "not-ready", why.clone()),
            Condition::Ended => (Cell::bad("ended"), "ended", String::new()),
            Condition::NeverStarted => (Cell::bad("never started"), "never-started", String::new()),
        };
        table.row([
            Cell::strong(service.name.clone()),
            cell,
            pid.map(|pid| pid.to_string()).unwrap_or_default().into(),
            uptime
                .map(|seconds| crate::ui::duration(std::time::Duration::from_secs(seconds)))
                .unwrap_or_default()
                .into(),
            service.listens.join(", ").into(),
        ]);
        components.push(json!({
            "name": service.name, "state": word, "reason": reason, "pid": pid, "uptime_seconds": uptime,
            "listens": service.listens, "command": service.command,
        }));
    }
    let tools: Vec<Value> =
        state.tools.iter().map(|(name, version)| json!({"name": name, "version": version})).collect();
    let json = json!({
        "lab": state.lab, "address": state.address, "runtime": state.runtime, "kept": state.kept,
        "tools": tools, "components": components,
    });
    (table, json)
}

async fn condition(run: &RunDir, service: &ServiceRecord) -> Condition {
    let Some(process) = service.process else { return Condition::NeverStarted };
    if !is_running(process.pid, process.start_ticks) {
        return Condition::Ended;
    }
    match service.ready.look(run.address()).await {
        Ok(why) => Condition::Ready(why),
        Err(why) => Condition::NotReady(why),
    }
}
