//! A lab at work: its folder, its components, and the reporter of its events.

use std::time::{Duration, Instant};

use fs_err as fs;

use super::Lab;
use super::components::{Components, Place};
use super::environment::{environment, inside_environment, secret_environment};
use crate::artifacts::work::blocking;
use crate::core::event::{Event, LabEvent, RuntimeEvent, SharedReporter};
use crate::core::failure::{Failure, Result};
use crate::core::model::{LabAddress, RuntimeKind};
use crate::core::settings::Dirs;
use crate::machine::docker::Containers;
use crate::machine::host::{Host, apart};
use crate::machine::state::readiness::Readiness;
use crate::machine::state::{RunDir, RunState};
use crate::machine::{Machine, Runtime, ServiceSpec, ports};
use crate::mesh::vm::{Component, Vm, copy_of_this_program, packed_runtimes};

/// A lab that is running.
pub struct Session {
    pub(super) lab: Lab,
    pub(super) address: LabAddress,
    pub(super) machine: Machine,
    vm: Option<Vm>,
    pub(super) reporter: SharedReporter,
}

impl Session {
    /// Makes the lab's folder, its files and its PATH. No component runs yet.
    pub async fn prepare(
        lab: Lab,
        run: &RunDir,
        components: Components,
        dirs: &Dirs,
        reporter: SharedReporter,
    ) -> Result<Self> {
        run.create()?;
        let own = match &components.place {
            Place::Host => std::env::current_exe()
                .map_err(|error| Failure::failed("cannot find this program").seen(&error))?,
            Place::Docker { .. } => copy_of_this_program(run)?.into_std_path_buf(),
        };
        fs::os::unix::fs::symlink(own, run.bin().join("meshlab"))?;
        let mut state =
            RunState::new(lab.id.clone(), run.address(), components.path.clone(), components.tools.clone());
        state.environment.clone_from(&lab.environment);
        lay_down(&lab, run, &mut state)?;
        Self::over(lab, run, state, components, dirs, reporter).await
    }

    /// A session over what an earlier meshlab left running.
    pub async fn resume(
        lab: Lab,
        run: &RunDir,
        components: Components,
        dirs: &Dirs,
        reporter: SharedReporter,
    ) -> Result<Self> {
        let mut state = recorded(run)?;
        // Its author may have added some since. What a reader changed or removed stays so.
        lay_down(&lab, run, &mut state)?;
        Self::over(lab, run, state, components, dirs, reporter).await
    }

    /// The same, to look only: nothing on disk is touched, and another meshlab may be at work here.
    pub async fn observe(
        lab: Lab,
        run: &RunDir,
        components: Components,
        dirs: &Dirs,
        reporter: SharedReporter,
    ) -> Result<Self> {
        Self::of(lab, run, recorded(run)?, None, components.place, dirs, reporter).await
    }

    async fn over(
        lab: Lab,
        run: &RunDir,
        mut state: RunState,
        components: Components,
        dirs: &Dirs,
        reporter: SharedReporter,
    ) -> Result<Self> {
        let is_apart = apart::is_inside();
        state.network = if is_apart { apart::own_network() } else { None };
        // The intent first: whatever comes to be below the folder is known to belong to a lab.
        run.save(&state)?;
        if is_apart {
            apart::shorten(run)?;
        }
        let vm = match &lab.environment {
            Some(spec) => {
                let runtimes = components.runtimes;
                if !runtimes.is_empty() {
                    reporter.report(Event::Runtime(RuntimeEvent::PackingRuntimes));
                }
                let at = run.clone();
                let runtimes = blocking(move || packed_runtimes(&at, &runtimes)).await?;
                Some(Vm::prepare(run.clone(), spec.clone(), &components.packages, &runtimes)?)
            }
            None => None,
        };
        let mut session = Self::of(lab, run, state, vm, components.place, dirs, reporter).await?;
        if is_apart {
            session.open_doors().await?;
        }
        Ok(session)
    }

    /// Has the ports of a lab with a network of its own lead there from outside as well.
    async fn open_doors(&mut self) -> Result<()> {
        const NAME: &str = "doors";
        /// Nobody else's.
        const BELL: u16 = 8099;
        const PATIENCE: Duration = Duration::from_secs(10);
        if self.machine.is_alive(NAME).await {
            return Ok(());
        }
        let ports: Vec<String> = self.lab.ports.iter().map(|port| port.port.to_string()).collect();
        let ready = Readiness::Tcp { port: BELL };
        let spec = ServiceSpec {
            name: NAME.to_owned(),
            command: format!("meshlab svc doors --of {} --ready {BELL} {}", self.address, ports.join(" ")),
            listens: Vec::new(),
            ready: ready.clone(),
        };
        self.machine.start(&[spec]).await?;
        self.machine.await_ready(NAME, &ready, PATIENCE).await.map(drop)
    }

    async fn of(
        lab: Lab,
        run: &RunDir,
        state: RunState,
        vm: Option<Vm>,
        place: Place,
        dirs: &Dirs,
        reporter: SharedReporter,
    ) -> Result<Self> {
        let runtime: Box<dyn Runtime> = match place {
            Place::Host => Box::new(Host::new(run.clone(), environment(run, &state.path, dirs))),
            Place::Docker { daemon, plan } => {
                let environment = inside_environment(run, &state.path, dirs);
                Box::new(Box::pin(Containers::new(*daemon, run.clone(), *plan, environment)).await?)
            }
        };
        let mut machine = Machine::new(run.clone(), state, runtime);
        machine.set_secrets(secret_environment(run));
        Ok(Self { lab, address: run.address(), machine, vm, reporter })
    }

    /// Starts those of these components that do not run, side by side, and waits until all are ready. Says whether
    /// anything had to be started.
    pub async fn bring_up(&mut self, components: &[Component], patience: Duration) -> Result<bool> {
        let started = Instant::now();
        let mut missing = Vec::new();
        for component in components {
            if !self.machine.is_alive(component.name()).await {
                let spec = component.spec(self.environment()?);
                self.report_runtime(RuntimeEvent::Starting { component: spec.name.clone() });
                // A leader that was killed may have left workers, and they its ports. Nomad's are the jobs' own.
                if *component != Component::Nomad {
                    self.machine.stop(&spec.name).await?;
                }
                if RuntimeKind::of(self.address) == RuntimeKind::Host {
                    ports::require_free(self.address, &component.ports())?;
                }
                missing.push(spec);
            }
        }
        self.machine.start(&missing).await?;
        for component in components {
            let spec = component.spec(self.environment()?);
            self.report_runtime(RuntimeEvent::WaitingFor { component: spec.name.clone() });
            let observed = self.await_settled(&spec, Some(*component), patience).await?;
            if missing.contains(&spec) {
                let (component, took) = (spec.name.clone(), started.elapsed());
                self.report_runtime(RuntimeEvent::Ready { component, observed, took });
            }
        }
        Ok(!missing.is_empty())
    }

    /// Waits until a component is ready, and for one of the environment until what is left to do is done.
    pub(super) async fn await_settled(
        &self,
        spec: &ServiceSpec,
        component: Option<Component>,
        patience: Duration,
    ) -> Result<String> {
        let ready = self.machine.await_ready(&spec.name, &spec.ready, patience).await?;
        let Some(component) = component else { return Ok(ready) };
        let settled = component.settle(self.environment()?, patience).await;
        let done = settled.map_err(|failure| self.machine.with_log(failure, Some(&spec.name)))?;
        Ok(if done.is_empty() { ready } else { format!("{ready}; {done}") })
    }

    pub(super) fn report_runtime(&self, event: RuntimeEvent) {
        self.reporter.report(Event::Runtime(event));
    }

    /// Reports from here on to somebody else.
    pub fn report_to(&mut self, reporter: SharedReporter) {
        self.reporter = reporter;
    }

    /// The lab.
    pub fn lab(&self) -> &Lab {
        &self.lab
    }

    /// Leaves everything running.
    pub fn keep(&mut self) -> Result<()> {
        self.machine.keep()
    }

    pub(super) fn environment(&self) -> Result<&Vm> {
        // The definition was checked when it was read.
        self.vm.as_ref().ok_or_else(|| Failure::usage("this lab has no [environment]"))
    }

    pub(super) fn report(&self, event: LabEvent) {
        self.reporter.report(Event::Lab(event));
    }
}

/// Writes those of the lab's files that were not written before.
fn lay_down(lab: &Lab, run: &RunDir, state: &mut RunState) -> Result<()> {
    for (name, text) in &lab.files {
        if !state.files.contains(name) {
            fs::write(run.work().join(name.as_str()), text)?;
            state.files.push(name.clone());
        }
    }
    Ok(())
}

fn recorded(run: &RunDir) -> Result<RunState> {
    run.load().ok_or_else(|| {
        Failure::failed(format!("the record of {} is lost", run.root())).hint("`meshlab down` ends it")
    })
}
