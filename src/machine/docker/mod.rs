//! Components as containers that share one network namespace and one process namespace: together they are the machine
//! that a lab is about.
//!
//! The only place that knows Docker's types. What is made here carries labels with the lab's folder, so that `down` finds
//! it by those alone.

mod clean;
mod container;
mod daemon;
mod exec;
mod failure;
pub mod images;
mod names;
mod network;
mod remove;
mod rights;
mod shell;

use std::collections::{BTreeMap, HashMap};
use std::process::ExitStatus;

use bollard::models::{
    ContainerCreateBody, EndpointIpamConfig, EndpointSettings, HostConfig, Mount, NetworkingConfig,
    PortBinding,
};
use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use futures_util::future::BoxFuture;

pub use daemon::{Daemon, Found, find, require};
pub use shell::{Visit, visit};

use super::{
    ALLOCATIONS, CommandEnvironment, OnLine, Runtime, ServiceSpec, WIDTH_VARIABLE, at_home, program_of,
};
use crate::artifacts::lockfile::Lock;
use crate::artifacts::tool::Tools;
use crate::core::event::{Removed, SharedReporter};
use crate::core::failure::{Failure, Result};
use crate::core::model::{LabAddress, LabId, Network, Platform, Slug};
use crate::machine::state::{ProcessRecord, RunDir, ServiceRecord};
use exec::{Inside, variables};
use names::{MACHINE, Names};
use rights::{Part, shared};

/// The machine's own name, as in the article.
const HOST_NAME: &str = "hello-servicemesh-envoy";

/// Where commands of the tools lie in every image.
pub const COMMANDS: &str = "/usr/local/bin";

/// What a lab's containers are made of.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Which lab, for the labels.
    pub lab: LabId,
    /// The image of the machine itself: it has every tool of the lab.
    pub machine: String,
    /// Images of single programs, by the program's name.
    pub programs: BTreeMap<String, String>,
    /// What its components are called.
    pub components: Vec<String>,
    /// Ports that are published on this machine's loopback.
    pub published: Vec<u16>,
    /// The store, which the package repository reads.
    pub store: Utf8PathBuf,
    /// What network Nomad's tasks may ask for.
    pub network: Network,
}

/// Starts, runs and ends containers.
#[derive(Debug)]
pub struct Containers {
    daemon: Daemon,
    run: RunDir,
    plan: Plan,
    names: Names,
    environment: CommandEnvironment,
}

impl Containers {
    /// Makes the lab's network and machine, unless they are there. The lab's folder exists.
    pub async fn new(
        daemon: Daemon,
        run: RunDir,
        plan: Plan,
        environment: CommandEnvironment,
    ) -> Result<Self> {
        let environment = at_home(environment, &run);
        let names = Names::new(&run, Some(&plan.lab));
        let containers = Self { daemon, run, plan, names, environment };
        remove::wake(&containers.daemon.docker, &containers.names).await?;
        containers.ensure_machine().await?;
        network::require_route(containers.run.address())?;
        Ok(containers)
    }

    async fn ensure_machine(&self) -> Result<()> {
        let docker = &self.daemon.docker;
        let name = self.names.container(MACHINE);
        let machine = container::look_own(docker, &self.names, &name).await?;
        if machine.as_ref().and_then(container::process).is_some() {
            return Ok(());
        }
        // Before anything is made: names that are somebody else's.
        for component in &self.plan.components {
            container::look_own(docker, &self.names, &self.names.container(component)).await?;
        }
        network::ensure(docker, &self.names, self.run.address()).await?;
        // Without their machine the others are nothing, and would keep it from its address.
        for service in self.run.load().iter().flat_map(|state| &state.services) {
            container::remove_own(docker, &self.names, &self.names.container(&service.name)).await?;
        }
        let doors = self.run.address().published();
        let published: HashMap<String, Option<Vec<PortBinding>>> = self
            .plan
            .published
            .iter()
            .map(|port| {
                let binding =
                    PortBinding { host_ip: Some(doors.to_string()), host_port: Some(port.to_string()) };
                (format!("{port}/tcp"), Some(vec![binding]))
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
            network_mode: Some(self.names.network()),
            port_bindings: Some(published),
            ..Part::Machine.host_config(vec![self.folder()])
        };
        let body = ContainerCreateBody {
            hostname: Some(HOST_NAME.to_owned()),
            entrypoint: Some([self.run.program().as_str(), "svc", "hold"].map(str::to_owned).to_vec()),
            exposed_ports: Some(self.plan.published.iter().map(|port| format!("{port}/tcp")).collect()),
            networking_config: Some(NetworkingConfig {
                endpoints_config: Some(HashMap::from([(self.names.network(), endpoint)])),
            }),
            host_config: Some(host_config),
            ..self.body(MACHINE, &self.plan.machine, Part::Machine)
        };
        if container::start(docker, &self.names, &name, &body).await?.is_some() {
            return Ok(());
        }
        let found = container::look(docker, &name).await?;
        Err(Failure::failed(format!("the container {name} does not stay"))
            .detail("seen", container::how_ended(found.as_ref()))
            .hint(format!("`docker logs {name}` shows what it said")))
    }

    async fn start_component(&self, spec: &ServiceSpec) -> Result<Option<ProcessRecord>> {
        let log = self.run.log(&spec.name);
        // Made here, for its owner alone.
        fs::OpenOptions::new().create(true).append(true).mode(0o600).open(&log)?;
        let part = Part::of(&spec.command);
        let mut mounts = vec![self.folder()];
        // Tasks of a Nomad that was killed have outlived it, and hold their ports.
        let before = if part == Part::Scheduler {
            mounts.push(shared(Utf8Path::new("/sys/fs/cgroup"), false));
            if self.plan.network == Network::Bridge {
                let folder = self.run.allocations();
                fs::create_dir_all(&folder)?;
                mounts.push(Mount { target: Some(ALLOCATIONS.to_owned()), ..shared(&folder, false) });
            }
            "meshlab svc sweep && "
        } else {
            ""
        };
        if self.plan.store.is_dir() && spec.command.starts_with("meshlab repo ") {
            mounts.push(shared(&self.plan.store, true));
        }
        let machine = self.names.container(MACHINE);
        let host_config = HostConfig {
            network_mode: Some(format!("container:{machine}")),
            pid_mode: Some(format!("container:{machine}")),
            ..part.host_config(mounts)
        };
        // The log is an argument. The command is the lab's own line, which the shell is to read as a person's.
        let script = format!(
            "echo 'its output: meshlab logs {}'; exec >>\"$0\" 2>&1; {before}exec {}",
            spec.name, spec.command
        );
        let body = ContainerCreateBody {
            entrypoint: Some(["/bin/sh", "-c", &script, log.as_str()].map(str::to_owned).to_vec()),
            host_config: Some(host_config),
            ..self.body(&spec.name, self.image(&spec.command), part)
        };
        let name = self.names.container(&spec.name);
        container::start(&self.daemon.docker, &self.names, &name, &body).await
    }

    /// What all containers of the lab have in common.
    fn body(&self, component: &str, image: &str, part: Part) -> ContainerCreateBody {
        ContainerCreateBody {
            image: Some(image.to_owned()),
            user: Some(part.user()),
            // Whatever runs inside inherits it; commands of the lab get the width beside it.
            env: Some(variables(self.environment.iter().filter(|(name, _)| *name != WIDTH_VARIABLE))),
            working_dir: Some(self.run.work().into_string()),
            labels: Some(self.names.component_labels(component)),
            ..ContainerCreateBody::default()
        }
    }

    fn folder(&self) -> Mount {
        shared(self.run.root(), false)
    }

    /// The smallest image that has what a command line needs.
    fn image(&self, command: &str) -> &str {
        self.plan.programs.get(program_of(command)).unwrap_or(&self.plan.machine)
    }
}

impl Runtime for Containers {
    fn start<'a>(&'a self, spec: &'a ServiceSpec) -> BoxFuture<'a, Result<Option<ProcessRecord>>> {
        Box::pin(self.start_component(spec))
    }

    fn stop<'a>(&'a self, service: &'a ServiceRecord) -> BoxFuture<'a, Result<()>> {
        let name = self.names.container(&service.name);
        Box::pin(async move { container::remove_own(&self.daemon.docker, &self.names, &name).await })
    }

    fn ended<'a>(&'a self, service: &'a ServiceRecord) -> BoxFuture<'a, Option<String>> {
        Box::pin(async {
            if service.process.is_some_and(|process| process.pid_here().is_some()) {
                return None;
            }
            let name = self.names.container(&service.name);
            let ended = container::look_ended(&self.daemon.docker, &name).await;
            Some(ended.unwrap_or_else(|failure| failure.to_string()))
        })
    }

    fn execute<'a>(
        &'a self,
        line: &'a str,
        secrets: &'a CommandEnvironment,
        on_line: OnLine<'a>,
    ) -> BoxFuture<'a, Result<ExitStatus>> {
        Box::pin(async move {
            let (container, folder, program) =
                (self.names.container(MACHINE), self.run.work(), self.run.program());
            let inside = Inside {
                docker: &self.daemon.docker,
                container: &container,
                folder: folder.as_str(),
                program: program.as_str(),
            };
            inside.run(line, &self.environment, secrets, on_line).await
        })
    }
}

/// Sees to it that the daemon has these images of the lock, and says what each is called there. The tools are installed.
pub async fn ensure_images(
    daemon: &Daemon,
    lock: &Lock,
    tools: &Tools,
    names: &[Slug],
    reporter: &SharedReporter,
) -> Result<BTreeMap<Slug, String>> {
    images::ensure(&daemon.docker, lock, Platform::current()?, tools, names, reporter).await
}

/// Removes every container and network of a lab, by their labels. Returns what was there.
pub async fn take_down(daemon: &Daemon, run: &RunDir) -> Result<Vec<Removed>> {
    let names = Names::new(run, None);
    let removed = remove::remove_all(&daemon.docker, &names).await?;
    if run.program().exists() && !rustix::process::geteuid().is_root() {
        clean::empty_folder(&daemon.docker, &names, run).await?;
    }
    Ok(removed)
}

/// The range of a lab's addresses. Fails if somebody else has any of them.
pub async fn require_free_network(daemon: &Daemon, run: &RunDir) -> Result<String> {
    network::require_free(&daemon.docker, &Names::new(run, None), run.address()).await
}

/// Whether a lab has containers or a network, running or not.
pub async fn is_there(daemon: &Daemon, run: &RunDir) -> Result<bool> {
    remove::is_there(&daemon.docker, &Names::new(run, None)).await
}

/// The addresses of all labs of a state folder that have containers or networks, even where their folders are gone.
pub async fn labelled_addresses(daemon: &Daemon, state_dir: &Utf8Path) -> Result<Vec<LabAddress>> {
    remove::addresses(&daemon.docker, state_dir.join("run").as_str()).await
}
