//! A lab at work: brings its steps to life one by one and reports what happens.

use std::time::{Duration, Instant};

use camino::Utf8PathBuf;
use fs_err as fs;

use super::check::{Check, Verdict};
use super::{Action, Lab, RunAction, ServiceAction, Step};
use crate::event::{Event, LabEvent, SharedReporter, StepSummary};
use crate::failure::{Failure, FailureKind, Result};
use crate::model::{LabAddress, Slug};
use crate::runtime::host::Host;
use crate::runtime::{CommandEnvironment, ServiceSpec};
use crate::state::{RunDir, RunState};

/// How many of a component's last lines a failure shows.
const LOG_LINES: usize = 8;

/// The pause between two looks at a component that is starting.
const LOOK_PAUSE: Duration = Duration::from_millis(3);

/// The provisioned tools that a lab's commands find.
#[derive(Debug, Clone, Default)]
pub struct Components {
    /// Folders for PATH, first wins.
    pub path: Vec<Utf8PathBuf>,
    /// Name and version of each tool.
    pub tools: Vec<(String, String)>,
}

/// A lab that is running.
pub struct Session {
    lab: Lab,
    address: LabAddress,
    host: Host,
    reporter: SharedReporter,
}

impl Session {
    /// Makes the lab's folder, its files and its PATH. Nothing runs yet.
    pub fn prepare(lab: Lab, run: RunDir, components: Components, reporter: SharedReporter) -> Result<Self> {
        run.create()?;
        let own = std::env::current_exe()
            .map_err(|error| Failure::failed("cannot find this program").seen(&error))?;
        fs::os::unix::fs::symlink(own, run.bin().join("meshlab"))?;
        for (name, text) in &lab.files {
            fs::write(run.work().join(name.as_str()), text)?;
        }
        let address = run.address();
        let environment = environment(&run, &components.path);
        let state = RunState::new(lab.id.clone(), address, components.path, components.tools);
        let host = Host::new(run, state, environment)?;
        Ok(Self { lab, address, host, reporter })
    }

    /// The lab.
    pub fn lab(&self) -> &Lab {
        &self.lab
    }

    /// Leaves everything running.
    pub fn keep(&mut self) -> Result<()> {
        self.host.keep()
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
                    Some(service) => starting.push((service, self.start(run, service)?)),
                    None => self.execute(step, run).await?,
                },
                Action::Check(check) => self.prove(step, check).await?,
            }
        }
        for (service, started) in starting {
            self.await_ready(step, service, started).await?;
        }
        Ok(())
    }

    async fn prove(&self, step: &Step, check: &Check) -> Result<()> {
        let claim = check.claim().to_owned();
        self.report(LabEvent::CheckStarted { claim: claim.clone() });
        let started = Instant::now();
        let waiting = |observed: &str| {
            self.report(LabEvent::CheckWaiting { claim: claim.clone(), observed: observed.to_owned() });
        };
        match check.prove(self.address, &self.host, step.timeout, waiting).await {
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
                Err(self.with_log(failure, check.component().map(Slug::as_str)))
            }
        }
    }

    async fn execute(&self, step: &Step, run: &RunAction) -> Result<()> {
        self.report(LabEvent::Command { command: run.command.clone(), service: None });
        let started = Instant::now();
        let mut shown = 0;
        let mut last = String::new();
        let finished = self
            .host
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

    /// Starts a component; whether it is ready is asked later, so that neighbours come up together.
    fn start(&mut self, run: &RunAction, service: &ServiceAction) -> Result<Instant> {
        let name = service.name.to_string();
        self.report(LabEvent::Command { command: run.command.clone(), service: Some(name.clone()) });
        let started = Instant::now();
        self.host.start(&ServiceSpec {
            name,
            command: run.command.clone(),
            listens: service.listens.clone(),
            ready: service.ready.clone(),
        })?;
        Ok(started)
    }

    async fn await_ready(&mut self, step: &Step, service: &ServiceAction, started: Instant) -> Result<()> {
        let name = service.name.as_str();
        let deadline = started + step.timeout;
        loop {
            let observed = match service.ready.look(self.address).await {
                Ok(ready) => {
                    let (service, took) = (Some(name.to_owned()), started.elapsed());
                    self.report(LabEvent::CommandFinished { took, service, ready: Some(ready) });
                    return Ok(());
                }
                Err(observed) => observed,
            };
            if let Some(status) = self.host.ended(name) {
                let failure =
                    Failure::failed(format!("{name} ended before it was ready")).detail("seen", status);
                return Err(self.with_log(failure, Some(name)));
            }
            if Instant::now() >= deadline {
                let late = format!("{name} was not ready within {} s", step.timeout.as_secs());
                let failure = Failure::new(FailureKind::DeadlinePassed, late).detail("last seen", observed);
                return Err(self.with_log(failure, Some(name)));
            }
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    }

    fn with_log(&self, failure: Failure, service: Option<&str>) -> Failure {
        let Some(service) = service else { return failure };
        let lines = self.host.telling_log_lines(service, LOG_LINES);
        if lines.is_empty() { failure } else { failure.detail(format!("log of {service}"), lines.join("\n")) }
    }

    fn report(&self, event: LabEvent) {
        self.reporter.report(Event::Lab(event));
    }
}

/// Actions in order, with services that follow one another taken together.
fn groups(actions: &[Action]) -> impl Iterator<Item = &[Action]> {
    let starts = |action: &Action| matches!(action, Action::Run(run) if run.service.is_some());
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

/// The environment of a lab's commands: the lab's PATH and addresses, and nothing of the user's.
pub fn environment(run: &RunDir, path: &[Utf8PathBuf]) -> CommandEnvironment {
    const SYSTEM: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let address = run.address();
    let mut folders = vec![run.bin().into_string()];
    folders.extend(path.iter().map(ToString::to_string));
    folders.push(SYSTEM.to_owned());
    let pairs = [
        ("PATH", folders.join(":")),
        ("LANG", "C.UTF-8".to_owned()),
        ("CONSUL_HTTP_ADDR", address.port(8500).to_string()),
        ("CONSUL_GRPC_ADDR", address.port(8502).to_string()),
        ("NOMAD_ADDR", format!("http://{}", address.port(4646))),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
