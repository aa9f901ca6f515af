//! A lab at work: brings its steps to life one by one and reports what happens.

use std::time::{Duration, Instant};

use camino::Utf8PathBuf;
use fs_err as fs;

use super::check::{Check, Verdict};
use super::{Action, Lab, RunAction, Step};
use crate::cli::{Dirs, INSIDE_VARIABLE};
use crate::event::{Event, LabEvent, RuntimeEvent, SharedReporter, StepSummary};
use crate::failure::{Failure, FailureKind, Result};
use crate::model::{LabAddress, Slug};
use crate::runtime::docker::{Containers, Daemon, Plan};
use crate::runtime::host::Host;
use crate::runtime::{
    CommandEnvironment, Machine, Runtime, RuntimeKind, ServiceSpec, WIDTH_VARIABLE, at_home, ports,
};
use crate::state::{RunDir, RunState};
use crate::vm::{CONSUL_HTTP, Component, NOMAD_HTTP, Package, Secrets, Vm, copy_of_this_program};

/// The provisioned tools that a lab's commands find.
#[derive(Debug, Clone, Default)]
pub struct Components {
    /// Folders for PATH, first wins.
    pub path: Vec<Utf8PathBuf>,
    /// Name and version of each tool.
    pub tools: Vec<(String, String)>,
    /// The tools' commands, for the lab's package repository.
    pub packages: Vec<Package>,
    /// Where all of it runs.
    pub place: Place,
}

/// Where a lab runs, with what that needs.
#[derive(Debug, Clone, Default)]
pub enum Place {
    /// As processes of this machine.
    #[default]
    Host,
    /// As containers.
    Docker {
        /// The daemon that keeps them.
        daemon: Box<Daemon>,
        /// What they are made of.
        plan: Box<Plan>,
    },
}

/// A lab that is running.
pub struct Session {
    lab: Lab,
    address: LabAddress,
    machine: Machine,
    vm: Option<Vm>,
    reporter: SharedReporter,
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
        for (name, text) in &lab.files {
            fs::write(run.work().join(name.as_str()), text)?;
        }
        let mut state =
            RunState::new(lab.id.clone(), run.address(), components.path.clone(), components.tools.clone());
        state.environment.clone_from(&lab.environment);
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
        let lost = || {
            Failure::failed(format!("the record of {} is lost", run.root())).hint("`meshlab down` ends it")
        };
        let state = run.load().ok_or_else(lost)?;
        Self::over(lab, run, state, components, dirs, reporter).await
    }

    async fn over(
        lab: Lab,
        run: &RunDir,
        state: RunState,
        components: Components,
        dirs: &Dirs,
        reporter: SharedReporter,
    ) -> Result<Self> {
        // The intent first: whatever comes to be below the folder is known to belong to a lab.
        run.save(&state)?;
        let vm = match &lab.environment {
            Some(wishes) => Some(Vm::prepare(run.clone(), wishes.clone(), &components.packages)?),
            None => None,
        };
        let runtime: Box<dyn Runtime> = match components.place {
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

    fn report_working(&self, what: String) {
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

    /// Runs one step (`index` from 0). `Err` says why it failed; the summary was reported before either way.
    pub async fn run_step(&mut self, index: usize) -> (StepSummary, Result<()>) {
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
            outcome = self.act(&step, group).await.map_err(|failure| with_place(failure, number, &step));
            if outcome.is_err() {
                break;
            }
            checks += group.iter().filter(|action| matches!(action, Action::Check(_))).count();
        }
        let (passed, took) = (outcome.is_ok(), started.elapsed());
        self.report(LabEvent::StepFinished { number, step: step.id.clone(), passed, took });
        (StepSummary { number, step: step.id, title: step.title, passed, checks, took }, outcome)
    }

    /// Does what belongs together: one command, one check, or services that start side by side.
    async fn act(&mut self, step: &Step, group: &[Action]) -> Result<()> {
        let mut starting = Vec::new();
        for action in group {
            match action {
                Action::Run(run) => match &run.service {
                    Some(service) => starting.push((service.spec(&run.command), None)),
                    None => self.execute(step, run).await?,
                },
                Action::Up(component) => {
                    starting.push((component.spec(self.environment()?), Some(*component)));
                }
                Action::Check(check) => self.prove(step, check).await?,
            }
        }
        self.start(step, &starting).await
    }

    fn environment(&self) -> Result<&Vm> {
        // The definition was checked when it was read.
        self.vm.as_ref().ok_or_else(|| Failure::usage("this lab has no [environment]"))
    }

    async fn prove(&self, step: &Step, check: &Check) -> Result<()> {
        let claim = check.claim.clone();
        self.report(LabEvent::CheckStarted { claim: claim.clone() });
        let started = Instant::now();
        let waiting = |observed: &str| {
            self.report(LabEvent::CheckWaiting { claim: claim.clone(), observed: observed.to_owned() });
        };
        match check.prove(self.address, &self.machine, step.timeout, waiting).await {
            Verdict::Holds { evidence } => {
                self.report(LabEvent::CheckPassed { claim, evidence, took: started.elapsed() });
                Ok(())
            }
            Verdict::Fails { observed } => {
                let expected = check.expected();
                let failure = Failure::new(FailureKind::CheckFailed, format!("check failed: {claim}"))
                    .detail("expected", expected.clone())
                    .detail("observed", format!("{observed} (for {} s)", step.timeout.as_secs()));
                self.report(LabEvent::CheckFailed { claim, expected, observed });
                Err(self.machine.with_log(failure, check.component.as_ref().map(Slug::as_str)))
            }
        }
    }

    async fn execute(&self, step: &Step, run: &RunAction) -> Result<()> {
        self.report(LabEvent::Command { command: run.command.clone(), service: None });
        let started = Instant::now();
        let mut shown = 0;
        let mut last = String::new();
        let finished = self
            .machine
            .execute(&run.command, step.timeout, |line| {
                last.clone_from(&line.text);
                if shown < run.shown_lines {
                    shown += 1;
                    self.report(LabEvent::Output { line: line.text, error: line.error });
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
        let specs: Vec<ServiceSpec> = starting.iter().map(|(spec, _)| spec.clone()).collect();
        self.machine.start(&specs).await?;
        for (spec, component) in starting {
            let ready = self.await_settled(spec, *component, step.timeout).await?;
            let (service, took) = (Some(spec.name.clone()), started.elapsed());
            self.report(LabEvent::CommandFinished { took, service, ready: Some(ready) });
        }
        Ok(())
    }

    fn report(&self, event: LabEvent) {
        self.reporter.report(Event::Lab(event));
    }
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
fn with_place(failure: Failure, number: usize, step: &Step) -> Failure {
    let failure = failure.detail("step", format!("{number}, {}", step.title));
    match (failure.hint_text(), step.hints.first()) {
        (None, Some(hint)) => failure.hint(hint.clone()),
        (None, None) => {
            failure.hint("run the lab again with --keep, then look around: `meshlab logs`, `meshlab shell`")
        }
        (Some(_), _) => failure,
    }
}

/// The environment of a lab's commands: the lab's PATH and addresses, meshlab's folders, and nothing of the user's.
pub fn environment(run: &RunDir, path: &[Utf8PathBuf], dirs: &Dirs) -> CommandEnvironment {
    const SYSTEM: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let address = run.address();
    let mut folders = vec![run.bin().into_string()];
    folders.extend(path.iter().map(ToString::to_string));
    folders.push(SYSTEM.to_owned());
    let pairs = [
        ("PATH", folders.join(":")),
        ("LANG", "C.UTF-8".to_owned()),
        ("CONSUL_HTTP_ADDR", address.port(CONSUL_HTTP).to_string()),
        ("CONSUL_GRPC_ADDR", address.port(8502).to_string()),
        ("NOMAD_ADDR", format!("http://{}", address.port(NOMAD_HTTP))),
        ("NOMAD_REGION", "bj".to_owned()),
        // What commands write is shown with a margin, on a terminal that may have 80 columns.
        (WIDTH_VARIABLE, "76".to_owned()),
        // What the lab shows is meant for its reader; Nomad's own hints after every command are not.
        ("NOMAD_CLI_SHOW_HINTS", "false".to_owned()),
        ("MESHLAB_ADDRESS", address.to_string()),
        ("MESHLAB_CACHE_DIR", dirs.cache.to_string()),
        ("MESHLAB_DATA_DIR", dirs.data.to_string()),
        ("MESHLAB_STATE_DIR", dirs.state.to_string()),
        ("MESHLAB_CONFIG_DIR", dirs.config.to_string()),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The same inside the machine of a lab's containers.
pub fn inside_environment(run: &RunDir, path: &[Utf8PathBuf], dirs: &Dirs) -> CommandEnvironment {
    let mut environment = environment(run, path, dirs);
    environment.insert(INSIDE_VARIABLE.to_owned(), "1".to_owned());
    at_home(environment, run)
}

/// The tokens of a lab that has some, for commands that a person would type.
pub fn secret_environment(run: &RunDir) -> CommandEnvironment {
    let secrets = Secrets::read(run);
    let pairs = secrets.iter().flat_map(Secrets::variables);
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}
