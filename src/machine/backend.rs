//! What labs, commands and reports need of the place where components run.

use std::fmt;
use std::process::{Command, ExitStatus};

use camino::Utf8PathBuf;
use futures_util::future::BoxFuture;
use tokio::io::AsyncRead;
use tokio::sync::mpsc;

use super::output::OutputLine;
use super::placement::Placement;
use super::ports::NeededPort;
use super::role::Role;
use crate::artifacts::lockfile::Lock;
use crate::artifacts::tool::{InstalledTool, Tools};
use crate::core::event::{Removed, SharedReporter};
use crate::core::failure::{Failure, Result};
use crate::core::model::{ArtifactName, LabId, Network, RuntimeKind};
use crate::core::settings::Environment;
use crate::machine::images::LoadedImages;
use crate::machine::state::readiness::Readiness;
use crate::machine::state::{ProcessRecord, RunLock, ServiceRecord};
use crate::machine::variables::CommandEnvironment;

/// A component to start. Nothing here depends on where it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceSpec {
    /// Its name, unique in the lab.
    pub name: String,
    /// What it is in the lab.
    pub role: Role,
    /// The command line, as a person would type it.
    pub command: String,
    /// The addresses on which it listens, for `status`.
    pub listens: Vec<String>,
    /// What makes it ready.
    pub ready: Readiness,
}

/// What a lab needs of the place where it runs.
#[derive(Debug, Clone)]
pub struct LabNeeds {
    /// The lab.
    pub lab: LabId,
    /// The tools that its commands use.
    pub tools: Vec<ArtifactName>,
    /// The names of all components that it starts.
    pub components: Vec<String>,
    /// The ports that its components listen on.
    pub ports: Vec<NeededPort>,
    /// The network modes that its Nomad tasks may use.
    pub network: Network,
    /// The store that the package repository reads.
    pub store: Utf8PathBuf,
}

/// A lab that is placed: what its components and commands get.
#[derive(Debug, Clone)]
pub struct Site {
    /// What the lab needs.
    pub needs: LabNeeds,
    /// The images that its containers are made from; empty where there are no containers.
    pub images: LoadedImages,
    /// The environment of everything that the lab starts.
    pub environment: CommandEnvironment,
}

/// A shell, or one command, in a lab.
pub struct Visit<'a> {
    /// The program and its arguments; empty for an interactive shell.
    pub command: Vec<String>,
    /// The lab's variables, with its tokens.
    pub environment: CommandEnvironment,
    /// The user's own environment.
    pub user: &'a Environment,
    /// The terminal's columns and rows, and new ones when they change; `None` without a terminal.
    pub terminal: Option<mpsc::Receiver<(u16, u16)>>,
    /// Resolves when the user interrupts meshlab.
    pub interrupted: BoxFuture<'a, Failure>,
    /// Standard input.
    pub input: Box<dyn AsyncRead + Unpin + Send + 'a>,
    /// Takes standard output and standard error (`true`). Returns `false` once nothing reads them any more.
    pub on_output: &'a mut (dyn FnMut(&[u8], bool) -> Result<bool> + Send),
}

impl fmt::Debug for Visit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Visit").field("command", &self.command).finish_non_exhaustive()
    }
}

/// Takes each line that a command writes.
pub type OnLine<'a> = &'a mut (dyn FnMut(OutputLine) + Send);

/// The place where the components of one lab run. It is opened for a lab's folder, which need not exist yet.
///
/// The order is: [`require_free`](Self::require_free), [`load`](Self::load), [`prepare`](Self::prepare), then components
/// start and stop, then [`take_down`](Self::take_down). Each may be repeated.
pub trait Backend: fmt::Debug + Send + Sync {
    /// Its name, as the lab's state records it.
    fn kind(&self) -> RuntimeKind;

    /// The version of the Docker daemon that runs the components, if one does.
    fn version(&self) -> Option<&str>;

    /// Where the lab is in the network.
    fn placement(&self) -> Placement;

    /// The artifacts that must be installed for a lab, beside its tools.
    fn artifacts(&self, needs: &LabNeeds, lock: &Lock) -> Result<Vec<ArtifactName>>;

    /// The folders for PATH, where the lab's tools are installed in these.
    fn path(&self, installed: Vec<Utf8PathBuf>) -> Vec<Utf8PathBuf>;

    /// The path of an installed tool's file, where components run.
    fn path_of(&self, tool: &InstalledTool, file: Utf8PathBuf) -> Utf8PathBuf;

    /// This program, as the lab's components and commands run it. The lab's folder exists.
    fn program(&self) -> Result<Utf8PathBuf>;

    /// Fails if something else uses a port or a network that the lab needs on this machine.
    fn require_free<'a>(&'a self, needs: &'a LabNeeds) -> BoxFuture<'a, Result<()>>;

    /// Loads the images that the lab needs. All artifacts are installed.
    fn load<'a>(
        &'a self,
        needs: &'a LabNeeds,
        lock: &'a Lock,
        tools: &'a Tools,
        reporter: &'a SharedReporter,
    ) -> BoxFuture<'a, Result<LoadedImages>>;

    /// Whether the lab needs a network namespace of its own that this process is not in. Fails if this user may not create
    /// one.
    fn needs_netns(&self, _network: Network) -> Result<bool> {
        Ok(false)
    }

    /// Creates the lab's own network namespace and runs `again`, this program, there in place of this process. `path` has the
    /// lab's tools. Returns only if that fails.
    fn re_exec_in_netns(&self, _path: &[Utf8PathBuf], _again: Command) -> Result<()> {
        Ok(())
    }

    /// The network namespace of the lab's own that this process is in, if it has one.
    fn netns(&self) -> Option<u64> {
        None
    }

    /// Makes everything that components run in, unless it is there. The lab's folder and state exist.
    fn prepare<'a>(&'a self, site: &'a Site) -> BoxFuture<'a, Result<()>>;

    /// The component that must run so that the lab's ports are reached from outside; `None` if they are without one.
    fn port_forwarder(&self, _ports: &[NeededPort]) -> Option<ServiceSpec> {
        None
    }

    /// Starts a component in the background and appends its output to its log. `None` if it ended immediately.
    fn start<'a>(
        &'a self,
        site: &'a Site,
        spec: &'a ServiceSpec,
    ) -> BoxFuture<'a, Result<Option<ProcessRecord>>>;

    /// Ends a component, also one of an earlier meshlab, and returns once nothing of it is left.
    fn stop<'a>(&'a self, service: &'a ServiceRecord) -> BoxFuture<'a, Result<()>>;

    /// How a component ended; `None` while it runs.
    fn ended<'a>(&'a self, service: &'a ServiceRecord) -> BoxFuture<'a, Option<String>>;

    /// Runs a command line to its end, with `secrets` beside the lab's environment. If the future is dropped earlier, the
    /// command and all that it started are ended.
    fn execute<'a>(
        &'a self,
        site: &'a Site,
        line: &'a str,
        secrets: &'a CommandEnvironment,
        on_line: OnLine<'a>,
    ) -> BoxFuture<'a, Result<ExitStatus>>;

    /// Runs a shell or a command with the user's terminal or streams, and returns its exit status. Where components are
    /// processes of this machine, the command replaces this process.
    fn enter<'a>(&'a self, visit: Visit<'a>) -> BoxFuture<'a, Result<u8>>;

    /// Whether anything of the lab exists beside its folder and its processes.
    fn is_there(&self) -> BoxFuture<'_, Result<bool>>;

    /// Ends everything of the lab, whatever its state records, and removes its folder. Returns what was removed.
    fn take_down(&self, lock: RunLock) -> BoxFuture<'_, Result<Vec<Removed>>>;
}
