//! The host backend: components are processes of this machine, each in its own process group.

mod exec;
mod mounts;
pub mod netns;
mod shell;
pub(super) mod stop;

use std::process::{ExitStatus, Stdio};
use std::sync::Mutex;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use futures_util::future::BoxFuture;
use tokio::process::{Child, Command};

use super::ALLOCATIONS;
use super::backend::{Backend, LabNeeds, OnLine, ServiceSpec, Site, Visit};
use super::images::LoadedImages;
use super::placement::Placement;
use super::program::own_file;
use super::role::Role;
use super::variables::{CommandEnvironment, at_home};
use crate::artifacts::lockfile::Lock;
use crate::artifacts::tool::{InstalledTool, Tools};
use crate::core::event::{Removed, SharedReporter};
use crate::core::failure::{Failure, Result};
use crate::core::model::{ArtifactName, Network, RuntimeKind};
use crate::machine::ports::{self, NeededPort};
use crate::machine::state::alive::is_running;
use crate::machine::state::alive::start_ticks;
use crate::machine::state::readiness::Readiness;
use crate::machine::state::{ProcessRecord, RunDir, RunLock, ServiceRecord, now};

/// The shell that runs a lab's commands, as it would run them for a person.
const SHELL: &str = "/bin/sh";

/// The name of the component that forwards ports into the lab's own network namespace.
pub const PORT_FORWARDER: &str = "ports";

/// The port in that namespace on which the forwarder listens once all ports are open. Nothing else uses it.
const FORWARDER_READY: u16 = 8099;

/// Processes of this machine.
#[derive(Debug)]
pub struct Host {
    run: RunDir,
    children: Mutex<Vec<(String, Child)>>,
}

impl Host {
    /// For the lab of a folder.
    pub fn new(run: RunDir) -> Self {
        Self { run, children: Mutex::new(Vec::new()) }
    }

    fn spawn(&self, site: &Site, spec: &ServiceSpec) -> Result<Option<ProcessRecord>> {
        let log =
            fs::OpenOptions::new().create(true).append(true).mode(0o600).open(self.run.log(&spec.name))?;
        let (log, _) = log.into_parts();
        let errors = log.try_clone()?;
        // `exec`: the component replaces the shell, so that its process id is the one recorded.
        let mut command = self.command(site, &format!("exec {}", spec.command));
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
        (!is_running(record.pid, record.start_ticks)).then(|| "its process has ended".to_owned())
    }

    /// A panic elsewhere does not make the list wrong.
    fn children(&self) -> std::sync::MutexGuard<'_, Vec<(String, Child)>> {
        self.children.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// A command of this lab, in its folder, with its environment and nothing else, in its own process group.
    fn command(&self, site: &Site, line: &str) -> Command {
        let mut command = Command::new(SHELL);
        command
            .arg("-c")
            .arg(line)
            .current_dir(self.run.work())
            .env_clear()
            .envs(at_home(&site.environment, &self.run))
            .process_group(0);
        command
    }
}

impl Backend for Host {
    fn kind(&self) -> RuntimeKind {
        RuntimeKind::Host
    }

    fn version(&self) -> Option<&str> {
        None
    }

    fn placement(&self) -> Placement {
        Placement::of(self.kind(), self.run.address())
    }

    fn artifacts(&self, _needs: &LabNeeds, _lock: &Lock) -> Result<Vec<ArtifactName>> {
        Ok(Vec::new())
    }

    fn path(&self, installed: Vec<Utf8PathBuf>) -> Vec<Utf8PathBuf> {
        installed
    }

    fn path_of(&self, _tool: &InstalledTool, file: Utf8PathBuf) -> Utf8PathBuf {
        file
    }

    fn program(&self) -> Result<Utf8PathBuf> {
        own_file()
    }

    fn require_free<'a>(&'a self, needs: &'a LabNeeds) -> BoxFuture<'a, Result<()>> {
        Box::pin(async { ports::require_free(self.run.address(), &needs.ports) })
    }

    fn load<'a>(
        &'a self,
        _needs: &'a LabNeeds,
        _lock: &'a Lock,
        _tools: &'a Tools,
        _reporter: &'a SharedReporter,
    ) -> BoxFuture<'a, Result<LoadedImages>> {
        Box::pin(async { Ok(LoadedImages::default()) })
    }

    fn needs_netns(&self, network: Network) -> Result<bool> {
        if network == Network::Machine || netns::is_inside() {
            return Ok(false);
        }
        netns::require_rights().map(|()| true)
    }

    fn re_exec_in_netns(&self, path: &[Utf8PathBuf], again: std::process::Command) -> Result<()> {
        let busybox = path.iter().map(|folder| folder.join("busybox")).find(|path| path.exists());
        let busybox = busybox.ok_or_else(|| {
            Failure::usage("this lab needs a network of its own, and no busybox to create it")
                .hint("add \"busybox\" to the lab's tools")
        })?;
        netns::make(self.run.state_dir(), &busybox)?;
        match netns::re_exec(again)? {}
    }

    fn netns(&self) -> Option<u64> {
        if netns::is_inside() { netns::own_network() } else { None }
    }

    fn prepare<'a>(&'a self, _site: &'a Site) -> BoxFuture<'a, Result<()>> {
        Box::pin(async { if netns::is_inside() { netns::shorten(&self.run) } else { Ok(()) } })
    }

    fn port_forwarder(&self, ports: &[NeededPort]) -> Option<ServiceSpec> {
        self.netns()?;
        let ports: Vec<String> = ports.iter().map(|port| port.port.to_string()).collect();
        Some(ServiceSpec {
            name: PORT_FORWARDER.to_owned(),
            role: Role::PortForwarder,
            command: format!("meshlab svc forward-ports --ready {FORWARDER_READY} {}", ports.join(" ")),
            listens: Vec::new(),
            ready: Readiness::Tcp { port: FORWARDER_READY },
        })
    }

    fn start<'a>(
        &'a self,
        site: &'a Site,
        spec: &'a ServiceSpec,
    ) -> BoxFuture<'a, Result<Option<ProcessRecord>>> {
        Box::pin(async { self.spawn(site, spec) })
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
        site: &'a Site,
        line: &'a str,
        secrets: &'a CommandEnvironment,
        on_line: OnLine<'a>,
    ) -> BoxFuture<'a, Result<ExitStatus>> {
        Box::pin(async move {
            let mut command = self.command(site, line);
            exec::run(line, command.envs(secrets), on_line).await
        })
    }

    fn enter<'a>(&'a self, visit: Visit<'a>) -> BoxFuture<'a, Result<u8>> {
        Box::pin(async { Err(shell::replace_this_process(&self.run, visit)) })
    }

    fn is_there(&self) -> BoxFuture<'_, Result<bool>> {
        Box::pin(async { Ok(false) })
    }

    fn take_down(&self, lock: RunLock) -> BoxFuture<'_, Result<Vec<Removed>>> {
        Box::pin(async { take_down(&self.run, lock, &allocations(&self.run)).await })
    }
}

/// The allocations of a lab's Nomad. Their control groups are found by these ids, also when the lab's folder is gone.
pub(super) fn allocations(run: &RunDir) -> Vec<String> {
    mounts::allocations(run)
}

/// Empties a lab's folder and removes the control groups of its tasks. None of its processes is left.
pub(super) async fn clear(run: &RunDir) -> Result<()> {
    let allocations = allocations(run);
    mounts::remove_control_groups(run, &allocations, mounts::Others::Unknown).await?;
    for entry in fs::read_dir(run.root())? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() { fs::remove_dir_all(path)? } else { fs::remove_file(path)? }
    }
    Ok(())
}

/// Ends everything that carries this lab's mark or is recorded in its state, and removes its folder. Returns what was
/// removed. `allocations` are those of the lab while it ran.
pub(super) async fn take_down(run: &RunDir, lock: RunLock, allocations: &[String]) -> Result<Vec<Removed>> {
    let state = run.load();
    let mut removed = stop::end_all(run, state.as_ref()).await?;
    removed.extend(mounts::unmount_below(run.root())?);
    if netns::is_inside() {
        // These mounts go with the lab's own mount namespace. Only the folder below must be free of them.
        mounts::unmount_below(Utf8Path::new(ALLOCATIONS))?;
    }
    removed.extend(mounts::remove_control_groups(run, allocations, mounts::Others::Visible).await?);
    if run.exists() {
        removed.push(Removed::Folder { path: run.root().to_owned() });
    }
    run.remove(lock)?;
    Ok(removed)
}
