//! Decides which component of a lab a process belongs to.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};

use serde_json::Value;

use crate::machine::state::{RUN_DIR_VARIABLE, RunState};

/// The facts about a process that decide where it belongs.
#[derive(Debug, Clone, Default)]
pub(super) struct ProcessFacts {
    pub(super) group: i32,
    /// Start time in clock ticks since boot.
    pub(super) started: u64,
    /// Empty if it cannot be read, or if the process overwrote it.
    pub(super) environment: HashMap<OsString, OsString>,
    pub(super) arguments: Vec<String>,
}

/// Whether and how a process belongs to the lab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Membership {
    /// It belongs to this component, and so do its children.
    Component(String),
    /// A helper process of Nomad, with the task that it supervises if its arguments name it.
    Helper(Option<String>),
    /// It belongs to the lab, but to no component. Its name is that of its process group's leader.
    Unnamed,
    /// It does not belong to the lab.
    Other,
}

/// The process group of a recorded service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ServiceGroup {
    pub(super) service: String,
    pub(super) leader: i32,
    /// Start time of the leader in clock ticks since boot.
    pub(super) started: u64,
}

/// The process groups of all recorded services.
pub(super) fn groups(state: Option<&RunState>) -> Vec<ServiceGroup> {
    let services = state.iter().flat_map(|state| &state.services);
    services
        .filter_map(|service| {
            let process = service.process?;
            Some(ServiceGroup {
                service: service.name.clone(),
                leader: process.pid_here()?,
                started: process.start_ticks,
            })
        })
        .collect()
}

/// Where a process belongs: by its own facts, or else by its parent.
pub(super) fn membership(
    facts: &ProcessFacts,
    mark: &OsStr,
    groups: &[ServiceGroup],
    parent: Option<&Membership>,
) -> Membership {
    let variable = |name: &str| facts.environment.get(OsStr::new(name)).map(|value| value.to_string_lossy());
    let is_marked = facts.environment.get(OsStr::new(RUN_DIR_VARIABLE)).is_some_and(|value| value == mark);
    let service = || {
        let group =
            groups.iter().find(|group| group.leader == facts.group && group.started <= facts.started)?;
        Some(Membership::Component(group.service.clone()))
    };
    if is_marked {
        if let Some(helper) = helper(&facts.arguments) {
            return helper;
        }
        if let Some(task) = variable("NOMAD_TASK_NAME") {
            return Membership::Component(match variable("NOMAD_JOB_NAME") {
                Some(job) => format!("{job}/{task}"),
                None => task.into_owned(),
            });
        }
        return service().unwrap_or(Membership::Unnamed);
    }
    // Some programs overwrite their environment in memory, for example nginx.
    service().unwrap_or_else(|| match parent {
        Some(Membership::Component(name)) => Membership::Component(name.clone()),
        Some(Membership::Helper(Some(task))) => Membership::Component(task.clone()),
        Some(Membership::Helper(None) | Membership::Unnamed) => Membership::Unnamed,
        Some(Membership::Other) | None => Membership::Other,
    })
}

/// Recognizes `nomad executor {"LogFile":".../alloc/ID/TASK/executor.out",...}` and `nomad logmon`.
fn helper(arguments: &[String]) -> Option<Membership> {
    let [program, verb, rest @ ..] = arguments else { return None };
    if program.rsplit('/').next() != Some("nomad") || !["executor", "logmon"].contains(&verb.as_str()) {
        return None;
    }
    let log = rest.first().and_then(|json| serde_json::from_str::<Value>(json).ok());
    let log = log.as_ref().and_then(|settings| settings.get("LogFile")).and_then(Value::as_str);
    Some(Membership::Helper(log.and_then(|path| path.rsplit('/').nth(1)).map(str::to_owned)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: &str = "/state/run/127.0.0.1";

    fn facts(group: i32, environment: &[(&str, &str)], arguments: &[&str]) -> ProcessFacts {
        ProcessFacts {
            group,
            started: 100,
            environment: environment.iter().map(|(name, value)| (name.into(), value.into())).collect(),
            arguments: arguments.iter().map(|word| (*word).to_owned()).collect(),
        }
    }

    fn of(facts: &ProcessFacts, parent: Option<&Membership>) -> Membership {
        let groups = [ServiceGroup { service: "consul".to_owned(), leader: 7, started: 50 }];
        membership(facts, OsStr::new(MARK), &groups, parent)
    }

    fn component(name: &str) -> Membership {
        Membership::Component(name.to_owned())
    }

    #[test]
    fn processes_belong_to_their_components() {
        let mark = (RUN_DIR_VARIABLE, MARK);
        let task = [mark, ("NOMAD_TASK_NAME", "add-svc"), ("NOMAD_JOB_NAME", "addsvcJob")];
        assert_eq!(of(&facts(3, &task, &["add-svc"]), None), component("addsvcJob/add-svc"));
        assert_eq!(of(&facts(3, &task[..2], &[]), None), component("add-svc"));
        assert_eq!(of(&facts(7, &[mark], &["consul"]), None), component("consul"));
        assert_eq!(of(&facts(7, &[], &["nginx: worker"]), None), component("consul"));
        assert_eq!(of(&facts(3, &[mark], &["wrk"]), None), Membership::Unnamed);
        assert_eq!(of(&facts(3, &[(RUN_DIR_VARIABLE, "/other")], &["consul"]), None), Membership::Other);
        assert_eq!(of(&facts(3, &task[1..], &["x"]), None), Membership::Other);
        // The leader has ended and its pid was reused.
        assert_eq!(of(&ProcessFacts { started: 10, ..facts(7, &[], &[]) }, None), Membership::Other);
    }

    #[test]
    fn helpers_of_nomad_belong_to_their_task() {
        let mark = (RUN_DIR_VARIABLE, MARK);
        let settings = r#"{"LogFile":"/data/alloc/6a0f/lb/executor.out","LogLevel":"DEBUG"}"#;
        let executor = of(&facts(3, &[mark], &["/tools/bin/nomad", "executor", settings]), None);
        assert_eq!(executor, Membership::Helper(Some("lb".to_owned())));
        assert_eq!(of(&facts(3, &[mark], &["nomad", "logmon"]), None), Membership::Helper(None));
        assert_eq!(of(&facts(7, &[mark], &["nomad", "agent", "-dev"]), None), component("consul"));
        // A child without environment.
        assert_eq!(of(&facts(4, &[], &["nginx: master process"]), Some(&executor)), component("lb"));
        assert_eq!(of(&facts(4, &[], &["nginx: worker"]), Some(&component("lb"))), component("lb"));
        assert_eq!(of(&facts(4, &[], &["x"]), Some(&Membership::Other)), Membership::Other);
    }
}
