//! How the tasks of the jobs are, in Nomad's eyes and in Consul's.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::future::join_all;

use super::progress::trouble_of;
use super::{JOB_LABEL, Jobs};
use crate::core::failure::{Failure, FailureKind, Result};
use crate::machine::process::{TaskProcess, find_task_processes};
use crate::mesh::api::consul::{AgentCheck, AgentService};
use crate::mesh::api::nomad::{Allocation, TaskState};

/// How a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// It runs, and Consul's checks of it pass, if there are any.
    Ready,
    /// It runs, and a check of Consul's fails.
    NotReady,
    /// It has not begun yet.
    Starting,
    /// It ended and will be started again.
    Restarting,
    /// Its turn comes when the others have ended.
    Waiting,
    /// It has done its work and ended well.
    Done,
    /// It has ended otherwise.
    Ended,
}

/// A task of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Its job.
    pub job: String,
    /// Its name in the job.
    pub name: String,
    /// The allocation that it belongs to.
    pub allocation: String,
    /// Set if it has a time of its own to run: `prestart`, `poststart` or `poststop`.
    pub hook: Option<String>,
    /// How it is.
    pub condition: Condition,
    /// Why it is not ready, if it is not.
    pub reason: String,
    /// How often it was started again.
    pub restarts: u64,
    /// When it was last started, as RFC 3339.
    pub started_at: Option<String>,
    /// Its process, with the program's name.
    pub process: Option<(i32, String)>,
    /// Where its services listen.
    pub listens: Vec<String>,
}

/// All tasks, and what could not be learnt about them.
#[derive(Debug)]
pub struct Tasks {
    /// In the order of their jobs' files.
    pub list: Vec<Task>,
    /// The jobs of the lab that Nomad does not know.
    pub not_started: Vec<String>,
    /// Set if Consul could not be asked: what its checks say is unknown then.
    pub without_consul: Option<Failure>,
}

/// Looks at everything at once. Fails if Nomad cannot be asked within the deadline.
pub async fn tasks(jobs: &Jobs, deadline: Duration) -> Result<Tasks> {
    let from_nomad = within(deadline, "Nomad", async {
        let (known, (allocations, _)) =
            tokio::try_join!(jobs.nomad.jobs(), jobs.nomad.allocations(0, Duration::ZERO))?;
        let asked = join_all(known.iter().map(|job| jobs.nomad.hooks(&job.id))).await;
        // One that was just forgotten has none.
        let hooks = known.iter().zip(asked).filter_map(|(job, hooks)| Some((job.id.clone(), hooks.ok()?)));
        let hooks: Hooks = hooks.collect();
        Ok((known, allocations, hooks))
    });
    let from_consul = within(deadline, "Consul", async {
        tokio::try_join!(jobs.consul.agent_services(), jobs.consul.agent_checks())
    });
    let (nomad, consul) = tokio::join!(from_nomad, from_consul);
    let (known, allocations, hooks) = nomad?;
    let (consul, without_consul) = match consul {
        Ok((services, checks)) => ((services, checks), None),
        Err(failure) => ((Vec::new(), Vec::new()), Some(failure)),
    };
    let processes = find_task_processes(&jobs.run);
    let order: Vec<&str> = jobs.spec.jobs.iter().map(|file| file.as_str().trim_end_matches(".hcl")).collect();
    let mut tasks = of_allocations(&allocations, &hooks, &consul.0, &consul.1, &processes);
    let place = |job: &str| order.iter().position(|name| *name == job).unwrap_or(usize::MAX);
    tasks.sort_by_key(|task| place(&task.job));
    let is_known = |name: &&&str| known.iter().any(|job| job.id == **name);
    let not_started = order.iter().filter(|name| !is_known(name)).map(|name| (*name).to_owned()).collect();
    Ok(Tasks { list: tasks, not_started, without_consul })
}

async fn within<T>(deadline: Duration, whom: &str, asked: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(deadline, asked).await.unwrap_or_else(|_| {
        let late = format!("{whom} does not answer within {deadline:?}");
        Err(Failure::new(FailureKind::DeadlinePassed, late))
    })
}

/// By job and task.
type Hooks = BTreeMap<String, BTreeMap<String, String>>;

fn of_allocations(
    allocations: &[Allocation],
    hooks: &Hooks,
    services: &[AgentService],
    checks: &[AgentCheck],
    processes: &[TaskProcess],
) -> Vec<Task> {
    let mut tasks = Vec::new();
    for allocation in current(allocations) {
        for (name, state) in allocation.task_states.iter().flatten() {
            let own: Vec<&AgentService> =
                services.iter().filter(|service| stands_for(service, allocation, name)).collect();
            let failing = || failing(&own, checks);
            let hook = hooks.get(&allocation.job).and_then(|hooks| hooks.get(name)).cloned();
            let (condition, reason) = condition(allocation, name, state, hook.as_deref(), failing);
            let process = processes
                .iter()
                .find(|process| process.allocation == allocation.id && process.task == *name)
                .map(|process| (process.member.pid, process.member.name.clone()));
            let listens: BTreeSet<String> =
                own.iter().map(|service| format!("{}:{}", service.address, service.port)).collect();
            tasks.push(Task {
                job: allocation.job.clone(),
                name: name.clone(),
                allocation: allocation.id.clone(),
                hook,
                condition,
                reason,
                restarts: state.restarts,
                started_at: state.started_at.clone(),
                process,
                listens: listens.into_iter().collect(),
            });
        }
    }
    tasks
}

/// The allocations that count: those that are to run, those that still do, and where a group has none of them, its newest.
fn current(allocations: &[Allocation]) -> Vec<&Allocation> {
    let counts = |allocation: &Allocation| {
        (allocation.desired_status == "run"
            && !["failed", "lost"].contains(&allocation.client_status.as_str()))
            || allocation.client_status == "running"
    };
    let group = |allocation: &Allocation| (allocation.job.clone(), allocation.task_group.clone());
    let mut sorted: Vec<&Allocation> = allocations.iter().collect();
    sorted.sort_by_key(|allocation| (group(allocation), allocation.create_time));
    let groups = sorted.chunk_by(|one, next| group(one) == group(next));
    groups
        .flat_map(|own| {
            let alive: Vec<&Allocation> = own.iter().copied().filter(|one| counts(one)).collect();
            if alive.is_empty() { own.last().copied().into_iter().collect() } else { alive }
        })
        .collect()
}

fn condition(
    allocation: &Allocation,
    task: &str,
    state: &TaskState,
    hook: Option<&str>,
    failing: impl Fn() -> Option<String>,
) -> (Condition, String) {
    let trouble = || trouble_of(task, state).map(|trouble| trouble.to_string());
    let last = || trouble().or_else(|| last_event(state)).unwrap_or_default();
    match state.state.as_str() {
        "running" => match failing() {
            Some(why) => (Condition::NotReady, why),
            None => (Condition::Ready, String::new()),
        },
        "dead" if state.failed || allocation.client_status == "failed" => (Condition::Ended, last()),
        "dead" => (Condition::Done, String::new()),
        _ if hook == Some("poststop") && allocation.desired_status == "run" => {
            (Condition::Waiting, String::new())
        }
        _ if state.restarts > 0 || state.started_at.is_some() => (Condition::Restarting, last()),
        _ => (Condition::Starting, last()),
    }
}

fn last_event(state: &TaskState) -> Option<String> {
    let event = state.events.as_ref()?.last()?;
    Some(format!("{}: {}", event.kind, event.display_message))
}

fn failing(services: &[&AgentService], checks: &[AgentCheck]) -> Option<String> {
    let bad = |check: &&AgentCheck| {
        check.status != "passing" && services.iter().any(|service| service.id == check.service_id)
    };
    let said = |check: &AgentCheck| {
        let output = check.output.trim();
        let colon = if output.is_empty() { "" } else { ": " };
        format!("Consul's check \"{}\" is {}{colon}{output}", check.name, check.status)
    };
    checks.iter().find(bad).map(said)
}

/// Whether a service in Consul is this task's: a sidecar is called as its Envoy's task is, Nomad names its services after
/// their allocation, and a gateway after its job and its group.
fn stands_for(service: &AgentService, allocation: &Allocation, task: &str) -> bool {
    if service.id == task {
        return true;
    }
    let by_nomad = service.id.contains(&allocation.id);
    let by_group = service.label(JOB_LABEL) == Some(&allocation.job)
        && service.id.ends_with(&format!("-{}", allocation.task_group));
    (by_nomad || by_group) && is_main(allocation, task, &service.service)
}

/// Of several tasks, a service is that of its name, else of the one that goes on when the others have ended.
fn is_main(allocation: &Allocation, task: &str, service: &str) -> bool {
    let states = allocation.task_states.as_ref();
    if states.is_some_and(|states| states.contains_key(service)) {
        return task == service;
    }
    states.and_then(|states| states.get(task)).is_some_and(|state| state.state == "running")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn allocation(id: &str, job: &str, group: &str, statuses: [&str; 2], tasks: &Value) -> Allocation {
        serde_json::from_value(json!({
            "ID": id, "JobID": job, "JobVersion": 0, "TaskGroup": group, "DesiredStatus": statuses[0],
            "ClientStatus": statuses[1], "DeploymentStatus": null, "CreateTime": 1, "TaskStates": tasks,
        }))
        .unwrap()
    }

    fn state(state: &str, failed: bool, restarts: u64) -> Value {
        json!({"State": state, "Failed": failed, "Restarts": restarts, "StartedAt": null, "Events": [
            {"Type": "Terminated", "DisplayMessage": "Exit Code: 1", "FailsTask": false}
        ]})
    }

    fn service(id: &str, name: &str, port: u16, job: &str) -> AgentService {
        serde_json::from_value(json!({
            "ID": id, "Service": name, "Address": "127.0.0.1", "Port": port, "Meta": {"nomad-job": job}
        }))
        .unwrap()
    }

    fn critical(service: &str) -> AgentCheck {
        AgentCheck {
            name: "it answers".into(),
            status: "critical".into(),
            output: "connection refused\n".into(),
            service_id: service.into(),
        }
    }

    fn conditions(tasks: &[Task]) -> Vec<(&str, Condition, &str)> {
        tasks.iter().map(|task| (task.name.as_str(), task.condition, task.reason.as_str())).collect()
    }

    #[test]
    fn every_condition_with_its_reason() {
        let states = json!({
            "a": state("running", false, 0), "b": state("running", false, 0), "c": state("dead", true, 3),
            "d": state("dead", false, 0), "e": state("pending", false, 2), "f": state("pending", false, 0),
            "h": state("pending", false, 0),
        });
        let hooks = Hooks::from([("j".into(), BTreeMap::from([("h".into(), "poststop".into())]))]);
        let allocations = [allocation("1", "j", "g", ["run", "running"], &states)];
        let services = [service("a", "a", 1, "x"), service("b", "b", 2, "x")];
        let tasks = of_allocations(&allocations, &hooks, &services, &[critical("b")], &[]);
        let exit = "Terminated: Exit Code: 1";
        assert_eq!(
            conditions(&tasks),
            [
                ("a", Condition::Ready, ""),
                ("b", Condition::NotReady, "Consul's check \"it answers\" is critical: connection refused"),
                ("c", Condition::Ended, format!("{exit}, restarted 3 times").as_str()),
                ("d", Condition::Done, ""),
                ("e", Condition::Restarting, format!("{exit}, restarted 2 times").as_str()),
                ("f", Condition::Starting, exit),
                ("h", Condition::Waiting, ""),
            ]
        );
        assert_eq!(tasks[0].listens, ["127.0.0.1:1"]);
    }

    #[test]
    fn services_find_their_tasks() {
        let gateway = json!({"packages": state("dead", false, 0), "gateway": state("running", false, 0)});
        let frontend = json!({"frontend": state("running", false, 0)});
        let allocations = [
            allocation("11", "apiGatewayJob", "gateway-1", ["run", "running"], &gateway),
            allocation("22", "frontendJob", "frontend", ["run", "running"], &frontend),
        ];
        let services = [
            service("api-gateway-gateway-1", "api-gateway", 2809, "apiGatewayJob"),
            service("api-gateway-gateway-2", "api-gateway", 2810, "apiGatewayJob"),
            service("_nomad-task-22-group-frontend-frontend-http", "frontend", 7070, ""),
            service("add-svc-proxy", "add-svc-proxy", 21000, "sidecar-job"),
        ];
        let tasks = of_allocations(&allocations, &Hooks::new(), &services, &[], &[]);
        let listens: Vec<_> = tasks.iter().map(|task| (task.name.as_str(), task.listens.join(" "))).collect();
        let expected = [("gateway", "127.0.0.1:2809"), ("packages", ""), ("frontend", "127.0.0.1:7070")];
        assert_eq!(listens, expected.map(|(name, at)| (name, at.to_owned())));
    }

    #[test]
    fn what_was_replaced_is_left_out_and_what_failed_last_is_not() {
        let task = json!({"t": state("dead", true, 0)});
        let old = allocation("1", "j", "g", ["stop", "complete"], &task);
        let mut new = allocation("2", "j", "g", ["run", "running"], &task);
        new.create_time = 2;
        let failed = allocation("3", "j", "other", ["run", "failed"], &task);
        let all = [old, new, failed];
        let ids: Vec<&str> = current(&all).iter().map(|allocation| allocation.id.as_str()).collect();
        assert_eq!(ids, ["2", "3"]);
    }
}
