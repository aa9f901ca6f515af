//! The docker backend: components are containers that share one network namespace and one process namespace. Together they
//! are the lab's machine.
//!
//! Invariant: Docker's types are used here only. Containers and networks carry labels with the lab's folder, by which `down`
//! finds them.

mod clean;
mod container;
mod daemon;
mod exec;
mod failure;
pub mod images;
mod names;
mod network;
mod plan;
mod remove;
mod rights;
mod shell;

use std::collections::{BTreeMap, HashMap};
use std::process::ExitStatus;

use bollard::models::{
    ContainerCreateBody, EndpointIpamConfig, EndpointSettings, HostConfig, NetworkingConfig, PortBinding,
};
use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use futures_util::future::BoxFuture;

pub(super) use daemon::absent;
pub use daemon::{Daemon, Found, find, require};

use super::backend::{Backend, LabNeeds, OnLine, ServiceSpec, Site, Visit};
use super::host;
use super::images::LoadedImages;
use super::placement::Placement;
use super::program::copy_of_this_program;
use super::role::Role;
use super::variables::{CommandEnvironment, WIDTH_VARIABLE, at_home};
use crate::artifacts::image;
use crate::artifacts::lockfile::Lock;
use crate::artifacts::tool::{InstalledTool, Tools};
use crate::core::event::{Removed, SharedReporter};
use crate::core::failure::{Failure, Result};
use crate::core::model::{ArtifactName, LabAddress, LabId, Platform, RuntimeKind, Slug};
use crate::core::settings::{INSIDE_VARIABLE, Settings};
use crate::machine::ports;
use crate::machine::state::{ProcessRecord, RunDir, RunLock, ServiceRecord};
use exec::{Inside, variables};
use names::{MACHINE, Names};
use plan::Plan;
use rights::{Part, mounts, shared};

/// The machine's host name, as in the article.
const HOST_NAME: &str = "hello-servicemesh-envoy";

/// The folder of the tools' commands in every image.
pub const COMMANDS: &str = "/usr/local/bin";

/// Containers of one lab.
#[derive(Debug)]
pub struct Containers {
    daemon: Daemon,
    run: RunDir,
}

impl Containers {
    /// For the lab of a folder.
    pub fn new(daemon: Daemon, run: RunDir) -> Self {
        Self { daemon, run }
    }

    fn names(&self, lab: Option<&LabId>) -> Names {
        Names::new(&self.run, lab)
    }

    /// The environment of everything that runs inside.
    fn environment(&self, lab: &CommandEnvironment) -> CommandEnvironment {
        let mut environment = at_home(lab, &self.run);
        environment.insert(INSIDE_VARIABLE.to_owned(), "1".to_owned());
        environment
    }

    async fn ensure(&self, site: &Site) -> Result<()> {
        let names = self.names(Some(&site.needs.lab));
        remove::wake(&self.daemon.docker, &names).await?;
        self.ensure_machine(site, &names).await?;
        network::require_route(self.run.address())
    }

    async fn ensure_machine(&self, site: &Site, names: &Names) -> Result<()> {
        let docker = &self.daemon.docker;
        let name = names.container(MACHINE);
        let machine = container::look_own(docker, names, &name).await?;
        if machine.as_ref().and_then(container::process).is_some() {
            return Ok(());
        }
        // Before anything is made: a container of another owner may have a name that the lab needs.
        for component in &site.needs.components {
            container::look_own(docker, names, &names.container(component)).await?;
        }
        network::ensure(docker, names, self.run.address()).await?;
        // Containers that outlived their machine have lost its namespaces, and hold its address.
        for service in self.run.load().iter().flat_map(|state| &state.services) {
            container::remove_own(docker, names, &names.container(&service.name)).await?;
        }
        let published_on = self.placement().published_on.to_string();
        let published: HashMap<String, Option<Vec<PortBinding>>> = site
            .needs
            .ports
            .iter()
            .filter(|port| port.published)
            .map(|port| {
                let binding = PortBinding {
                    host_ip: Some(published_on.clone()),
                    host_port: Some(port.port.to_string()),
                };
                (format!("{}/tcp", port.port), Some(vec![binding]))
            })
            .collect();
        let endpoint = EndpointSettings {
            ipam_config: Some(EndpointIpamConfig {
                ipv4_address: Some(self.run.address().to_string()),
                ..EndpointIpamConfig::default()
            }),
            ..EndpointSettings::default()
        };
        let host_config = HostConfig {
            network_mode: Some(names.network()),
            port_bindings: Some(published.clone()),
            ..Part::Machine.host_config(vec![shared(self.run.root(), false)])
        };
        let body = ContainerCreateBody {
            hostname: Some(HOST_NAME.to_owned()),
            entrypoint: Some([self.run.program().as_str(), "svc", "pid1"].map(str::to_owned).to_vec()),
            exposed_ports: Some(published.into_keys().collect()),
            networking_config: Some(NetworkingConfig {
                endpoints_config: Some(HashMap::from([(names.network(), endpoint)])),
            }),
            host_config: Some(host_config),
            ..self.body(site, MACHINE, &site.images.machine, Part::Machine)
        };
        if container::start(docker, names, &name, &body).await?.is_some() {
            return Ok(());
        }
        let found = container::look(docker, &name).await?;
        Err(Failure::failed(format!("the container {name} exited immediately"))
            .seen_text(container::how_ended(found.as_ref()))
            .hint(format!("`docker logs {name}` shows its output")))
    }

    async fn start_component(&self, site: &Site, spec: &ServiceSpec) -> Result<Option<ProcessRecord>> {
        let names = self.names(Some(&site.needs.lab));
        let log = self.run.log(&spec.name);
        // Created here with mode 0600, before anything inside writes to it.
        fs::OpenOptions::new().create(true).append(true).mode(0o600).open(&log)?;
        let part = Part::from(&spec.role);
        // Tasks of a Nomad that was killed have outlived it, and hold their ports.
        let before = if spec.role == Role::Nomad { "meshlab svc end-tasks && " } else { "" };
        let machine = names.container(MACHINE);
        let host_config = HostConfig {
            network_mode: Some(format!("container:{machine}")),
            pid_mode: Some(format!("container:{machine}")),
            ..part.host_config(mounts(&spec.role, &self.run, site)?)
        };
        // The log is an argument. The command is the lab's own line, which the shell reads as a person's.
        let script = format!(
            "echo 'its output: meshlab logs {}'; exec >>\"$0\" 2>&1; {before}exec {}",
            spec.name, spec.command
        );
        let body = ContainerCreateBody {
            entrypoint: Some(["/bin/sh", "-c", &script, log.as_str()].map(str::to_owned).to_vec()),
            host_config: Some(host_config),
            ..self.body(site, &spec.name, site.images.of(&spec.role), part)
        };
        container::start(&self.daemon.docker, &names, &names.container(&spec.name), &body).await
    }

    /// What all containers of the lab have in common.
    fn body(&self, site: &Site, component: &str, image: &str, part: Part) -> ContainerCreateBody {
        let environment = self.environment(&site.environment);
        ContainerCreateBody {
            image: Some(image.to_owned()),
            user: Some(part.user()),
            // Programs inside inherit these variables. Commands of the lab get the width in addition.
            env: Some(variables(environment.iter().filter(|(name, _)| *name != WIDTH_VARIABLE))),
            working_dir: Some(self.run.work().into_string()),
            labels: Some(self.names(Some(&site.needs.lab)).component_labels(component)),
            ..ContainerCreateBody::default()
        }
    }

    async fn run_inside(
        &self,
        site: &Site,
        line: &str,
        secrets: &CommandEnvironment,
        on_line: OnLine<'_>,
    ) -> Result<ExitStatus> {
        let (container, folder, program) =
            (self.names(None).container(MACHINE), self.run.work(), self.run.program());
        let inside = Inside {
            docker: &self.daemon.docker,
            container: &container,
            folder: folder.as_str(),
            program: program.as_str(),
        };
        inside.run(line, &self.environment(&site.environment), secrets, on_line).await
    }

    async fn remove_all(&self) -> Result<Vec<Removed>> {
        let names = self.names(None);
        let removed = remove::remove_all(&self.daemon.docker, &names).await?;
        if self.run.program().exists() && !rustix::process::geteuid().is_root() {
            clean::empty_folder(&self.daemon.docker, &names, &self.run).await?;
        }
        Ok(removed)
    }
}

impl Backend for Containers {
    fn kind(&self) -> RuntimeKind {
        RuntimeKind::Docker
    }

    fn version(&self) -> Option<&str> {
        Some(&self.daemon.version)
    }

    fn placement(&self) -> Placement {
        Placement::of(self.kind(), self.run.address())
    }

    fn artifacts(&self, needs: &LabNeeds, lock: &Lock) -> Result<Vec<ArtifactName>> {
        image::artifacts(lock, &Plan::of(needs, lock)?.images())
    }

    fn path(&self, _installed: Vec<Utf8PathBuf>) -> Vec<Utf8PathBuf> {
        // Inside, the tools are those of the images.
        vec![COMMANDS.into()]
    }

    fn path_of(&self, tool: &InstalledTool, file: Utf8PathBuf) -> Utf8PathBuf {
        image::path_inside(tool, file)
    }

    fn program(&self) -> Result<Utf8PathBuf> {
        copy_of_this_program(&self.run)
    }

    fn require_free<'a>(&'a self, needs: &'a LabNeeds) -> BoxFuture<'a, Result<()>> {
        Box::pin(async {
            let placement = self.placement();
            ports::require_free(placement.published_on, &placement.needed_here(&needs.ports))?;
            require_free_network(&self.daemon, &self.run).await.map(drop)
        })
    }

    fn load<'a>(
        &'a self,
        needs: &'a LabNeeds,
        lock: &'a Lock,
        tools: &'a Tools,
        reporter: &'a SharedReporter,
    ) -> BoxFuture<'a, Result<LoadedImages>> {
        Box::pin(async move {
            let plan = Plan::of(needs, lock)?;
            let loaded = ensure_images(&self.daemon, lock, tools, &plan.images(), reporter).await?;
            Ok(plan.loaded(&loaded))
        })
    }

    fn prepare<'a>(&'a self, site: &'a Site) -> BoxFuture<'a, Result<()>> {
        Box::pin(self.ensure(site))
    }

    fn start<'a>(
        &'a self,
        site: &'a Site,
        spec: &'a ServiceSpec,
    ) -> BoxFuture<'a, Result<Option<ProcessRecord>>> {
        Box::pin(self.start_component(site, spec))
    }

    fn stop<'a>(&'a self, service: &'a ServiceRecord) -> BoxFuture<'a, Result<()>> {
        Box::pin(async {
            let names = self.names(None);
            container::remove_own(&self.daemon.docker, &names, &names.container(&service.name)).await
        })
    }

    fn ended<'a>(&'a self, service: &'a ServiceRecord) -> BoxFuture<'a, Option<String>> {
        Box::pin(async {
            if service.process.is_some_and(|process| process.pid_here().is_some()) {
                return None;
            }
            let name = self.names(None).container(&service.name);
            let ended = container::look_ended(&self.daemon.docker, &name).await;
            Some(ended.unwrap_or_else(|failure| failure.to_string()))
        })
    }

    fn execute<'a>(
        &'a self,
        site: &'a Site,
        line: &'a str,
        secrets: &'a CommandEnvironment,
        on_line: OnLine<'a>,
    ) -> BoxFuture<'a, Result<ExitStatus>> {
        Box::pin(self.run_inside(site, line, secrets, on_line))
    }

    fn enter<'a>(&'a self, mut visit: Visit<'a>) -> BoxFuture<'a, Result<u8>> {
        visit.environment = self.environment(&visit.environment);
        Box::pin(shell::enter(&self.daemon.docker, &self.run, visit))
    }

    fn is_there(&self) -> BoxFuture<'_, Result<bool>> {
        Box::pin(async { remove::is_there(&self.daemon.docker, &self.names(None)).await })
    }

    fn take_down(&self, lock: RunLock) -> BoxFuture<'_, Result<Vec<Removed>>> {
        Box::pin(async {
            let allocations = host::allocations(&self.run);
            let mut removed = self.remove_all().await?;
            removed.extend(host::take_down(&self.run, lock, &allocations).await?);
            Ok(removed)
        })
    }
}

/// Loads these images of the lock into the daemon, unless it has them, and returns their names there. The tools are
/// installed.
pub async fn ensure_images(
    daemon: &Daemon,
    lock: &Lock,
    tools: &Tools,
    names: &[Slug],
    reporter: &SharedReporter,
) -> Result<BTreeMap<Slug, String>> {
    images::ensure(&daemon.docker, lock, Platform::current()?, tools, names, reporter).await
}

/// The folder of the lab in containers that these settings are about, else of the lab on the default address.
pub fn usual_run(settings: &Settings) -> RunDir {
    let address = if settings.address.is_loopback() { LabAddress::MACHINE } else { settings.address };
    RunDir::new(&settings.dirs.state, address)
}

/// The address range of a lab's network. Fails if another network overlaps it.
pub async fn require_free_network(daemon: &Daemon, run: &RunDir) -> Result<String> {
    network::require_free(&daemon.docker, &Names::new(run, None), run.address()).await
}

/// The addresses of all labs of a state folder that have containers or networks, even where their folders are gone.
pub async fn labelled_addresses(daemon: &Daemon, state_dir: &Utf8Path) -> Result<Vec<LabAddress>> {
    remove::addresses(&daemon.docker, state_dir.join("run").as_str()).await
}
