//! The record of what runs, on disk: one folder per address. It is written before anything is started.
//!
//! Invariant: every process of a lab has the lab's folder in `MESHLAB_RUN_DIR`, so that it can be found and ended even
//! when the record is lost.

pub mod alive;
pub mod readiness;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use serde::{Deserialize, Serialize};

use crate::core::claim::Claim;
use crate::core::debug_log;
use crate::core::failure::{Failure, Result};
use crate::core::model::{EnvironmentSpec, FileName, LabAddress, LabId, RuntimeKind};
use crate::core::settings::Settings;
use crate::core::until::{Observed, POLL_INTERVAL, until};
use crate::machine::placement::Placement;
use crate::machine::role::Role;
use crate::machine::state::alive::{is_running, lives};
use crate::machine::state::readiness::Readiness;

/// The variable that marks every process of a running lab with the lab's folder.
pub const RUN_DIR_VARIABLE: &str = "MESHLAB_RUN_DIR";

const SCHEMA: u32 = 1;

/// How long a process may hold the lock that it inherited, before its own program begins.
const LOCK_INHERIT_GRACE: Duration = Duration::from_secs(5);

/// The folder of the lab on one address, and the paths in it.
#[derive(Debug, Clone)]
pub struct RunDir {
    root: Utf8PathBuf,
    address: LabAddress,
}

/// The right to change what runs on an address. It ends when dropped, also if this process is killed.
#[derive(Debug)]
pub struct RunLock {
    _claim: Claim,
}

/// What is, or was meant to be, running.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunState {
    schema: u32,
    /// The lab.
    pub lab: LabId,
    /// Its address.
    pub address: LabAddress,
    /// The backend that it runs on.
    pub runtime: RuntimeKind,
    /// Folders of the tools' commands where the lab's commands run, first wins.
    pub path: Vec<Utf8PathBuf>,
    /// Name and version of each tool.
    pub tools: Vec<(String, String)>,
    /// The lab's files that were written into its folder.
    #[serde(default)]
    pub files: Vec<FileName>,
    /// Whether the user asked to leave it running (`--keep`).
    pub kept: bool,
    /// In the order they were started.
    pub services: Vec<ServiceRecord>,
    /// The lab's `[environment]`; `None` for a lab without one.
    #[serde(default)]
    pub environment: Option<EnvironmentSpec>,
    /// The lab's own network namespace, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<u64>,
}

/// One component that stays in the background.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceRecord {
    /// Its name, unique in the lab.
    pub name: String,
    /// What it is in the lab.
    #[serde(default)]
    pub role: Role,
    /// The command line as shown.
    pub command: String,
    /// The addresses on which it listens, for `status`.
    pub listens: Vec<String>,
    /// What makes it ready.
    pub ready: Readiness,
    /// The process, once it was started. Its process group has the same number.
    pub process: Option<ProcessRecord>,
}

/// A process, identified by its id and start time: a later process may get the same id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessRecord {
    /// Process id.
    pub pid: i32,
    /// Start time in clock ticks since boot, from /proc/PID/stat.
    pub start_ticks: u64,
    /// Start time in seconds since 1970, for people.
    pub started: u64,
    /// Its process id in the lab's own process namespace, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inside: Option<i32>,
}

impl ProcessRecord {
    /// Its process id in this process's namespace, inside the lab's machine or outside; `None` once it has ended.
    pub fn pid_here(&self) -> Option<i32> {
        let numbers = std::iter::once(self.pid).chain(self.inside);
        numbers.into_iter().find(|pid| is_running(*pid, self.start_ticks))
    }
}

impl RunDir {
    /// The folder for an address; nothing is created yet.
    pub fn new(state_dir: &Utf8Path, address: LabAddress) -> Self {
        Self { root: state_dir.join("run").join(address.to_string()), address }
    }

    /// The folder of the lab that these settings are about.
    pub fn of(settings: &Settings) -> Self {
        Self::new(&settings.dirs.state, settings.address)
    }

    /// The folders of all addresses that have one.
    pub fn all(state_dir: &Utf8Path) -> Result<Vec<Self>> {
        let entries = match fs::read_dir(state_dir.join("run")) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let mut found = Vec::new();
        for entry in entries {
            let name = entry?.file_name();
            if let Some(address) = name.to_str().and_then(|name| name.parse().ok()) {
                found.push(Self::new(state_dir, address));
            }
        }
        found.sort_by_key(|run| run.address);
        Ok(found)
    }

    /// The folder itself.
    pub fn root(&self) -> &Utf8Path {
        &self.root
    }

    /// The state folder that it is in.
    pub fn state_dir(&self) -> &Utf8Path {
        self.root.ancestors().nth(2).unwrap_or(&self.root)
    }

    /// The address it belongs to.
    pub fn address(&self) -> LabAddress {
        self.address
    }

    /// The working directory of the lab's commands.
    pub fn work(&self) -> Utf8PathBuf {
        self.root.join("work")
    }

    /// Temporary files of the lab's commands; removed with the lab.
    pub fn temporary(&self) -> Utf8PathBuf {
        self.root.join("tmp")
    }

    /// The lab's copy of this program, which it keeps when the original is replaced.
    pub fn program(&self) -> Utf8PathBuf {
        self.packages().join("meshlab")
    }

    /// Packages that meshlab makes for the lab.
    pub fn packages(&self) -> Utf8PathBuf {
        self.root.join("packages")
    }

    /// Commands that meshlab adds to the lab's PATH.
    pub fn bin(&self) -> Utf8PathBuf {
        self.root.join("bin")
    }

    /// The control group in which Nomad creates those of its tasks, if it runs as root.
    pub fn control_group(&self) -> String {
        format!("meshlab-{}.slice", self.address)
    }

    /// The folder of Nomad's allocations.
    pub fn allocations(&self) -> Utf8PathBuf {
        self.root.join("nomad").join("alloc")
    }

    /// Tokens; only the owner may read them.
    pub fn secrets(&self) -> Utf8PathBuf {
        self.root.join("secrets")
    }

    /// The logs of the components.
    pub fn logs(&self) -> Utf8PathBuf {
        self.root.join("logs")
    }

    /// The log of a component.
    pub fn log(&self, service: &str) -> Utf8PathBuf {
        self.logs().join(format!("{service}.log"))
    }

    fn state_file(&self) -> Utf8PathBuf {
        self.root.join("state.json")
    }

    /// The lock is beside the folder, so that removing the folder does not remove a lock that another process holds.
    fn lock_file(&self) -> Utf8PathBuf {
        self.root.with_extension(format!("{}.lock", self.root.extension().unwrap_or_default()))
    }

    /// Takes the right to change what runs here, or fails with the process that has it. A process that a killed meshlab had
    /// just started may inherit the lock for a moment: this waits for it.
    pub async fn lock(&self) -> Result<RunLock> {
        debug_log::attach(&self.root);
        let outcome = until(LOCK_INHERIT_GRACE, POLL_INTERVAL, async || -> Result<_> {
            match Claim::try_now(&self.lock_file())? {
                Ok(claim) => Ok(Observed::Ready(RunLock { _claim: claim })),
                Err(holder) if holder.is_some_and(lives) => Err(self.taken(holder)),
                Err(holder) => Ok(Observed::Pending(holder)),
            }
        });
        outcome.await?.map_err(|late| self.taken(late.last.flatten()))
    }

    /// The same, without waiting.
    pub fn lock_now(&self) -> Result<RunLock> {
        let claim = Claim::try_now(&self.lock_file())?.map_err(|holder| self.taken(holder))?;
        Ok(RunLock { _claim: claim })
    }

    fn taken(&self, holder: Option<u32>) -> Failure {
        let who = holder.map_or_else(|| "unknown".to_owned(), |pid| pid.to_string());
        Failure::failed(format!("another meshlab is using {}", self.address)).detail("process", who).hint(
            format!(
                "wait for it, or give this lab an address of its own: --address {}",
                self.address.alternative()
            ),
        )
    }

    /// The recorded state. `None` without one, and if the file cannot be read: a damaged record is like a lost one.
    pub fn load(&self) -> Option<RunState> {
        let text = fs::read_to_string(self.state_file()).ok()?;
        serde_json::from_str::<RunState>(&text).ok().filter(|state| state.schema == SCHEMA)
    }

    /// Whether the folder exists.
    pub fn exists(&self) -> bool {
        self.root.exists()
    }

    /// Records the state atomically: a reader sees the old one or the new one.
    pub fn save(&self, state: &RunState) -> Result<()> {
        let text = serde_json::to_string_pretty(state)
            .map_err(|error| Failure::failed("cannot record the lab's state").seen(&error))?;
        let beside = self.root.join("state.json.new");
        fs::write(&beside, text)?;
        fs::rename(&beside, self.state_file())?;
        Ok(())
    }

    /// Creates the folder, with mode 0700.
    pub fn create(&self) -> Result<()> {
        use std::os::unix::fs::DirBuilderExt as _;
        if let Some(parent) = self.root.parent() {
            fs::create_dir_all(parent)?;
        }
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&self.root)
            .map_err(|error| Failure::failed(format!("cannot create {}", self.root)).seen(&error))?;
        for folder in [self.work(), self.temporary(), self.bin(), self.logs()] {
            fs::create_dir(folder)?;
        }
        Ok(())
    }

    /// Removes the folder, and its parent if that is empty then.
    pub fn remove(&self, lock: RunLock) -> Result<()> {
        debug_log::detach();
        if self.root.exists() {
            fs::remove_dir_all(&self.root)?;
        }
        drop(lock);
        if let Some(parent) = self.root.parent() {
            // Other labs may have folders there: this fails unless it is empty.
            let _ = std::fs::remove_dir(parent);
        }
        Ok(())
    }
}

impl RunState {
    /// A lab about to start, with nothing started yet.
    pub fn new(
        lab: LabId,
        runtime: RuntimeKind,
        address: LabAddress,
        path: Vec<Utf8PathBuf>,
        tools: Vec<(String, String)>,
    ) -> Self {
        Self {
            schema: SCHEMA,
            lab,
            address,
            runtime,
            path,
            tools,
            files: Vec::new(),
            kept: false,
            services: Vec::new(),
            environment: None,
            network: None,
        }
    }

    /// A lab about to start on the host.
    #[cfg(test)]
    pub(crate) fn on_host(lab: &str, address: LabAddress, tools: &[(String, String)]) -> Self {
        Self::new(lab.parse().unwrap(), RuntimeKind::Host, address, Vec::new(), tools.to_vec())
    }

    /// Where the lab is in the network.
    pub fn placement(&self) -> Placement {
        Placement::of(self.runtime, self.address)
    }
}

/// Seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run_dir(temporary: &tempfile::TempDir) -> RunDir {
        RunDir::new(Utf8Path::from_path(temporary.path()).unwrap(), LabAddress::DEFAULT)
    }

    #[tokio::test]
    async fn what_is_saved_is_loaded_and_removal_leaves_nothing() {
        let temporary = tempfile::tempdir().unwrap();
        let run = run_dir(&temporary);
        let lock = run.lock().await.unwrap();
        run.create().unwrap();
        let state = RunState::on_host("1-x", LabAddress::DEFAULT, &[]);
        run.save(&state).unwrap();
        assert_eq!(run.load().unwrap().lab, state.lab);
        assert_eq!(RunDir::all(Utf8Path::from_path(temporary.path()).unwrap()).unwrap().len(), 1);
        run.remove(lock).unwrap();
        assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_second_holder_gets_an_error_with_the_first() {
        let temporary = tempfile::tempdir().unwrap();
        let run = run_dir(&temporary);
        let _lock = run.lock().await.unwrap();
        let refused = run.lock().await.unwrap_err();
        assert!(refused.message().contains("127.0.0.1"), "{refused}");
        assert_eq!(refused.details()[0].text, std::process::id().to_string());
    }

    #[tokio::test]
    async fn a_dead_holder_is_waited_for() {
        let temporary = tempfile::tempdir().unwrap();
        let run = run_dir(&temporary);
        let inherited = Claim::try_now(&run.lock_file()).unwrap().unwrap();
        // More than any system has.
        std::fs::write(run.lock_file(), "4194305").unwrap();
        assert!(run.lock_now().unwrap_err().details()[0].text.contains("4194305"));
        let begins = async {
            tokio::time::sleep(POLL_INTERVAL).await;
            drop(inherited);
        };
        let (locked, ()) = tokio::join!(run.lock(), begins);
        locked.unwrap();
    }

    #[test]
    fn a_damaged_state_counts_as_lost() {
        let temporary = tempfile::tempdir().unwrap();
        let run = run_dir(&temporary);
        run.create().unwrap();
        std::fs::write(run.state_file(), "{").unwrap();
        assert!(run.load().is_none());
    }
}
