//! `meshlab bench --services`: what each of the lab's services costs, one after the other, on its own.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::ready;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use serde_json::json;

use super::{BenchArgs, OWN_NAME, Rounds, no_lab, program};
use crate::app::ui::{self, Look};
use crate::app::verb::Output;
use crate::artifacts::lockfile::Lock;
use crate::artifacts::repo::PublishedPackages;
use crate::core::event::{Event, SharedReporter, Warning};
use crate::core::failure::{Failure, FailureKind, Result};
use crate::core::http;
use crate::core::settings::Settings;
use crate::core::until::{Deadline, Observed, TimedOut, until};
use crate::labs::bench::plan::{Seconds, Target, WrkLoad};
use crate::labs::bench::probe::probe;
use crate::labs::bench::sampler::Sampler;
use crate::labs::bench::service::{Cost, MeasuredService, services};
use crate::labs::bench::wrk::Wrk;
use crate::machine::process::{TaskProcess, find_task_processes};
use crate::machine::state::RunDir;
use crate::mesh::api::nomad::Nomad;
use crate::mesh::jobs::Jobs;
use crate::mesh::vm::packages_file;

/// A runtime compiles what is used often; before that, it is measured as something that it never is again.
const WARM_UP: Seconds = Seconds(1);

/// For a service to answer after it was started again.
const START_DEADLINE: Duration = Duration::from_secs(30);

const REQUEST_DEADLINE: Duration = Duration::from_secs(1);

/// The start is measured to this precision.
const STARTUP_POLL_INTERVAL: Duration = Duration::from_millis(5);

/// Consul looks once a second.
const MESH_POLL_INTERVAL: Duration = Duration::from_millis(100);

const HEALTH: &str = "/health/state";

/// Starts each service again, presses it, and puts the figures side by side.
pub(super) async fn run(
    args: &BenchArgs,
    settings: &Settings,
    lock: &Lock,
    reporter: &SharedReporter,
) -> Result<Output> {
    let load = WrkLoad::new(&args.duration, args.connections, args.threads)?;
    let run = RunDir::of(settings);
    let state = run.load().ok_or_else(|| no_lab(settings))?;
    let jobs = Jobs::of(&run)?;
    let mut wanted = Vec::new();
    for service in found(&jobs.nomad, &run).await? {
        if let Some(target) = service.target()? {
            wanted.push((service, target));
        }
    }
    if wanted.is_empty() {
        return Err(Failure::failed("no service of this lab says which language it is written in").hint(
            "`meta { language = \"...\", address = \"IP:PORT\" }` in a task says it, as in lab 6-mixed-languages; `meshlab jobs start` starts the jobs",
        ));
    }
    // Those of one name below each other, in the order of the lab's jobs.
    let order: Vec<&str> = state
        .environment
        .iter()
        .flat_map(|spec| &spec.jobs)
        .map(|file| file.as_str().trim_end_matches(".hcl"))
        .collect();
    let place = |job: &str| order.iter().position(|name| *name == job);
    wanted.sort_by_key(|(service, _)| (service.task.clone(), place(&service.job).unwrap_or(usize::MAX)));
    if cfg!(debug_assertions) {
        reporter.report(Event::Warning(Warning::DebugBuild));
    }
    let (wrk, _) = program(settings, lock, reporter).await?;
    let wrk = Wrk::new(wrk, &run)?;
    let mut rounds = Rounds { wrk: &wrk, reporter, done: 0, of: wanted.len() * 2 };
    let mut costs = Vec::new();
    for (service, target) in wanted {
        let start = start_again(&jobs.nomad, &run, &service).await?;
        answers_rightly(&target).await?;
        rounds.warm_up(&target, &WrkLoad { duration: WARM_UP, ..load }).await?;
        let sampler = Sampler::start(run.clone(), OWN_NAME, load.duration.duration()).await;
        let measurement = rounds.next(&target, &load).await?;
        costs.push(Cost::of(service, start, measurement, &sampler.finish()));
    }
    let rows: Vec<_> = costs.iter().map(Cost::json).collect();
    let human = ui::costs(&costs, &load, &Look::of_stdout(settings));
    Ok(Output { human, json: json!({ "schema": 1, "load": load, "services": rows }) })
}

/// The services of all jobs that Nomad knows.
async fn found(nomad: &Nomad, run: &RunDir) -> Result<Vec<MeasuredService>> {
    let list = PublishedPackages::read(&packages_file(run))?;
    let sizes: BTreeMap<String, u64> = list
        .packages()
        .iter()
        .map(|package| (format!("{}/{}", package.name, package.file), package.size))
        .collect();
    let mut found = Vec::new();
    for job in nomad.jobs().await? {
        found.extend(services(&nomad.job(&job.id).await?, &sizes));
    }
    Ok(found)
}

/// Has Nomad start the service's task again. Gives the time from the beginning of its process to its first answer, to
/// the 10 ms in which Linux notes when a process began.
async fn start_again(nomad: &Nomad, run: &RunDir, service: &MeasuredService) -> Result<Duration> {
    let before = process(run, service).ok_or_else(|| {
        Failure::failed(format!("{} does not run", service.component()))
            .hint("`meshlab jobs list` shows why; `meshlab jobs start` starts what is missing")
    })?;
    nomad.restart(&before.allocation, &before.task).await?;
    let deadline = Deadline::after(START_DEADLINE);
    let late = |late: TimedOut<String>| {
        Failure::new(
            FailureKind::DeadlinePassed,
            format!("{} does not answer {START_DEADLINE:?} after it was started again", service.component()),
        )
        .detail("at", format!("http://{}{HEALTH}", service.address))
        .detail("last seen", late.last_seen())
        .hint(format!("`meshlab logs {}` shows what it says", service.task))
    };
    let Ok(now) = until(deadline.left(), STARTUP_POLL_INTERVAL, || {
        let now = process(run, service).filter(|now| now.member != before.member);
        ready(Ok::<_, Infallible>(Observed::from(now.ok_or_else(|| "its process goes on".to_owned()))))
    })
    .await;
    let now = now.map_err(late)?;
    let took = until(deadline.left(), STARTUP_POLL_INTERVAL, async || -> Result<_> {
        Ok(match http::get(service.address, HEALTH, REQUEST_DEADLINE).await {
            Ok(_) => Observed::Ready(since(now.member.start_ticks)?),
            Err(error) => Observed::Pending(error.to_string()),
        })
    });
    took.await?.map_err(late)
}

/// Waits until a service answers as it should. One that calls others may have to wait for those that were started again
/// before it: Envoy sends no request to a service before Consul has seen it healthy.
async fn answers_rightly(target: &Target) -> Result<()> {
    let probe = async || -> Result<_, Infallible> { Ok(Observed::from(probe(target).await)) };
    let Ok(outcome) = until(START_DEADLINE, MESH_POLL_INTERVAL, probe).await;
    outcome.map_err(|late| {
        let silent = || Failure::new(FailureKind::DeadlinePassed, "the service does not answer");
        late.last.unwrap_or_else(silent)
    })
}

fn process(run: &RunDir, service: &MeasuredService) -> Option<TaskProcess> {
    let of_task = |process: &TaskProcess| process.job == service.job && process.task == service.task;
    find_task_processes(run).into_iter().find(of_task)
}

/// The time since a process began.
fn since(start_ticks: u64) -> Result<Duration> {
    let clock = clock_gettime(ClockId::Boottime);
    let now = Duration::try_from(clock).map_err(|error| {
        Failure::failed("the time since this machine was started is unknown").seen(&error)
    })?;
    let rate = procfs::ticks_per_second().max(1);
    let began = Duration::from_millis(start_ticks.saturating_mul(1000) / rate);
    Ok(now.saturating_sub(began))
}
