//! Where what is measured runs, away from the addresses where somebody's own labs may be.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Pid;

use crate::child::last_lines;
use crate::interrupt::Registered;
use crate::{MESHLAB, Result};

const CONTAINERS: &str = "10.231.31.150";
const PROCESSES: &str = "127.0.0.32";

/// A place for one lab or environment; whatever runs there is taken down when this is dropped.
pub(crate) struct Place {
    address: &'static str,
    state: PathBuf,
}

impl Place {
    /// Containers, and processes of this machine.
    pub(crate) fn both(folder: &Path) -> [Self; 2] {
        [(CONTAINERS, "c"), (PROCESSES, "p")]
            .map(|(address, state)| Self { address, state: folder.join(state) })
    }

    /// How long it took. It has deadlines of its own.
    pub(crate) fn meshlab(&self, arguments: &[&str]) -> Result<Duration> {
        let started = Instant::now();
        let child = self.command(arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let registered = Registered::new(Pid::from_child(&child));
        let output = child.wait_with_output()?;
        let took = started.elapsed();
        drop(registered);
        if output.status.success() {
            return Ok(took);
        }
        let said = last_lines(&String::from_utf8_lossy(&output.stderr));
        Err(format!("`meshlab {}`: {}: {said}", arguments.join(" "), output.status).into())
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(MESHLAB);
        command
            .args(["--offline", "--address", self.address])
            .args(arguments)
            .current_dir("/")
            .env("MESHLAB_STATE_DIR", &self.state)
            .stdin(Stdio::null());
        command
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Ok(output) = self.command(&["down"]).output()
            && !output.status.success()
        {
            let said = last_lines(&String::from_utf8_lossy(&output.stderr));
            eprintln!("warning: what ran on {} was not taken down: {said}", self.address);
        }
    }
}
