//! The lab on one address. Each component is recorded before it starts, so that the next meshlab finds it.

use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use tokio::sync::Notify;

use super::backend::{Backend, ServiceSpec, Site};
use super::output::OutputLine;
use super::variables::CommandEnvironment;
use crate::core::failure::{Failure, FailureKind, Result};
use crate::core::model::ByteSize;
use crate::machine::state::{RunDir, RunState, ServiceRecord};

/// The most that a command may write, in bytes. A command that writes more is stopped.
const MOST_OUTPUT: usize = 16_000_000;

/// A lab's components and commands, wherever they run.
#[derive(Debug)]
pub struct Machine {
    run: RunDir,
    state: RunState,
    /// Tokens, for commands in the foreground only: components and their children do not get them.
    secrets: CommandEnvironment,
    backend: Arc<dyn Backend>,
    site: Site,
}

/// How a command ended.
#[derive(Debug, Clone)]
pub struct Finished {
    /// Its exit status.
    pub status: ExitStatus,
    /// The number of its lines; all were delivered.
    pub lines: usize,
}

impl Machine {
    /// A lab whose folder exists, with its recorded state, on a backend that is prepared for it.
    pub fn new(run: RunDir, state: RunState, backend: Arc<dyn Backend>, site: Site) -> Self {
        Self { run, state, secrets: CommandEnvironment::new(), backend, site }
    }

    /// Where its components run.
    pub fn backend(&self) -> &dyn Backend {
        self.backend.as_ref()
    }

    /// Sets the tokens of commands in the foreground.
    pub fn set_secrets(&mut self, secrets: CommandEnvironment) {
        self.secrets = secrets;
    }

    /// The recorded state.
    pub fn state(&self) -> &RunState {
        &self.state
    }

    /// The lab's folder.
    pub fn run(&self) -> &RunDir {
        &self.run
    }

    /// Whether a component was started and has not ended.
    pub async fn is_alive(&self, service: &str) -> bool {
        self.record(service).is_some_and(|record| record.process.is_some())
            && self.ended(service).await.is_none()
    }

    /// Starts components in the background, concurrently, for the first time or again.
    pub async fn start(&mut self, specs: &[ServiceSpec]) -> Result<()> {
        for spec in specs {
            self.state.services.retain(|record| record.name != spec.name);
            self.state.services.push(ServiceRecord {
                name: spec.name.clone(),
                role: spec.role.clone(),
                command: spec.command.clone(),
                listens: spec.listens.clone(),
                ready: spec.ready.clone(),
                process: None,
            });
        }
        for spec in specs {
            tracing::info!("starts {}: {}", spec.name, spec.command);
        }
        self.run.save(&self.state)?;
        let started = join_all(specs.iter().map(|spec| self.backend.start(&self.site, spec))).await;
        let mut outcome = Ok(());
        for (spec, started) in specs.iter().zip(started) {
            match started {
                Ok(process) => {
                    tracing::info!(pid = process.map(|process| process.pid), "started {}", spec.name);
                    if let Some(record) =
                        self.state.services.iter_mut().find(|record| record.name == spec.name)
                    {
                        record.process = process;
                    }
                }
                Err(failure) => {
                    tracing::warn!("cannot start {}: {failure}", spec.name);
                    outcome = outcome.and(Err(self.with_log(failure, Some(&spec.name))));
                }
            }
        }
        self.run.save(&self.state)?;
        outcome
    }

    /// Ends a component, also one of an earlier meshlab, and returns once nothing of it is left.
    pub async fn stop(&self, service: &str) -> Result<()> {
        match self.record(service) {
            Some(record) => {
                tracing::info!(pid = record.process.map(|process| process.pid), "stops {service}");
                self.backend.stop(record).await
            }
            None => Ok(()),
        }
    }

    /// How a component ended; `None` while it runs.
    pub async fn ended(&self, service: &str) -> Option<String> {
        self.backend.ended(self.record(service)?).await
    }

    /// Runs a command line to its end and passes each line to `on_line` as it comes.
    pub async fn execute(
        &self,
        line: &str,
        deadline: Duration,
        mut on_line: impl FnMut(OutputLine) + Send,
    ) -> Result<Finished> {
        tracing::info!("runs `{line}`");
        let started = Instant::now();
        let mut last = String::new();
        let mut lines = 0;
        let mut bytes = 0;
        let too_much = Notify::new();
        let mut counted = |next: OutputLine| {
            lines += 1;
            bytes += next.text.len() + 1;
            if bytes > MOST_OUTPUT {
                too_much.notify_one();
                return;
            }
            last.clone_from(&next.text);
            on_line(next);
        };
        let run = self.backend.execute(&self.site, line, &self.secrets, &mut counted);
        let limited = async {
            tokio::select! {
                biased;
                () = too_much.notified() => None,
                // Both may have become ready at once.
                status = run => too_much.notified().now_or_never().is_none().then_some(status),
            }
        };
        match tokio::time::timeout(deadline, limited).await {
            Ok(Some(status)) => {
                let status = status?;
                tracing::info!(%status, lines, millis = started.elapsed().as_millis(), "`{line}` ended");
                Ok(Finished { status, lines })
            }
            Ok(None) => {
                Err(Failure::failed(format!("`{line}` wrote more than {}", ByteSize(MOST_OUTPUT as u64)))
                    .detail("last line", last)
                    .hint("it was stopped; let the command write less"))
            }
            Err(_) => Err(Failure::new(
                FailureKind::DeadlinePassed,
                format!("`{line}` did not end in {deadline:?}"),
            )
            .detail("last line", if last.is_empty() { "(none)".to_owned() } else { last })
            .hint("it was stopped; `meshlab logs` shows what the components were doing")),
        }
    }

    /// Records that the lab stays running on purpose.
    pub fn keep(&mut self) -> Result<()> {
        self.state.kept = true;
        self.run.save(&self.state)
    }

    fn record(&self, service: &str) -> Option<&ServiceRecord> {
        self.state.services.iter().find(|record| record.name == service)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use camino::Utf8Path;

    use super::*;
    use crate::core::model::LabAddress;
    use crate::machine::role::Role;
    use crate::machine::scripted::{Scripted, site};
    use crate::machine::state::readiness::Readiness;

    fn spec(name: &str) -> ServiceSpec {
        ServiceSpec {
            name: name.to_owned(),
            role: Role::default(),
            command: format!("{name} --serve"),
            listens: Vec::new(),
            // Nothing listens there.
            ready: Readiness::Tcp { port: 1 },
        }
    }

    fn machine(temporary: &tempfile::TempDir, script: Scripted) -> Machine {
        let run = RunDir::new(Utf8Path::from_path(temporary.path()).unwrap(), LabAddress::DEFAULT);
        run.create().unwrap();
        let state = RunState::on_host("1-x", LabAddress::DEFAULT, &[]);
        Machine::new(run.clone(), state, Arc::new(Scripted { run: Some(run), ..script }), site("1-x"))
    }

    #[tokio::test]
    async fn what_starts_is_recorded_before_and_after_also_beside_one_that_does_not() {
        let temporary = tempfile::tempdir().unwrap();
        let script = Scripted {
            broken: BTreeMap::from([("b".into(), "no such image".into())]),
            ..Scripted::default()
        };
        let asked = script.calls.clone();
        let mut machine = machine(&temporary, script);
        let failure = machine.start(&[spec("a"), spec("b"), spec("c")]).await.unwrap_err();
        assert_eq!(failure.message(), "no such image");
        let started = ["start a (recorded: true)", "start b (recorded: true)", "start c (recorded: true)"];
        assert_eq!(*asked.lock().unwrap(), started);
        let state = machine.run().load().unwrap();
        let known: Vec<_> =
            state.services.iter().map(|known| (known.name.as_str(), known.process.is_some())).collect();
        assert_eq!(known, [("a", true), ("b", false), ("c", true)]);
        assert!(machine.is_alive("a").await && !machine.is_alive("b").await);
    }

    #[tokio::test]
    async fn one_that_ends_is_not_waited_for_and_its_log_is_shown() {
        let temporary = tempfile::tempdir().unwrap();
        let script = Scripted {
            ended: BTreeMap::from([("a".into(), "exit status: 3".into())]),
            ..Scripted::default()
        };
        let mut machine = machine(&temporary, script);
        machine.start(&[spec("a")]).await.unwrap();
        std::fs::write(machine.run().log("a"), "[DEBUG] x\nno such file\n").unwrap();
        let patience = Duration::from_mins(1);
        let failure = machine.await_ready("a", &spec("a").ready, patience).await.unwrap_err();
        assert_eq!(failure.message(), "a ended before it was ready");
        let shown: Vec<&str> = failure.details().iter().map(|detail| detail.text.as_str()).collect();
        assert_eq!(shown, ["exit status: 3", "no such file"]);
    }

    #[tokio::test]
    async fn a_command_gets_secrets_and_a_deadline() {
        let temporary = tempfile::tempdir().unwrap();
        let lines = vec!["one".to_owned(), "two".to_owned()];
        let script = Scripted { commands: BTreeMap::from([("list".into(), lines)]), ..Scripted::default() };
        let asked = script.calls.clone();
        let mut machine = machine(&temporary, script);
        machine.set_secrets(CommandEnvironment::from([("TOKEN".into(), "x".into())]));
        let deadline = Duration::from_millis(50);
        let mut seen = Vec::new();
        let finished = machine.execute("list", deadline, |line| seen.push(line.text)).await.unwrap();
        assert_eq!((finished.lines, seen), (2, vec!["one".to_owned(), "two".to_owned()]));
        let late = machine.execute("for-ever", deadline, drop).await.unwrap_err();
        assert_eq!(late.kind(), FailureKind::DeadlinePassed);
        assert_eq!(late.details()[0].text, "still at it");
        assert_eq!(*asked.lock().unwrap(), ["run list with TOKEN", "run for-ever with TOKEN"]);
    }

    #[tokio::test]
    async fn a_command_that_writes_too_much_is_stopped() {
        let temporary = tempfile::tempdir().unwrap();
        let lines = vec!["x".repeat(MOST_OUTPUT / 2); 3];
        let script = Scripted { commands: BTreeMap::from([("yes".into(), lines)]), ..Scripted::default() };
        let machine = machine(&temporary, script);
        let mut seen = 0;
        let stopped = machine.execute("yes", Duration::from_mins(1), |_| seen += 1).await.unwrap_err();
        assert_eq!((seen, stopped.message()), (1, "`yes` wrote more than 16.0 MB"));
    }
}
