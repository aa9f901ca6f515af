//! The calculator's environment on a loopback address of its own.

use std::fs::{DirBuilder, File};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use meshlab::core::model::LabAddress;
use meshlab::machine::process::find_members;
use meshlab::machine::state::{RUN_DIR_VARIABLE, RunDir};
use rustix::process::Pid;

use crate::child::last_lines;
use crate::interrupt::{self, Registered};
use crate::provision::{provide, tool};
use crate::{MESHLAB, Result};

/// Away from 127.0.0.1, where somebody's own lab may be.
const ADDRESS: &str = "127.0.0.31";
/// What either side of a comparison listens on.
const PORTS: [u16; 28] = [
    2809, 3000, 4646, 4647, 4648, 7070, 8080, 8088, 8090, 8181, 8300, 8301, 8302, 8500, 8502, 8503, 8600,
    9090, 9191, 19000, 19001, 19002, 19003, 19004, 21000, 21001, 21002, 21003,
];
const STATE: &str = "s";
const PORTS_DEADLINE: Duration = Duration::from_mins(1);

/// What may be running there, ours or another's: every process of either carries the folder's name, so that all of it is
/// ended when this is dropped.
pub(crate) struct Environment {
    run: RunDir,
    folder: PathBuf,
    // Last: until everything has ended.
    _lock: File,
}

impl Environment {
    /// Nothing runs yet, every port is free, and the programs are in memory.
    pub(crate) fn prepare() -> Result<Self> {
        const TOOLS: [&str; 5] = ["consul", "nomad", "envoy", "nginx", "wrk"];
        provide(&TOOLS)?;
        for name in TOOLS {
            let program = tool(name).ok_or("a tool is not in place")?.bin.join(name);
            std::io::copy(&mut File::open(program)?, &mut std::io::sink())?;
        }
        let (folder, lock) = claim_folder()?;
        let address: LabAddress = ADDRESS.parse()?;
        let run = RunDir::new(folder.join(STATE).as_path().try_into()?, address);
        let environment = Self { run, folder, _lock: lock };
        // What a killed run has left.
        environment.meshlab(&["down"])?;
        wait_for_ports(address)?;
        Ok(environment)
    }

    /// The environment with all its jobs running.
    pub(crate) fn start() -> Result<Self> {
        let environment = Self::prepare()?;
        environment.meshlab(&["up"])?;
        environment.meshlab(&["jobs", "start"])?;
        Ok(environment)
    }

    pub(crate) fn address(&self) -> LabAddress {
        self.run.address()
    }

    pub(crate) fn run(&self) -> &RunDir {
        &self.run
    }

    /// Marks a program as part of this environment.
    pub(crate) fn mark<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env(RUN_DIR_VARIABLE, self.run.root())
    }

    /// Runs `meshlab` on this environment. It has deadlines of its own. What it printed is returned.
    pub(crate) fn meshlab(&self, arguments: &[&str]) -> Result<String> {
        let mut command = self.command(arguments);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let registered = Registered::new(Pid::from_child(&child));
        let output = child.wait_with_output()?;
        drop(registered);
        let shown = || format!("`meshlab {}`", arguments.join(" "));
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{}: {}: {}", shown(), output.status, last_lines(&said)).into());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(MESHLAB);
        command
            .args(["--offline", "--address", ADDRESS])
            .args(arguments)
            .current_dir("/")
            .env("MESHLAB_STATE_DIR", self.folder.join(STATE))
            .stdin(Stdio::null());
        command
    }

    /// An error if anything is left of it.
    pub(crate) fn require_nothing_left(&self) -> Result<()> {
        let left = find_members(&self.run, None)?;
        if left.is_empty() && !self.run.exists() {
            return wait_for_ports(self.address());
        }
        let names: Vec<_> = left.into_iter().map(|member| member.name).collect();
        Err(format!("`meshlab down` left {} {}", self.run.root(), names.join(", ")).into())
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        // Not told to end when everything else is, and not hit by a second Ctrl-C: this is what ends the rest.
        let output = self.command(&["down"]).process_group(0).output();
        let fault = match output {
            Ok(output) if output.status.success() => {
                // The next run uses what this leaves.
                let _ = std::fs::remove_dir_all(&self.folder);
                return;
            }
            Ok(output) => last_lines(&String::from_utf8_lossy(&output.stderr)),
            Err(error) => error.to_string(),
        };
        eprintln!("warning: the environment on {ADDRESS} was not taken down: {fault}");
    }
}

/// One folder for this user: the next run finds what a killed one has left. Its name is short, since the sockets of
/// Nomad's helpers lie far below it, and the name of a socket has 107 bytes at most.
fn claim_folder() -> Result<(PathBuf, File)> {
    let user = rustix::process::getuid();
    let folder = std::env::temp_dir().join(format!("meshlab-figures-{user}", user = user.as_raw()));
    match DirBuilder::new().mode(0o700).create(&folder) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error.into()),
        _ => {}
    }
    let found = std::fs::symlink_metadata(&folder)?;
    if !found.is_dir() || found.uid() != user.as_raw() {
        return Err(format!("{} is not a folder of this user", folder.display()).into());
    }
    let lock = File::create(folder.join("lock"))?;
    lock.try_lock().map_err(|error| format!("another run of the benchmark is at work: {error}"))?;
    Ok((folder, lock))
}

/// Waits until nobody holds a port that is needed.
fn wait_for_ports(address: LabAddress) -> Result<()> {
    let address: Ipv4Addr = address.ip();
    await_free(PORTS_DEADLINE, address, &PORTS)
}

/// Waits until no process holds one of these ports.
pub(crate) fn await_free(deadline: Duration, address: Ipv4Addr, ports: &[u16]) -> Result<()> {
    let mut held = None;
    interrupt::until(deadline, || {
        held = ports.iter().find(|port| TcpListener::bind((address, **port)).is_err());
        Ok(held.is_none())
    })?;
    held.map_or(Ok(()), |held| Err(format!("port {held} of {address} is in use, and is needed").into()))
}
