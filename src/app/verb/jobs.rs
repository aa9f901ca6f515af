//! `meshlab jobs`: the lab's Nomad jobs.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Context, Output, Run, Runnable};
use crate::app::ui::{Cell, Look, Table};
use crate::core::failure::Result;
use crate::core::settings::Settings;
use crate::core::until::DEFAULT_DEADLINE;
use crate::machine::state::RunDir;
use crate::mesh::api::nomad::Allocation;
use crate::mesh::jobs::{self, Jobs};

/// Start, stop or list the lab's Nomad jobs
#[derive(Debug, Subcommand)]
pub(crate) enum JobsVerb {
    Start(StartArgs),
    Stop(StopArgs),
    List(ListArgs),
}

impl JobsVerb {
    pub(super) fn into_runnable(self) -> Box<dyn Runnable> {
        match self {
            Self::Start(args) => Box::new(args),
            Self::Stop(args) => Box::new(args),
            Self::List(args) => Box::new(args),
        }
    }
}

/// Start jobs and wait until they are healthy
#[derive(Debug, Args)]
pub(crate) struct StartArgs {
    /// Jobs [default: all of the lab]
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

impl Run for StartArgs {
    const IN_LAB_NETNS: bool = true;

    async fn run(self, context: &Context) -> Result<ExitCode> {
        let jobs = Jobs::of(&RunDir::of(&context.settings))?;
        let list = jobs.read(&self.names).await?;
        let started = jobs::start(&jobs, &list, &context.reporter).await?;
        context.print(&Output { human: String::new(), json: json!({"schema": 2, "started": started}) })
    }
}

/// Stop jobs and remove them from Nomad and Consul
#[derive(Debug, Args)]
pub(crate) struct StopArgs {
    /// Jobs [default: all of the lab]
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

impl Run for StopArgs {
    const IN_LAB_NETNS: bool = true;

    async fn run(self, context: &Context) -> Result<ExitCode> {
        let jobs = Jobs::of(&RunDir::of(&context.settings))?;
        let names = jobs.names(&self.names).await?;
        let stopped = jobs::stop(&jobs, &names, DEFAULT_DEADLINE, &context.reporter).await?;
        let human = if stopped.is_empty() { "no job was running\n".to_owned() } else { String::new() };
        context.print(&Output { human, json: json!({"schema": 1, "stopped": stopped}) })
    }
}

/// List the lab's jobs and their states
#[derive(Debug, Args)]
pub(crate) struct ListArgs;

impl Run for ListArgs {
    const IN_LAB_NETNS: bool = true;

    async fn run(self, context: &Context) -> Result<ExitCode> {
        let jobs = Jobs::of(&RunDir::of(&context.settings))?;
        context.print(&list(&jobs, &context.settings).await?)
    }
}

async fn list(jobs: &Jobs, settings: &Settings) -> Result<Output> {
    let files = jobs.files().await?;
    let submitted = jobs.nomad.jobs().await?;
    let (allocations, _) = jobs.nomad.allocations(0, Duration::ZERO).await?;
    let mut table = Table::new(["JOB", "TYPE", "STATE", "RUNNING", "RESTARTS"]).right(3).right(4);
    let mut rows = Vec::new();
    for file in &files {
        let name = file.name();
        let own: Vec<&Allocation> = allocations.iter().filter(|allocation| allocation.job == name).collect();
        let running = own.iter().filter(|allocation| allocation.client_status == "running").count();
        let restarts: u64 = own
            .iter()
            .flat_map(|allocation| allocation.task_states.iter().flatten())
            .map(|(_, task)| task.restarts)
            .sum();
        let found = submitted.iter().find(|listing| listing.id == name);
        let (kind, state) = match found {
            Some(found) if found.kind == "batch" && found.status == "dead" => {
                (found.kind.clone(), "done".to_owned())
            }
            Some(found) => (found.kind.clone(), found.status.clone()),
            None => (String::new(), "not started".to_owned()),
        };
        let broken = file.job.as_ref().err();
        let cell = match state.as_str() {
            _ if broken.is_some() => Cell::bad(format!("{state}, its file is broken")),
            "running" | "done" => Cell::good(state.clone()),
            "dead" => Cell::bad(state.clone()),
            _ => Cell::warn(state.clone()),
        };
        table.row([
            Cell::strong(name),
            kind.clone().into(),
            cell,
            running.to_string().into(),
            restarts.to_string().into(),
        ]);
        rows.push(json!({
            "job": name, "file": file.file, "type": kind, "state": state, "running": running, "restarts": restarts,
            "broken": broken.map(ToString::to_string),
        }));
    }
    Ok(Output { human: table.render(&Look::of_stdout(settings)), json: json!({"schema": 1, "jobs": rows}) })
}
