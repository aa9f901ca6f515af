//! A running lab: its folder, its components, and its reporter.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fs_err as fs;

use super::Lab;
use super::components::Components;
use super::variables::{command_variables, token_variables};
use crate::artifacts::work::blocking;
use crate::core::event::{Event, LabEvent, Ready, RuntimeEvent, SharedReporter};
use crate::core::failure::{Failure, Result};
use crate::core::model::LabAddress;
use crate::core::settings::Dirs;
use crate::machine::state::{RunDir, RunState};
use crate::machine::{Backend, LoadedImages, Machine, ServiceSpec, Site, ports};
use crate::mesh::vm::{Component, Vm, packed_runtimes};

/// A lab that is running.
pub struct Session {
    pub(super) lab: Lab,
    pub(super) address: LabAddress,
    pub(super) machine: Machine,
    vm: Option<Vm>,
    pub(super) reporter: SharedReporter,
}

/// Where a session runs, and its reporter.
#[derive(Clone, Copy)]
pub(super) struct SessionPlace<'a> {
    pub(super) run: &'a RunDir,
    pub(super) backend: &'a Arc<dyn Backend>,
    pub(super) dirs: &'a Dirs,
    pub(super) reporter: &'a SharedReporter,
}

impl Session {
    pub(super) async fn begin(lab: Lab, at: SessionPlace<'_>, components: Components) -> Result<Self> {
        at.run.create()?;
        fs::os::unix::fs::symlink(at.backend.program()?, at.run.bin().join("meshlab"))?;
        let (path, tools) = (components.path.clone(), components.tools.clone());
        let mut state = RunState::new(lab.id.clone(), at.backend.kind(), at.run.address(), path, tools);
        state.environment.clone_from(&lab.environment);
        write_files(&lab, at.run, &mut state)?;
        Self::over(lab, at, state, components).await
    }

    pub(super) async fn resume(lab: Lab, at: SessionPlace<'_>, components: Components) -> Result<Self> {
        let mut state = recorded(at.run)?;
        // The lab may have new files since it started. A file that the reader changed or removed stays so.
        write_files(&lab, at.run, &mut state)?;
        Self::over(lab, at, state, components).await
    }

    pub(super) async fn observe(lab: Lab, at: SessionPlace<'_>, components: Components) -> Result<Self> {
        let state = recorded(at.run)?;
        Self::of(lab, at, state, None, components.images).await
    }

    async fn over(
        lab: Lab,
        at: SessionPlace<'_>,
        mut state: RunState,
        components: Components,
    ) -> Result<Self> {
        state.network = at.backend.netns();
        // The record comes first: everything in the folder then belongs to a known lab.
        at.run.save(&state)?;
        let vm = match &lab.environment {
            Some(spec) => {
                let runtimes = components.runtimes;
                if !runtimes.is_empty() {
                    at.reporter.report(Event::Runtime(RuntimeEvent::PackingRuntimes));
                }
                let run = at.run.clone();
                let runtimes = blocking(move || packed_runtimes(&run, &runtimes)).await?;
                let (placement, spec) = (at.backend.placement(), spec.clone());
                Some(Vm::prepare(at.run.clone(), placement, spec, &components.packages, &runtimes)?)
            }
            None => None,
        };
        let mut session = Self::of(lab, at, state, vm, components.images).await?;
        session.publish_ports().await?;
        Ok(session)
    }

    /// Makes the lab's ports reachable from outside, where that takes a component.
    async fn publish_ports(&mut self) -> Result<()> {
        const DEADLINE: Duration = Duration::from_secs(10);
        let Some(spec) = self.machine.backend().port_forwarder(&self.lab.ports) else { return Ok(()) };
        if self.machine.is_alive(&spec.name).await {
            return Ok(());
        }
        let (name, ready) = (spec.name.clone(), spec.ready.clone());
        self.machine.start(&[spec]).await?;
        self.machine.await_ready(&name, &ready, DEADLINE).await.map(drop)
    }

    async fn of(
        lab: Lab,
        at: SessionPlace<'_>,
        state: RunState,
        vm: Option<Vm>,
        images: LoadedImages,
    ) -> Result<Self> {
        let SessionPlace { run, backend, dirs, reporter } = at;
        let environment = command_variables(run, &state.path, dirs);
        let site = Site { needs: lab.needs(dirs), images, environment };
        backend.prepare(&site).await?;
        let mut machine = Machine::new(run.clone(), state, Arc::clone(backend), site);
        machine.set_secrets(token_variables(run));
        Ok(Self { lab, address: run.address(), machine, vm, reporter: reporter.clone() })
    }

    /// Starts the whole environment, in the order in which components need each other. Returns whether any component was
    /// started.
    pub async fn bring_up_all(&mut self, patience: Duration) -> Result<bool> {
        let mut changed = false;
        for together in Component::ALL.chunk_by(|_, next| !next.comes_last()) {
            changed |= self.bring_up(together, patience).await?;
        }
        Ok(changed)
    }

    /// Starts those of these components that do not run, in parallel, and waits until all are ready. Returns whether any
    /// was started.
    async fn bring_up(&mut self, components: &[Component], patience: Duration) -> Result<bool> {
        let started = Instant::now();
        let mut missing = Vec::new();
        for component in components {
            if !self.machine.is_alive(component.name()).await {
                let spec = component.spec(self.environment()?);
                self.report_runtime(RuntimeEvent::Starting { component: spec.name.clone() });
                // A killed leader may have left workers that hold its ports. Nomad's children are tasks, which go on.
                if *component != Component::Nomad {
                    self.machine.stop(&spec.name).await?;
                }
                if self.machine.backend().placement().shares_ports {
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

    /// Waits until a component is ready. A component of the environment then also completes its setup.
    pub(super) async fn await_settled(
        &self,
        spec: &ServiceSpec,
        component: Option<Component>,
        patience: Duration,
    ) -> Result<Ready> {
        let state = self.machine.await_ready(&spec.name, &spec.ready, patience).await?;
        let Some(component) = component else { return Ok(Ready { state, without_token: None }) };
        let settled = component.settle(self.environment()?, patience).await;
        let without_token = settled.map_err(|failure| self.machine.with_log(failure, Some(&spec.name)))?;
        Ok(Ready { state, without_token })
    }

    pub(super) fn report_runtime(&self, event: RuntimeEvent) {
        self.reporter.report(Event::Runtime(event));
    }

    /// Replaces the reporter.
    pub fn report_to(&mut self, reporter: SharedReporter) {
        self.reporter = reporter;
    }

    /// The lab.
    pub fn lab(&self) -> &Lab {
        &self.lab
    }

    /// Marks the lab as kept, so that it runs on when the session ends.
    pub fn keep(&mut self) -> Result<()> {
        self.machine.keep()
    }

    pub(super) fn environment(&self) -> Result<&Vm> {
        // The reader of `lab.toml` rejects `up` without [environment].
        self.vm.as_ref().ok_or_else(|| Failure::usage("this lab has no [environment]"))
    }

    pub(super) fn report(&self, event: LabEvent) {
        self.reporter.report(Event::Lab(event));
    }
}

/// Writes the lab's files that have not been written before.
fn write_files(lab: &Lab, run: &RunDir, state: &mut RunState) -> Result<()> {
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
        Failure::failed(format!("cannot read the state of the lab in {}", run.root()))
            .hint("`meshlab down` takes the lab down")
    })
}
