//! How far a job is, from its allocations.

use super::Job;
use crate::core::event::{AllocationName, JobWait, TaskTrouble, Unmet};
use crate::mesh::api::nomad::{Allocation, Evaluation, TaskState};

/// Part of Nomad's message about a package whose checksum is not the one that its job names. Nomad has no code for it.
const WRONG_CHECKSUM: &str = "Checksums did not match";

/// The most allocations of a task group that are named.
const MOST_NAMED: usize = 3;

/// How far a job is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// It runs and is healthy, or has done its work: some of its allocations.
    Done(Vec<AllocationName>),
    /// A task group is not healthy yet.
    Waiting {
        /// The group.
        group: String,
        /// What it waits for.
        wait: JobWait,
    },
    /// A task group has no allocation: the scheduler knows why.
    Unplaced(String),
    /// It does not become healthy by itself.
    Failed(JobFailure),
}

/// Why a job does not become healthy by itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JobFailure {
    /// An allocation failed.
    #[error("{group}: {}", cause(trouble.as_ref(), "its allocation failed"))]
    Allocation { group: String, trouble: Option<TaskTrouble> },
    /// The deployment is unhealthy.
    #[error("{group}: unhealthy, says Nomad: {}", cause(trouble.as_ref(), "its checks did not pass in time"))]
    Unhealthy { group: String, trouble: Option<TaskTrouble> },
    /// A package is not the one that the job names. Nomad retries; file and checksum stay what they are.
    #[error("{group}: {}", cause(Some(trouble), ""))]
    Checksum { group: String, trouble: TaskTrouble },
}

fn cause(trouble: Option<&TaskTrouble>, otherwise: &str) -> String {
    trouble.map_or_else(|| otherwise.to_owned(), |trouble| format!("task {}: {trouble}", trouble.task))
}

/// A batch job is done when its tasks have ended well, any other when every wanted allocation is healthy.
/// Those of an earlier version of the job do not count: they may be healthy, and are about to be replaced.
pub(super) fn progress(job: &Job, version: u64, allocations: &[Allocation], since: i64) -> Progress {
    let mut running = Vec::new();
    for (group, wanted) in job.groups() {
        let mut own: Vec<&Allocation> = allocations
            .iter()
            .filter(|allocation| allocation.job == job.id && allocation.task_group == group)
            .filter(|allocation| allocation.job_version == version)
            .filter(|allocation| allocation.desired_status == "run" || allocation.create_time >= since)
            .collect();
        own.sort_by_key(|allocation| std::cmp::Reverse(allocation.create_time));
        let is_there = |allocation: &&&Allocation| {
            if job.is_batch() {
                return allocation.client_status == "complete";
            }
            let healthy = allocation.deployment_status.as_ref().and_then(|status| status.healthy);
            allocation.client_status == "running" && healthy != Some(false) && healthy.is_some()
        };
        let there: Vec<&&Allocation> = own.iter().filter(is_there).collect();
        if there.len() as u64 >= wanted {
            running.extend(there.iter().take(MOST_NAMED).map(|allocation| AllocationName {
                group: group.to_owned(),
                id: short(&allocation.id).to_owned(),
            }));
            continue;
        }
        let group = group.to_owned();
        if let Some(failed) = own.iter().find(|allocation| allocation.client_status == "failed") {
            return Progress::Failed(JobFailure::Allocation { group, trouble: trouble(failed) });
        }
        let Some(newest) = own.first() else {
            return Progress::Unplaced(group);
        };
        let trouble = trouble(newest);
        if newest.deployment_status.as_ref().is_some_and(|status| status.healthy == Some(false)) {
            return Progress::Failed(JobFailure::Unhealthy { group, trouble });
        }
        let wait = match (trouble, newest.client_status.as_str()) {
            (Some(trouble), _) if trouble.message.contains(WRONG_CHECKSUM) => {
                return Progress::Failed(JobFailure::Checksum { group, trouble });
            }
            (Some(trouble), _) => JobWait::Task(trouble),
            (None, "running") => JobWait::Checks,
            (None, other) => JobWait::Client { status: other.to_owned() },
        };
        return Progress::Waiting { group, wait };
    }
    Progress::Done(running)
}

/// The last thing that went wrong with one of the tasks, if anything did.
fn trouble(allocation: &Allocation) -> Option<TaskTrouble> {
    let states = allocation.task_states.as_ref()?;
    states.iter().find_map(|(task, state)| trouble_of(task, state))
}

/// The last thing that went wrong with a task, if anything did.
pub(super) fn trouble_of(task: &str, state: &TaskState) -> Option<TaskTrouble> {
    let events = state.events.as_ref()?;
    let bad = events.iter().rev().find(|event| {
        event.fails_task
            || [
                "Driver Failure",
                "Failed Artifact Download",
                "Setup Failure",
                "Template",
                "Failed Validation",
            ]
            .contains(&event.kind.as_str())
            || (event.kind == "Terminated" && !event.display_message.contains("Exit Code: 0"))
    })?;
    Some(TaskTrouble {
        task: task.to_owned(),
        failure: bad.kind.clone(),
        message: bad.display_message.clone(),
        restarts: state.restarts,
    })
}

/// The task group that the scheduler found no place for, and why, from its newest attempt.
pub(super) fn why_not_placed(evaluations: &[Evaluation]) -> Option<(String, JobWait)> {
    let groups = evaluations.iter().find_map(|evaluation| evaluation.failed_groups.as_ref())?;
    let (group, metrics) = groups.iter().next()?;
    let mut unmet = Vec::new();
    let names = |counted: &str| {
        let counted = metrics.get(counted).and_then(serde_json::Value::as_object);
        counted.into_iter().flatten().map(|(name, _)| name.clone()).collect::<Vec<String>>()
    };
    unmet.extend(names("ConstraintFiltered").into_iter().map(|constraint| Unmet::Constraint { constraint }));
    unmet.extend(names("DimensionExhausted").into_iter().map(|dimension| {
        match dimension.strip_prefix("network: ") {
            Some(network) => Unmet::Network { network: network.to_owned() },
            None => Unmet::Resource { resource: dimension },
        }
    }));
    if metrics.get("NodesEvaluated").and_then(serde_json::Value::as_u64) == Some(0) {
        unmet.push(Unmet::Client);
    }
    Some((group.clone(), JobWait::Placement { unmet }))
}

/// The first eight characters, as Nomad's own tools show an id.
pub(super) fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn job(kind: &str) -> Job {
        let definition = json!({"ID": "j", "Type": kind, "TaskGroups": [{"Name": "g", "Count": 1}]});
        Job { id: "j".to_owned(), file: "j.hcl".to_owned(), source: String::new(), definition }
    }

    fn allocation(status: &str, healthy: &Value, events: &Value) -> Allocation {
        serde_json::from_value(json!({
            "ID": "12345678-9", "JobID": "j", "JobVersion": 0, "TaskGroup": "g", "DesiredStatus": "run",
            "ClientStatus": status, "DeploymentStatus": {"Healthy": healthy}, "CreateTime": 1,
            "TaskStates": {"t": {"State": "running", "Failed": false, "Restarts": 2, "Events": events}},
        }))
        .unwrap()
    }

    #[test]
    fn a_service_is_done_once_it_is_healthy_and_a_batch_once_it_has_ended_well() {
        let none = json!([]);
        let of = |kind: &str, allocation: Allocation| progress(&job(kind), 0, &[allocation], 0);
        let done = Progress::Done(vec![AllocationName { group: "g".into(), id: "12345678".into() }]);
        let checked = Progress::Waiting { group: "g".into(), wait: JobWait::Checks };
        assert_eq!(of("service", allocation("running", &json!(true), &none)), done);
        assert_eq!(of("service", allocation("running", &Value::Null, &none)), checked);
        let unhealthy = JobFailure::Unhealthy { group: "g".into(), trouble: None };
        assert_eq!(unhealthy.to_string(), "g: unhealthy, says Nomad: its checks did not pass in time");
        assert_eq!(of("service", allocation("running", &json!(false), &none)), Progress::Failed(unhealthy));
        assert_eq!(of("batch", allocation("running", &Value::Null, &none)), checked);
        assert_eq!(of("batch", allocation("complete", &Value::Null, &none)), done);
        assert_eq!(progress(&job("service"), 0, &[], 0), Progress::Unplaced("g".into()));
    }

    #[test]
    fn an_earlier_version_does_not_count() {
        let healthy = [allocation("running", &json!(true), &json!([]))];
        let seen = progress(&job("service"), 1, &healthy, 0);
        assert_eq!(seen, Progress::Unplaced("g".into()));
    }

    fn download_trouble(message: &str) -> TaskTrouble {
        let failure = "Failed Artifact Download".to_owned();
        TaskTrouble { task: "t".into(), failure, message: message.into(), restarts: 2 }
    }

    #[test]
    fn trouble_of_a_task_is_the_reason() {
        let events = json!([{"Type": "Failed Artifact Download", "DisplayMessage": "no such file", "FailsTask": true}]);
        let of = |status: &str| progress(&job("service"), 0, &[allocation(status, &Value::Null, &events)], 0);
        let (group, trouble) = ("g".to_owned(), download_trouble("no such file"));
        let failed = JobFailure::Allocation { group: group.clone(), trouble: Some(trouble.clone()) };
        assert_eq!(
            failed.to_string(),
            "g: task t: Failed Artifact Download: no such file, restarted 2 times"
        );
        assert_eq!(of("failed"), Progress::Failed(failed));
        assert_eq!(of("pending"), Progress::Waiting { group, wait: JobWait::Task(trouble) });
    }

    #[test]
    fn a_wrong_checksum_is_not_waited_for() {
        let said = format!("failed to download artifact: {WRONG_CHECKSUM} for /x");
        let events =
            json!([{"Type": "Failed Artifact Download", "DisplayMessage": said, "FailsTask": false}]);
        let seen = progress(&job("service"), 0, &[allocation("pending", &Value::Null, &events)], 0);
        let (group, trouble) = ("g".to_owned(), download_trouble(&said));
        assert_eq!(seen, Progress::Failed(JobFailure::Checksum { group, trouble }));
    }

    #[test]
    fn the_scheduler_s_reasons_are_shown() {
        let of = |metrics: Value| {
            let evaluation = json!({"Status": "blocked", "FailedTGAllocs": {"g": metrics}});
            let (group, wait) = why_not_placed(&[serde_json::from_value(evaluation).unwrap()]).unwrap();
            format!("{group}: {wait}")
        };
        let full =
            json!({"NodesEvaluated": 1, "ClassExhausted": {"dev": 1}, "DimensionExhausted": {"disk": 1}});
        assert_eq!(of(full), "g: no client can take it: not enough disk");
        let taken = json!({"NodesEvaluated": 1, "DimensionExhausted": {"network: reserved port collision http=1": 1}});
        assert_eq!(of(taken), "g: no client can take it: reserved port collision http=1");
        let other = json!({"NodesEvaluated": 1, "ConstraintFiltered": {"missing drivers": 1}, "DimensionExhausted": null});
        assert_eq!(of(other), "g: no client can take it: missing drivers");
        assert_eq!(
            of(json!({"NodesEvaluated": 0})),
            "g: no client can take it: no client in its datacenter and node pool"
        );
    }
}
