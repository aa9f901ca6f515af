//! A lab at work: brings its steps to life one by one and reports what happens.

use std::time::{Duration, Instant};

use fs_err as fs;

use super::check::{Check, Verdict};
use super::components::{Components, Place};
use super::environment::{environment, inside_environment, secret_environment};
use super::reader::Reader;
use super::{Action, Lab, RunAction, Step};
use crate::artifact::work::blocking;
use crate::cli::Dirs;
use crate::event::{Event, LabEvent, RuntimeEvent, SharedReporter, StepSummary};
use crate::failure::{Failure, FailureKind, Result};
use crate::model::{LabAddress, Slug};
use crate::runtime::docker::Containers;
use crate::runtime::host::{Host, apart};
use crate::runtime::readiness::Readiness;
use crate::runtime::{Machine, Runtime, RuntimeKind, ServiceSpec, ports};
use crate::state::{RunDir, RunState};
use crate::vm::{Component, Vm, copy_of_this_program, packed_runtimes};

/// Of a command's output, no more lines than these are told of.
const MOST_LINES: usize = 2000;

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
            Some(wishes) => {
                let runtimes = components.runtimes;
                if !runtimes.is_empty() {
                    let what = "packing runtimes".to_owned();
                    reporter.report(Event::Runtime(RuntimeEvent::Working { what }));
                }
                let at = run.clone();
                let runtimes = blocking(move || packed_runtimes(&at, &runtimes)).await?;
                Some(Vm::prepare(run.clone(), wishes.clone(), &components.packages, &runtimes)?)
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
                self.report_working(format!("starting {}", spec.name));
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
            self.report_working(format!("waiting for {}", spec.name));
            let detail = self.await_settled(&spec, Some(*component), patience).await?;
            if missing.contains(&spec) {
                let what = format!("{} is up", spec.name);
                let took = started.elapsed();
                self.reporter.report(Event::Runtime(RuntimeEvent::Done { what, detail, took }));
            }
        }
        Ok(!missing.is_empty())
    }

    /// Waits until a component is ready, and for one of the environment until what is left to do is done.
    async fn await_settled(
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

    pub(super) fn report_working(&self, what: String) {
        self.reporter.report(Event::Runtime(RuntimeEvent::Working { what }));
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

    /// Runs one step (`index` from 0); a reader is asked to do what the lab leaves to one. `Err` says why it failed; the
    /// summary was reported before, unless the reader stopped in the middle of it.
    pub async fn run_step(&mut self, index: usize, reader: Option<&dyn Reader>) -> (StepSummary, Result<()>) {
        let step = self.lab.steps[index].clone();
        let number = index + 1;
        self.report(LabEvent::StepStarted {
            number,
            of: self.lab.steps.len(),
            step: step.id.clone(),
            title: step.title.clone(),
            text: step.text.clone(),
        });
        let started = Instant::now();
        let mut checks = 0;
        let mut outcome = Ok(());
        for group in groups(&step.actions) {
            let acted = self.act(&step, group, reader).await;
            outcome = acted.map_err(|failure| with_place(failure, number, &step));
            if outcome.is_err() {
                break;
            }
            checks += group.iter().filter(|action| matches!(action, Action::Check(_))).count();
        }
        let (passed, took) = (outcome.is_ok(), started.elapsed());
        if !matches!(&outcome, Err(failure) if failure.kind() == FailureKind::Stopped) {
            self.report(LabEvent::StepFinished { number, step: step.id.clone(), passed, took });
        }
        (StepSummary { number, step: step.id, title: step.title, passed, checks, took }, outcome)
    }

    /// Does what belongs together: one command, one check, or services that start side by side.
    async fn act(&mut self, step: &Step, group: &[Action], reader: Option<&dyn Reader>) -> Result<()> {
        let mut starting = Vec::new();
        for action in group {
            match action {
                Action::Run(run) => match &run.service {
                    Some(service) => starting.push((service.spec(&run.command), None)),
                    None if self.is_done_by(reader, step, run).await? => {}
                    None => self.execute(step, run).await?,
                },
                Action::Up(component) => {
                    starting.push((component.spec(self.environment()?), Some(*component)));
                }
                Action::Check(check) => self.prove(check, step.timeout).await?,
            }
        }
        self.start(step, &starting).await
    }

    fn environment(&self) -> Result<&Vm> {
        // The definition was checked when it was read.
        self.vm.as_ref().ok_or_else(|| Failure::usage("this lab has no [environment]"))
    }

    pub(super) async fn prove(&self, check: &Check, patience: Duration) -> Result<()> {
        let claim = check.claim.clone();
        self.report(LabEvent::CheckStarted { claim: claim.clone() });
        let started = Instant::now();
        let waiting = |observed: &str| {
            self.report(LabEvent::CheckWaiting { claim: claim.clone(), observed: observed.to_owned() });
        };
        match check.prove(self.address, &self.machine, patience, waiting).await {
            Verdict::Holds { evidence } => {
                self.report(LabEvent::CheckPassed { claim, evidence, took: started.elapsed() });
                Ok(())
            }
            Verdict::Fails { observed } => {
                let expected = check.expected();
                let failure = Failure::new(FailureKind::CheckFailed, format!("check failed: {claim}"))
                    .detail("expected", expected.clone())
                    .detail("observed", format!("{observed} (for {} s)", patience.as_secs()));
                let path = check.way(self.machine.run()).await;
                let failure = match &path {
                    Some(Ok(way)) => failure.detail("path", way.in_short()),
                    Some(Err(why)) => failure.detail("path", format!("not known: {why}")),
                    None => failure,
                };
                let path = path.and_then(|way| way.ok().map(Box::new));
                self.report(LabEvent::CheckFailed { claim, expected, observed, path });
                Err(self.machine.with_log(failure, check.component.as_ref().map(Slug::as_str)))
            }
        }
    }

    pub(super) async fn execute(&self, step: &Step, run: &RunAction) -> Result<()> {
        self.report(LabEvent::Command { command: run.command.clone(), service: None });
        let started = Instant::now();
        let (mut shown, mut beyond) = (0, 0);
        let mut last = String::new();
        let finished = self
            .machine
            .execute(&run.command, step.timeout, |line| {
                last.clone_from(&line.text);
                if shown < run.shown_lines {
                    shown += 1;
                    self.report(LabEvent::Output { line: line.text, error: line.error });
                } else if shown + beyond < MOST_LINES {
                    beyond += 1;
                    self.report(LabEvent::OutputBeyond { line: line.text, error: line.error });
                }
            })
            .await?;
        if finished.lines > shown {
            self.report(LabEvent::OutputCut { lines: finished.lines - shown });
        }
        if !finished.status.success() {
            return Err(Failure::failed(format!("`{}` failed", run.command))
                .detail("seen", finished.status.to_string())
                .detail("last line", last));
        }
        self.report(LabEvent::CommandFinished { took: started.elapsed(), service: None, ready: None });
        Ok(())
    }

    /// Starts neighbours side by side, and waits until all of them are ready.
    async fn start(&mut self, step: &Step, starting: &[(ServiceSpec, Option<Component>)]) -> Result<()> {
        for (spec, _) in starting {
            let (command, service) = (spec.command.clone(), Some(spec.name.clone()));
            self.report(LabEvent::Command { command, service });
        }
        let started = Instant::now();
        let mut specs = Vec::with_capacity(starting.len());
        for (spec, component) in starting {
            // A step that is done once more: the lab's own services begin anew, the environment goes on.
            if self.machine.is_alive(&spec.name).await {
                if component.is_some() {
                    continue;
                }
                self.machine.stop(&spec.name).await?;
            }
            specs.push(spec.clone());
        }
        self.machine.start(&specs).await?;
        for (spec, component) in starting {
            let ready = self.await_settled(spec, *component, step.timeout).await?;
            let (service, took) = (Some(spec.name.clone()), started.elapsed());
            self.report(LabEvent::CommandFinished { took, service, ready: Some(ready) });
        }
        Ok(())
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

/// Actions in order, with services that follow one another taken together.
fn groups(actions: &[Action]) -> impl Iterator<Item = &[Action]> {
    let starts = |action: &Action| match action {
        Action::Run(run) => run.service.is_some(),
        Action::Up(_) => true,
        Action::Check(_) => false,
    };
    actions.chunk_by(move |one, next| starts(one) && starts(next))
}

/// Adds the step, and the step's first hint if the failure has none.
pub(super) fn with_place(failure: Failure, number: usize, step: &Step) -> Failure {
    let failure = failure.detail("step", format!("{number}, {}", step.title));
    match (failure.hint_text(), step.hints.first()) {
        (None, Some(hint)) => failure.hint(hint.clone()),
        (None, None) => {
            failure.hint("run the lab again with --keep, then look around: `meshlab logs`, `meshlab shell`")
        }
        (Some(_), _) => failure,
    }
}
