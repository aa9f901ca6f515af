//! Which runtime a lab gets, and the end of a lab on either.

use std::time::Instant;

use crate::artifacts::image;
use crate::artifacts::lockfile::{Image, Lock};
use crate::artifacts::tool::Tools;
use crate::core::event::{Event, Note, RuntimeEvent, RuntimeReason, SharedReporter};
use crate::core::failure::{Failure, Result};
use crate::core::model::{ArtifactName, RuntimeKind, Slug};
use crate::core::settings::Settings;
use crate::labs::Lab;
use crate::machine::docker::{self, Daemon, Found, Plan};
use crate::machine::ports::{self, NeededPort};
use crate::machine::state::{RunDir, RunLock};
use crate::machine::{host, process};

/// Where a lab is to run.
#[derive(Debug)]
pub(super) struct Chosen {
    /// The settings, with the lab's address in them.
    pub(super) settings: Settings,
    /// Docker's daemon, where containers were chosen.
    pub(super) daemon: Option<Daemon>,
    /// Why this runtime.
    pub(super) reason: RuntimeReason,
}

/// Containers where a daemon answers, else processes, unless something leaves no choice: a flag, an address, a lab that
/// runs already.
pub(super) async fn choose(settings: &Settings) -> Result<Chosen> {
    let docker_host = docker_host(settings);
    let mut settings = settings.clone();
    if !is_undecided(&settings) {
        let (daemon, reason) = match RuntimeKind::of(settings.address) {
            RuntimeKind::Docker => {
                let daemon = docker::require(docker_host).await?;
                let docker_version = Some(daemon.version.clone());
                (Some(daemon), RuntimeReason::Requested { docker_version })
            }
            RuntimeKind::Host => (None, RuntimeReason::Requested { docker_version: None }),
        };
        return Ok(Chosen { settings, daemon, reason });
    }
    let (kind, daemon, reason) = match docker::find(docker_host).await? {
        Found::Usable(daemon) => {
            let docker_version = daemon.version.clone();
            (RuntimeKind::Docker, Some(*daemon), RuntimeReason::DockerFound { docker_version })
        }
        Found::Absent(observed) => (RuntimeKind::Host, None, RuntimeReason::DockerAbsent { observed }),
    };
    settings.address = kind.default_address();
    Ok(Chosen { settings, daemon, reason })
}

/// Fails if something else holds a port that the lab needs on this machine, or the network of its containers.
pub(super) async fn require_free(run: &RunDir, lab: &Lab, daemon: Option<&Daemon>) -> Result<()> {
    let address = run.address();
    let Some(daemon) = daemon else { return ports::require_free(address, &lab.ports) };
    let doors: Vec<NeededPort> = lab.ports.iter().filter(|port| port.door).cloned().collect();
    ports::require_free(address.published(), &doors)?;
    docker::require_free_network(daemon, run).await.map(drop)
}

/// The images that a lab's containers are made of.
#[derive(Debug)]
pub(super) struct Images {
    /// The smallest one that has all of the lab's tools: the machine itself.
    machine: Slug,
    /// Those of single tools.
    programs: Vec<Slug>,
}

impl Images {
    pub(super) fn of(lab: &Lab, lock: &Lock) -> Result<Self> {
        let has_all = |image: &&Image| lab.tools.iter().all(|tool| image.contents.contains(tool));
        let machine = lock.images.iter().filter(has_all).min_by_key(|image| image.contents.len());
        let machine = machine.ok_or_else(|| {
            let tools: Vec<&str> = lab.tools.iter().map(ArtifactName::as_str).collect();
            Failure::failed(format!("no image of the lock has all tools of lab {}", lab.id))
                .detail("tools", tools.join(", "))
                .hint("add one to deps.lock (`[[image]]`), or run the lab as processes: --runtime host")
        })?;
        let is_tool = |image: &&Image| lab.tools.iter().any(|tool| tool.as_str() == image.name.as_str());
        let programs = lock.images.iter().filter(is_tool).map(|image| image.name.clone()).collect();
        Ok(Self { machine: machine.name.clone(), programs })
    }

    fn names(&self) -> Vec<Slug> {
        std::iter::once(&self.machine).chain(&self.programs).cloned().collect()
    }

    /// What has to be installed for them.
    pub(super) fn artifacts(&self, lock: &Lock) -> Result<Vec<ArtifactName>> {
        image::artifacts(lock, &self.names())
    }

    /// What a lab's containers are made of; the images are loaded first, where the daemon does not have them.
    pub(super) async fn plan(
        &self,
        lab: &Lab,
        daemon: &Daemon,
        settings: &Settings,
        lock: &Lock,
        reporter: &SharedReporter,
    ) -> Result<Plan> {
        let tools = Tools::new(&settings.dirs.data);
        let called = docker::ensure_images(daemon, lock, &tools, &self.names(), reporter).await?;
        let reference = |name: &Slug| called.get(name).cloned().unwrap_or_default();
        Ok(Plan {
            lab: lab.id.clone(),
            machine: reference(&self.machine),
            programs: self.programs.iter().map(|name| (name.to_string(), reference(name))).collect(),
            components: lab.components(),
            published: lab.ports.iter().filter(|port| port.door).map(|port| port.port).collect(),
            store: settings.dirs.cache.clone(),
            network: lab.environment.as_ref().map(|spec| spec.network).unwrap_or_default(),
        })
    }
}

/// Whether anything of a lab is there: its folder, processes, containers, a network.
pub(super) async fn is_anything_there(run: &RunDir, settings: &Settings) -> Result<bool> {
    if run.exists() || !process::find_members(run, None)?.is_empty() {
        return Ok(true);
    }
    match RuntimeKind::of(run.address()) {
        RuntimeKind::Host => Ok(false),
        RuntimeKind::Docker => match docker::find(docker_host(settings)).await? {
            Found::Usable(daemon) => docker::is_there(&daemon, run).await,
            Found::Absent(_) => Ok(false),
        },
    }
}

/// What an interrupted run left is taken down first; what was kept on purpose is not touched.
pub(super) async fn clear_leftovers(
    run: &RunDir,
    run_lock: RunLock,
    settings: &Settings,
    reporter: &SharedReporter,
) -> Result<RunLock> {
    if !is_anything_there(run, settings).await? {
        return Ok(run_lock);
    }
    if let Some(state) = run.load().filter(|state| state.kept) {
        let address = run.address();
        return Err(Failure::failed(format!("lab {} is running on {address}", state.lab)).hint(format!(
            "`meshlab down` ends it; --address {} runs another one beside it",
            address.alternative()
        )));
    }
    reporter.report(Event::Note(Note::LeftoversFound { address: run.address() }));
    take_down(run, run_lock, settings, reporter).await?;
    run.lock().await
}

/// Takes down what was begun. Nothing was started before there was a folder for it.
pub(super) async fn undo(
    run: &RunDir,
    run_lock: RunLock,
    settings: &Settings,
    reporter: &SharedReporter,
) -> Result<()> {
    if run.exists() { take_down(run, run_lock, settings, reporter).await } else { run.remove(run_lock) }
}

/// Takes down what runs on an address and reports it.
pub(crate) async fn take_down(
    run: &RunDir,
    run_lock: RunLock,
    settings: &Settings,
    reporter: &SharedReporter,
) -> Result<()> {
    let started = Instant::now();
    let allocations = host::allocations(run);
    let mut removed = match RuntimeKind::of(run.address()) {
        RuntimeKind::Host => Vec::new(),
        RuntimeKind::Docker => {
            let daemon = docker::require(docker_host(settings)).await.map_err(|failure| {
                failure.hint("the lab's containers are Docker's: start it, then run `meshlab down` again")
            })?;
            docker::take_down(&daemon, run).await?
        }
    };
    removed.extend(host::take_down(run, run_lock, &allocations).await?);
    reporter.report(Event::Runtime(RuntimeEvent::TakenDown { removed, took: started.elapsed() }));
    Ok(())
}

/// The daemon that the user's own `docker` would ask.
pub(super) fn docker_host(settings: &Settings) -> Option<&str> {
    settings.environment.var("DOCKER_HOST")
}

/// Whether nothing has decided where a lab runs: no flag, no address, no lab that is there already.
pub(super) fn is_undecided(settings: &Settings) -> bool {
    settings.runtime.kind().is_none() && !settings.is_address_set && !RunDir::of(settings).exists()
}
