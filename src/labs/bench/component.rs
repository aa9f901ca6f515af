//! Which of a lab's components a process belongs to.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};

use serde_json::Value;

use crate::machine::state::{RUN_DIR_VARIABLE, RunState};

/// What is known of a process.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    pub(super) group: i32,
    pub(super) started: u64,
    /// Empty where it cannot be read, or was written over.
    pub(super) environment: HashMap<OsString, OsString>,
    pub(super) arguments: Vec<String>,
}

/// Where a process belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Membership {
    /// To this component, and what it starts with it.
    Component(String),
    /// One of Nomad's own helpers; with the name of the task it looks after, if its arguments tell.
    Helper(Option<String>),
    /// To the lab, but to no component that has a name: it goes by the name of its process group's leader.
    Unnamed,
    /// Not to the lab.
    Stranger,
}

/// A process group that a recorded service leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) service: String,
    pub(super) leader: i32,
    pub(super) started: u64,
}

/// The groups of all recorded services.
pub(super) fn groups(state: Option<&RunState>) -> Vec<Group> {
    let services = state.iter().flat_map(|state| &state.services);
    services
        .filter_map(|service| {
            let process = service.process?;
            Some(Group {
                service: service.name.clone(),
                leader: process.pid_here()?,
                started: process.start_ticks,
            })
        })
        .collect()
}

/// Where a process belongs, by its own facts or, where those say nothing, by its parent.
pub(super) fn membership(
    facts: &Facts,
    mark: &OsStr,
    groups: &[Group],
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
    // Some programs, nginx among them, write over the memory that their environment lies in.
    service().unwrap_or_else(|| match parent {
        Some(Membership::Component(name)) => Membership::Component(name.clone()),
        Some(Membership::Helper(Some(task))) => Membership::Component(task.clone()),
        Some(Membership::Helper(None) | Membership::Unnamed) => Membership::Unnamed,
        Some(Membership::Stranger) | None => Membership::Stranger,
    })
}

/// `nomad executor {"LogFile":".../alloc/ID/TASK/executor.out",...}` and `nomad logmon`.
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

    fn facts(group: i32, environment: &[(&str, &str)], arguments: &[&str]) -> Facts {
        Facts {
            group,
            started: 100,
            environment: environment.iter().map(|(name, value)| (name.into(), value.into())).collect(),
            arguments: arguments.iter().map(|word| (*word).to_owned()).collect(),
        }
    }

    fn of(facts: &Facts, parent: Option<&Membership>) -> Membership {
        let groups = [Group { service: "consul".to_owned(), leader: 7, started: 50 }];
        membership(facts, OsStr::new(MARK), &groups, parent)
    }

    fn component(name: &str) -> Membership {
        Membership::Component(name.to_owned())
    }

    #[test]
    fn processes_find_their_components() {
        let mark = (RUN_DIR_VARIABLE, MARK);
        let task = [mark, ("NOMAD_TASK_NAME", "add-svc"), ("NOMAD_JOB_NAME", "addsvcJob")];
        assert_eq!(of(&facts(3, &task, &["add-svc"]), None), component("addsvcJob/add-svc"));
        assert_eq!(of(&facts(3, &task[..2], &[]), None), component("add-svc"));
        assert_eq!(of(&facts(7, &[mark], &["consul"]), None), component("consul"));
        assert_eq!(of(&facts(7, &[], &["nginx: worker"]), None), component("consul"));
        assert_eq!(of(&facts(3, &[mark], &["wrk"]), None), Membership::Unnamed);
        assert_eq!(of(&facts(3, &[(RUN_DIR_VARIABLE, "/other")], &["consul"]), None), Membership::Stranger);
        assert_eq!(of(&facts(3, &task[1..], &["x"]), None), Membership::Stranger);
        // The number of a leader that is gone may be somebody else's by now.
        assert_eq!(of(&Facts { started: 10, ..facts(7, &[], &[]) }, None), Membership::Stranger);
    }

    #[test]
    fn helpers_of_nomad_know_their_task() {
        let mark = (RUN_DIR_VARIABLE, MARK);
        let settings = r#"{"LogFile":"/data/alloc/6a0f/lb/executor.out","LogLevel":"DEBUG"}"#;
        let executor = of(&facts(3, &[mark], &["/tools/bin/nomad", "executor", settings]), None);
        assert_eq!(executor, Membership::Helper(Some("lb".to_owned())));
        assert_eq!(of(&facts(3, &[mark], &["nomad", "logmon"]), None), Membership::Helper(None));
        assert_eq!(of(&facts(7, &[mark], &["nomad", "agent", "-dev"]), None), component("consul"));
        // Its child has lost its environment.
        assert_eq!(of(&facts(4, &[], &["nginx: master process"]), Some(&executor)), component("lb"));
        assert_eq!(of(&facts(4, &[], &["nginx: worker"]), Some(&component("lb"))), component("lb"));
        assert_eq!(of(&facts(4, &[], &["x"]), Some(&Membership::Stranger)), Membership::Stranger);
    }
}
