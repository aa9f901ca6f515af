//! How far a job is, from its allocations.

use super::Job;
use crate::mesh::api::nomad::{Allocation, Evaluation, TaskState};

/// What Nomad says of a package that is another one than its job names.
pub(super) const WRONG_CHECKSUM: &str = "Checksums did not match";

/// How far a job is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// It runs and is healthy, or has done its work: where, in words.
    Done(String),
    /// Not yet: what is being waited for.
    Waiting(String),
    /// Nothing of this group runs, or is about to: the scheduler knows why.
    Unplaced(String),
    /// It will not come to anything by itself: why.
    Failed(String),
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
            running
                .extend(there.iter().take(3).map(|allocation| format!("{group} {}", short(&allocation.id))));
            continue;
        }
        if let Some(failed) = own.iter().find(|allocation| allocation.client_status == "failed") {
            return Progress::Failed(format!(
                "{group}: {}",
                trouble(failed).unwrap_or_else(|| "it failed".to_owned())
            ));
        }
        let Some(newest) = own.first() else {
            return Progress::Unplaced(group.to_owned());
        };
        if newest.deployment_status.as_ref().is_some_and(|status| status.healthy == Some(false)) {
            let why = trouble(newest).unwrap_or_else(|| "its checks did not pass in time".to_owned());
            return Progress::Failed(format!("{group}: unhealthy, says Nomad: {why}"));
        }
        // Nomad tries again and again, in vain: the file and its checksum stay what they are.
        if let Some(told) = trouble(newest).filter(|told| told.contains(WRONG_CHECKSUM)) {
            return Progress::Failed(format!("{group}: {told}"));
        }
        let state = trouble(newest).unwrap_or_else(|| match newest.client_status.as_str() {
            "running" => "running, waiting for its checks".to_owned(),
            other => other.to_owned(),
        });
        return Progress::Waiting(format!("{group}: {state}"));
    }
    Progress::Done(running.join(", "))
}

/// The last thing that went wrong with one of the tasks, if anything did.
fn trouble(allocation: &Allocation) -> Option<String> {
    let states = allocation.task_states.as_ref()?;
    states.iter().find_map(|(task, state)| Some(format!("task {task}: {}", trouble_of(state)?)))
}

/// The last thing that went wrong with a task, if anything did.
pub(super) fn trouble_of(state: &TaskState) -> Option<String> {
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
    let again =
        if state.restarts > 0 { format!(", started again {} times", state.restarts) } else { String::new() };
    Some(format!("{}: {}{again}", bad.kind, bad.display_message))
}

/// Why the scheduler found no place for a job, from its newest attempt.
pub(super) fn why_not_placed(evaluations: &[Evaluation]) -> Option<String> {
    let groups = evaluations.iter().find_map(|evaluation| evaluation.failed_groups.as_ref())?;
    let (group, metrics) = groups.iter().next()?;
    let mut reasons = Vec::new();
    let names = |counted: &str| {
        let counted = metrics.get(counted).and_then(serde_json::Value::as_object);
        counted.into_iter().flatten().map(|(name, _)| name.clone()).collect::<Vec<String>>()
    };
    reasons.extend(names("ConstraintFiltered"));
    reasons.extend(names("DimensionExhausted").iter().map(|dimension| {
        match dimension.strip_prefix("network: ") {
            Some(reason) => reason.to_owned(),
            None => format!("not enough {dimension}"),
        }
    }));
    if metrics.get("NodesEvaluated").and_then(serde_json::Value::as_u64) == Some(0) {
        reasons.push("no client in its datacenter and node pool".to_owned());
    }
    Some(format!("no place for {group}: {}", reasons.join("; ")))
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
        assert_eq!(
            of("service", allocation("running", &json!(true), &none)),
            Progress::Done("g 12345678".into())
        );
        assert_eq!(
            of("service", allocation("running", &Value::Null, &none)),
            Progress::Waiting("g: running, waiting for its checks".into())
        );
        assert_eq!(
            of("service", allocation("running", &json!(false), &none)),
            Progress::Failed("g: unhealthy, says Nomad: its checks did not pass in time".into())
        );
        assert_eq!(
            of("batch", allocation("running", &Value::Null, &none)),
            Progress::Waiting("g: running, waiting for its checks".into())
        );
        assert_eq!(
            of("batch", allocation("complete", &Value::Null, &none)),
            Progress::Done("g 12345678".into())
        );
        assert_eq!(progress(&job("service"), 0, &[], 0), Progress::Unplaced("g".into()));
    }

    #[test]
    fn an_earlier_version_does_not_count() {
        let healthy = [allocation("running", &json!(true), &json!([]))];
        let seen = progress(&job("service"), 1, &healthy, 0);
        assert_eq!(seen, Progress::Unplaced("g".into()));
    }

    #[test]
    fn what_went_wrong_is_told() {
        let events = json!([{"Type": "Failed Artifact Download", "DisplayMessage": "no such file", "FailsTask": true}]);
        let told = "g: task t: Failed Artifact Download: no such file, started again 2 times";
        let of = |status: &str| progress(&job("service"), 0, &[allocation(status, &Value::Null, &events)], 0);
        assert_eq!(of("failed"), Progress::Failed(told.into()));
        assert_eq!(of("pending"), Progress::Waiting(told.into()));
    }

    #[test]
    fn a_wrong_checksum_is_not_waited_for() {
        let said = format!("failed to download artifact: {WRONG_CHECKSUM} for /x");
        let events =
            json!([{"Type": "Failed Artifact Download", "DisplayMessage": said, "FailsTask": false}]);
        let seen = progress(&job("service"), 0, &[allocation("pending", &Value::Null, &events)], 0);
        let told = format!("g: task t: Failed Artifact Download: {said}, started again 2 times");
        assert_eq!(seen, Progress::Failed(told));
    }

    #[test]
    fn why_there_is_no_place_is_told() {
        let of = |metrics: Value| {
            let evaluation = json!({"Status": "blocked", "FailedTGAllocs": {"g": metrics}});
            why_not_placed(&[serde_json::from_value(evaluation).unwrap()]).unwrap()
        };
        let full =
            json!({"NodesEvaluated": 1, "ClassExhausted": {"dev": 1}, "DimensionExhausted": {"disk": 1}});
        assert_eq!(of(full), "no place for g: not enough disk");
        let taken = json!({"NodesEvaluated": 1, "DimensionExhausted": {"network: reserved port collision http=1": 1}});
        assert_eq!(of(taken), "no place for g: reserved port collision http=1");
        let other = json!({"NodesEvaluated": 1, "ConstraintFiltered": {"missing drivers": 1}, "DimensionExhausted": null});
        assert_eq!(of(other), "no place for g: missing drivers");
        assert_eq!(
            of(json!({"NodesEvaluated": 0})),
            "no place for g: no client in its datacenter and node pool"
        );
    }
}
