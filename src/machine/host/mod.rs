//! Components as processes of this machine, each in a process group of its own.

pub mod apart;
mod exec;
mod mounts;
mod stop;

use std::process::{ExitStatus, Stdio};
use std::sync::Mutex;

use camino::Utf8Path;
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use futures_util::future::BoxFuture;
use tokio::process::{Child, Command};

use super::{ALLOCATIONS, CommandEnvironment, OnLine, Runtime, ServiceSpec, at_home};
use crate::core::event::Removed;
use crate::core::failure::{Failure, Result};
use crate::machine::state::alive::is_running;
use crate::machine::state::alive::start_ticks;
use crate::machine::state::{ProcessRecord, RunDir, RunLock, ServiceRecord, now};

/// The shell that runs a lab's commands, as it would run them for a person.
const SHELL: &str = "/bin/sh";

/// Starts, runs and ends processes.
#[derive(Debug)]
pub struct Host {
    run: RunDir,
    environment: CommandEnvironment,
    children: Mutex<Vec<(String, Child)>>,
}

impl Host {
    /// For a lab whose folder exists.
    pub fn new(run: RunDir, environment: CommandEnvironment) -> Self {
        let environment = at_home(environment, &run);
        Self { run, environment, children: Mutex::new(Vec::new()) }
    }

    fn spawn(&self, spec: &ServiceSpec) -> Result<Option<ProcessRecord>> {
        let log =
            fs::OpenOptions::new().create(true).append(true).mode(0o600).open(self.run.log(&spec.name))?;
        let (log, _) = log.into_parts();
        let errors = log.try_clone()?;
        // `exec`: the component takes the shell's place, so that its process id is the one recorded.
        let mut command = self.command(&format!("exec {}", spec.command));
        let child = command
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .map_err(|error| Failure::failed(format!("cannot start {}", spec.name)).seen(&error))?;
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
        let started = pid.and_then(|pid| Some((pid, start_ticks(pid)?)));
        let mut children = self.children();
        children.retain(|(name, _)| *name != spec.name);
        children.push((spec.name.clone(), child));
        Ok(started.map(|(pid, start_ticks)| ProcessRecord { pid, start_ticks, started: now(), inside: None }))
    }

    fn how_ended(&self, service: &ServiceRecord) -> Option<String> {
        if let Some((_, child)) = self.children().iter_mut().find(|(name, _)| *name == service.name) {
            return child.try_wait().ok().flatten().map(|status| status.to_string());
        }
        // An earlier meshlab started it.
        let record = service.process?;
        (!is_running(record.pid, record.start_ticks)).then(|| "it is gone".to_owned())
    }

    /// A panic elsewhere does not make the list wrong.
    fn children(&self) -> std::sync::MutexGuard<'_, Vec<(String, Child)>> {
        self.children.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// A command of this lab, in its folder, with its environment and nothing else, in a process group of its own.
    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(SHELL);
        command
            .arg("-c")
            .arg(line)
            .current_dir(self.run.work())
            .env_clear()
            .envs(&self.environment)
            .process_group(0);
        command
    }
}

impl Runtime for Host {
    fn start<'a>(&'a self, spec: &'a ServiceSpec) -> BoxFuture<'a, Result<Option<ProcessRecord>>> {
        Box::pin(async { self.spawn(spec) })
    }

    fn stop<'a>(&'a self, service: &'a ServiceRecord) -> BoxFuture<'a, Result<()>> {
        Box::pin(async {
            match service.process {
                Some(leader) => stop::end_group(&service.name, leader).await,
                None => Ok(()),
            }
        })
    }

    fn ended<'a>(&'a self, service: &'a ServiceRecord) -> BoxFuture<'a, Option<String>> {
        Box::pin(async { self.how_ended(service) })
    }

    fn execute<'a>(
        &'a self,
        line: &'a str,
        secrets: &'a CommandEnvironment,
        on_line: OnLine<'a>,
    ) -> BoxFuture<'a, Result<ExitStatus>> {
        Box::pin(async move {
            let mut command = self.command(line);
            exec::run(line, command.envs(secrets), on_line).await
        })
    }
}

/// The allocations of a lab's Nomad: their control groups are found by them, also when the lab's folder is gone.
pub fn allocations(run: &RunDir) -> Vec<String> {
    mounts::allocations(run)
}

/// Empties a lab's folder and removes the control groups of its tasks. None of its processes is left.
pub async fn clear(run: &RunDir) -> Result<()> {
    let allocations = allocations(run);
    mounts::remove_control_groups(run, &allocations, mounts::Others::Unknown).await?;
    for entry in fs::read_dir(run.root())? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() { fs::remove_dir_all(path)? } else { fs::remove_file(path)? }
    }
    Ok(())
}

/// Ends everything that carries this lab's mark or is recorded in its state, and removes its folder.
/// Returns what was removed. `allocations` are those of the lab while it still ran.
pub async fn take_down(run: &RunDir, lock: RunLock, allocations: &[String]) -> Result<Vec<Removed>> {
    let state = run.load();
    let ended = stop::end_all(run, state.as_ref()).await?;
    let mut removed = ended;
    removed.extend(mounts::unmount_below(run.root())?);
    if apart::is_inside() {
        // They go with the lab's own mounts. Only the folder below has to be free of them.
        mounts::unmount_below(Utf8Path::new(ALLOCATIONS))?;
    }
    removed.extend(mounts::remove_control_groups(run, allocations, mounts::Others::Visible).await?);
    if run.exists() {
        removed.push(Removed::Folder { path: run.root().to_owned() });
    }
    run.remove(lock)?;
    Ok(removed)
}
