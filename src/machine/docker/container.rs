//! Containers of a lab: create, start, inspect, remove.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::Duration;

use bollard::models::{ContainerCreateBody, ContainerInspectResponse};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, InspectContainerOptions, RemoveContainerOptionsBuilder,
    StartContainerOptions,
};
use bollard::{Docker, errors::Error};

use super::failure::{cannot, is_conflict, is_unknown, with_reply};
use super::names::Names;
use crate::core::failure::{Failure, Result};
use crate::core::until::{Observed, POLL_INTERVAL, until};
use crate::machine::state::alive::start_ticks;
use crate::machine::state::{ProcessRecord, now};

/// How long the daemon may take to report that a container has ended.
const EXIT_REPORT_GRACE: Duration = Duration::from_secs(10);

/// Creates a container and starts it. Removes a container of this lab with the same name; fails if it belongs to another
/// owner.
pub(super) async fn start(
    docker: &Docker,
    names: &Names,
    name: &str,
    body: &ContainerCreateBody,
) -> Result<Option<ProcessRecord>> {
    let create = || {
        docker
            .create_container(Some(CreateContainerOptionsBuilder::default().name(name).build()), body.clone())
    };
    let made = match create().await {
        Err(error) if is_conflict(&error) => {
            remove_own(docker, names, name).await?;
            create().await
        }
        made => made,
    };
    made.map_err(cannot(format!("create the container {name}")))?;
    docker
        .start_container(name, None::<StartContainerOptions>)
        .await
        .map_err(cannot(format!("start the container {name}")))?;
    let found = look(docker, name).await?;
    let process = found.as_ref().and_then(process);
    tracing::info!(
        image = body.image,
        pid = process.map(|process| process.pid),
        "started the container {name}"
    );
    Ok(process)
}

/// Inspects a container; `None` if there is none.
pub(super) async fn look(docker: &Docker, name: &str) -> Result<Option<ContainerInspectResponse>> {
    match docker.inspect_container(name, None::<InspectContainerOptions>).await {
        Ok(found) => Ok(Some(found)),
        Err(error) if is_unknown(&error) => Ok(None),
        Err(error) => Err(cannot(format!("inspect the container {name}"))(error)),
    }
}

/// The process of a running container.
pub(super) fn process(found: &ContainerInspectResponse) -> Option<ProcessRecord> {
    let state = found.state.as_ref().filter(|state| state.running == Some(true))?;
    let pid = i32::try_from(state.pid?).ok().filter(|pid| *pid > 0)?;
    Some(ProcessRecord { pid, start_ticks: start_ticks(pid)?, started: now(), inside: number_inside(pid) })
}

/// The process id that a process has in its innermost process namespace.
pub(super) fn number_inside(pid: i32) -> Option<i32> {
    let status = procfs::process::Process::new(pid).and_then(|process| process.status()).ok()?;
    status.nspid?.last().copied()
}

/// How a container ended whose process has ended, in words. The daemon may report it a moment later.
pub(super) async fn look_ended(docker: &Docker, name: &str) -> Result<String> {
    let ended = until(EXIT_REPORT_GRACE, POLL_INTERVAL, async || -> Result<_> {
        let found = look(docker, name).await?;
        let state = found.as_ref().and_then(|found| found.state.as_ref());
        let runs = state.is_some_and(|state| state.running == Some(true));
        Ok(if runs { Observed::Pending(()) } else { Observed::Ready(how_ended(found.as_ref())) })
    });
    let unknown = "its process has ended, and Docker does not report how";
    Ok(ended.await?.unwrap_or_else(|_| unknown.to_owned()))
}

/// How a container ended, in words.
pub(super) fn how_ended(found: Option<&ContainerInspectResponse>) -> String {
    let Some(state) = found.and_then(|found| found.state.as_ref()) else {
        return "its container was removed".to_owned();
    };
    let code = state.exit_code.and_then(|code| i32::try_from(code).ok()).unwrap_or_default();
    match state.error.as_deref().filter(|error| !error.is_empty()) {
        Some(error) => format!("its container ended: {error}"),
        None if state.oom_killed == Some(true) => "its container ran out of memory".to_owned(),
        None => status(code).to_string(),
    }
}

/// A container's exit status as that of a process: Docker reports a signal as 128 and its number.
pub(super) fn status(code: i32) -> ExitStatus {
    ExitStatus::from_raw(if (129..160).contains(&code) { code - 128 } else { code << 8 })
}

/// Removes a container of this lab, running or not, if there is one.
pub(super) async fn remove_own(docker: &Docker, names: &Names, name: &str) -> Result<()> {
    match look_own(docker, names, name).await? {
        Some(_) => remove(docker, name).await,
        None => Ok(()),
    }
}

/// Inspects a container of this lab; `None` if there is none. Fails if it belongs to another owner.
pub(super) async fn look_own(
    docker: &Docker,
    names: &Names,
    name: &str,
) -> Result<Option<ContainerInspectResponse>> {
    let Some(found) = look(docker, name).await? else { return Ok(None) };
    let labels = found.config.as_ref().and_then(|config| config.labels.as_ref());
    if names.are_ours(labels) {
        return Ok(Some(found));
    }
    let owner = labels.and_then(|labels| labels.get(super::names::RUN));
    Err(Failure::failed(format!("there is a container {name} that is not this lab's"))
        .detail("it belongs to", owner.map_or("an unknown owner", String::as_str))
        .hint(format!("`docker rm -f {name}` removes it, if it is not needed")))
}

/// Removes a container, running or not.
pub(super) async fn remove(docker: &Docker, name: &str) -> Result<()> {
    tracing::info!("removes the container {name}");
    let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
    match docker.remove_container(name, Some(options)).await {
        Ok(()) => Ok(()),
        Err(error) if is_unknown(&error) || is_being_removed(&error) => Ok(()),
        Err(error) => Err(with_reply(Failure::failed(format!("cannot remove the container {name}")), &error)),
    }
}

fn is_being_removed(error: &Error) -> bool {
    is_conflict(error) && super::failure::words(error).contains("already in progress")
}
