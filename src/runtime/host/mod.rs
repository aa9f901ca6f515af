//! Components as processes of this machine, each in a process group of its own.

mod await_ready;
mod exec;
mod mounts;
mod scan;
mod stop;

use fs_err::os::unix::fs::OpenOptionsExt as _;
use std::process::Stdio;

use fs_err as fs;
use tokio::process::{Child, Command};

pub use exec::{Finished, OutputLine};
pub use scan::{
    Listener, Member, TaskProcess, find_members, find_task_processes, is_running, listeners,
    marked_addresses, start_ticks,
};

use super::{CommandEnvironment, ServiceSpec};
use crate::failure::{Failure, Result};
use crate::state::{ProcessRecord, RUN_DIR_VARIABLE, RunDir, RunState, ServiceRecord, now};

/// The shell that runs a lab's commands, as it would run them for a person.
const SHELL: &str = "/bin/sh";

/// The lab on one address: starts, runs and ends its processes.
#[derive(Debug)]
pub struct Host {
    run: RunDir,
    state: RunState,
    environment: CommandEnvironment,
    /// Tokens: for commands in the foreground only, never for what stays and starts other programs.
    secrets: CommandEnvironment,
    children: Vec<(String, Child)>,
}

impl Host {
    /// A lab whose folder exists, with what is recorded of it. Records the intent before anything else runs.
    pub fn new(run: RunDir, state: RunState, mut environment: CommandEnvironment) -> Result<Self> {
        environment.insert(RUN_DIR_VARIABLE.to_owned(), run.root().to_string());
        environment.insert("TMPDIR".to_owned(), run.temporary().to_string());
        environment.insert("HOME".to_owned(), run.work().to_string());
        run.save(&state)?;
        Ok(Self { run, state, environment, secrets: CommandEnvironment::new(), children: Vec::new() })
    }

    /// Variables for commands in the foreground.
    pub fn set_secrets(&mut self, secrets: CommandEnvironment) {
        self.secrets = secrets;
    }

    /// What is recorded.
    pub fn state(&self) -> &RunState {
        &self.state
    }

    /// The lab's folder.
    pub fn run(&self) -> &RunDir {
        &self.run
    }

    /// Whether a component was started and has not ended.
    pub fn is_alive(&mut self, service: &str) -> bool {
        self.state.services.iter().any(|record| record.name == service && record.process.is_some())
            && self.ended(service).is_none()
    }

    /// Starts a component in the background, for the first time or again. Its output goes to its log.
    pub fn start(&mut self, spec: &ServiceSpec) -> Result<()> {
        self.state.services.retain(|record| record.name != spec.name);
        self.children.retain(|(name, _)| *name != spec.name);
        self.state.services.push(ServiceRecord {
            name: spec.name.clone(),
            command: spec.command.clone(),
            listens: spec.listens.clone(),
            ready: spec.ready.clone(),
            process: None,
        });
        self.run.save(&self.state)?;
        let log =
            fs::OpenOptions::new().create(true).append(true).mode(0o600).open(self.run.log(&spec.name))?;
        let (log, _) = log.into_parts();
        let errors = log.try_clone()?;
        // `exec`: the component takes the shell's place, so that its process id is the one recorded.
        let mut command = self.command(&format!("exec {}", spec.command));
        let child = command
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .map_err(|error| Failure::failed(format!("cannot start {}", spec.name)).seen(&error))?;
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
        if let Some((pid, start_ticks)) = pid.and_then(|pid| Some((pid, start_ticks(pid)?)))
            && let Some(record) = self.state.services.last_mut()
        {
            record.process = Some(ProcessRecord { pid, start_ticks, started: now() });
            self.run.save(&self.state)?;
        }
        self.children.push((spec.name.clone(), child));
        Ok(())
    }

    /// Ends a component, whoever started it, and returns once its process group has no process left.
    pub async fn stop(&mut self, service: &str) -> Result<()> {
        let known = self.state.services.iter().find(|record| record.name == service);
        match known.and_then(|record| record.process) {
            Some(leader) => stop::end_group(service, leader).await,
            None => Ok(()),
        }
    }

    /// How a component ended, if it has.
    pub fn ended(&mut self, service: &str) -> Option<String> {
        if let Some((_, child)) = self.children.iter_mut().find(|(name, _)| name == service) {
            return child.try_wait().ok().flatten().map(|status| status.to_string());
        }
        // An earlier meshlab started it.
        let record = self.state.services.iter().find(|record| record.name == service)?.process?;
        (!is_running(record.pid, record.start_ticks)).then(|| "it is gone".to_owned())
    }

    /// The last lines a component wrote that may tell why something failed: what it notes for its own developers
    /// is left out, unless there is nothing else.
    pub fn telling_log_lines(&self, service: &str, count: usize) -> Vec<String> {
        const LOOKED_AT: usize = 2000;
        let lines = last_lines(&self.run, service, LOOKED_AT);
        let is_detail = |line: &&String| {
            ["[DEBUG]", "[TRACE]", "[debug]", "[trace]"].iter().any(|mark| line.contains(mark))
        };
        let telling: Vec<&String> = lines.iter().filter(|line| !is_detail(line)).collect();
        let chosen = if telling.is_empty() { lines.iter().collect() } else { telling };
        chosen[chosen.len().saturating_sub(count)..].iter().map(|line| (*line).clone()).collect()
    }

    /// Leaves everything running, and says so to the next meshlab.
    pub fn keep(&mut self) -> Result<()> {
        self.state.kept = true;
        self.run.save(&self.state)
    }

    /// A command of this lab, in its folder, with its environment and nothing else, in a process group of its own.
    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(SHELL);
        command
            .arg("-c")
            .arg(line)
            .current_dir(self.run.work())
            .env_clear()
            .envs(&self.environment)
            .process_group(0);
        command
    }
}

/// The last lines of a component's log; empty if there is none.
pub fn last_lines(run: &RunDir, service: &str, count: usize) -> Vec<String> {
    use std::io::{Read as _, Seek as _, SeekFrom};
    // Lines of components rarely reach this length; a log is never read whole.
    const LINE: u64 = 512;
    const MOST: u64 = 16 * 1024 * 1024;
    let tail = LINE.saturating_mul(count as u64).clamp(64 * 1024, MOST);
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = std::fs::File::open(run.log(service))?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(tail)))?;
        let mut bytes = Vec::new();
        file.take(tail).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].iter().map(|line| (*line).to_owned()).collect()
}

/// Ends everything that carries this lab's mark or is recorded in its state, and removes its folder.
/// Says in words what was removed.
pub async fn take_down(run: &RunDir, lock: crate::state::RunLock) -> Result<Vec<String>> {
    let state = run.load();
    let ended = stop::end_all(run, state.as_ref()).await?;
    let mut removed = ended;
    removed.extend(mounts::unmount_below(run.root())?);
    removed.extend(mounts::remove_control_groups(run).await?);
    if run.exists() {
        removed.push(format!("folder {}", run.root()));
    }
    run.remove(lock)?;
    Ok(removed)
}
