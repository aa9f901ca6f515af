//! Components starting and stopping.

use super::Stage;
use crate::core::event::{Access, Ready, Removed, RuntimeEvent, RuntimeReason};
use crate::core::model::RuntimeKind;
use crate::core::numbers::words::count;

pub(super) fn stage(event: &RuntimeEvent) -> Stage {
    let (what, details, took) = match event {
        RuntimeEvent::PackingRuntimes => return Stage::Working("packing language runtimes".to_owned()),
        RuntimeEvent::Starting { component } => return Stage::Working(format!("starting {component}")),
        RuntimeEvent::WaitingFor { component } => return Stage::Working(format!("waiting for {component}")),
        RuntimeEvent::Stopping { component } => return Stage::Working(format!("stopping {component}")),
        RuntimeEvent::Ready { component, observed, took } => {
            (format!("{component} is up"), vec![ready(observed)], took)
        }
        RuntimeEvent::Stopped { component, took } => (format!("stopped {component}"), Vec::new(), took),
        RuntimeEvent::EnvironmentReady { address, kind, reason, changed, took } => {
            let what = if *changed { "the environment is up" } else { "the environment was up already" };
            let details = format!(
                "on {address} ({}); next: `meshlab jobs start`, `meshlab click`, `meshlab status`, `meshlab down`",
                runtime_reason(*kind, reason)
            );
            (what.to_owned(), vec![details], took)
        }
        RuntimeEvent::TakenDown { removed, took } if removed.is_empty() => {
            ("nothing was left to take down".to_owned(), Vec::new(), took)
        }
        RuntimeEvent::TakenDown { removed, took } => {
            ("taken down".to_owned(), removed.iter().map(thing).collect(), took)
        }
    };
    Stage::Done { what, details, took: *took }
}

/// How a lab's components run, and why.
pub(crate) fn runtime_reason(runtime: RuntimeKind, reason: &RuntimeReason) -> String {
    let how = runtime.components();
    match reason {
        RuntimeReason::Requested { docker_version: Some(version) } => format!("{how}, Docker {version}"),
        RuntimeReason::Requested { docker_version: None } => how.to_owned(),
        RuntimeReason::DockerFound { docker_version } => {
            format!("{how}, since Docker {docker_version} answers")
        }
        RuntimeReason::DockerAbsent { observed } => {
            format!("{how}, since no Docker daemon runs here: {observed}")
        }
    }
}

fn thing(removed: &Removed) -> String {
    match removed {
        Removed::Processes { name, pids } => match pids.as_slice() {
            [first, _, .., last] if pids.len() > 2 => {
                format!("{} processes {name} (pid {first} to {last})", pids.len())
            }
            pids => {
                let pids: Vec<String> = pids.iter().map(i32::to_string).collect();
                format!("process {name} (pid {})", pids.join(", "))
            }
        },
        Removed::Container { name } => format!("container {name}"),
        Removed::Network { name } => format!("network {name}"),
        Removed::Mounts { count: number } => format!("{} of Nomad's tasks", count(*number, "mount")),
        Removed::ControlGroup { path } => format!("control group {path}"),
        Removed::TaskControlGroups { count: number } => {
            format!("{} of Nomad's tasks", count(*number, "control group"))
        }
        Removed::Folder { path } => format!("folder {path}"),
    }
}

/// What makes a component ready.
pub(crate) fn ready(ready: &Ready) -> String {
    let state = &ready.state;
    match ready.without_token {
        None => state.to_string(),
        Some(Access::Read) => {
            format!("{state}; access control is on: requests without a token can only read")
        }
        Some(Access::Nothing) => {
            format!("{state}; access control is on: requests without a token are refused")
        }
    }
}
