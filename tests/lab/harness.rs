//! A lab under test: the program, an address of its own, a state folder of its own, and what is left of it.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use crate::support::Ran;

/// A lab of its own: an address and a state folder that no other test uses.
pub(crate) struct Lab {
    pub(crate) address: String,
    folder: tempfile::TempDir,
    state: &'static str,
}

impl Lab {
    /// `number` makes the address; each test has another one.
    pub(crate) fn new(number: u8) -> Self {
        Self::at(format!("127.0.77.{number}"), "state")
    }

    /// At this address, with a state folder of this name.
    pub(crate) fn at(address: String, state: &'static str) -> Self {
        provisioned();
        Self { address, folder: tempfile::tempdir().unwrap(), state }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.folder.path().join(self.state)
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_meshlab"));
        command
            .env("MESHLAB_STATE_DIR", self.state())
            .env("COLUMNS", "80")
            .current_dir(self.folder.path())
            .args(["--offline", "--address", &self.address])
            .args(arguments)
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::from(self.command(arguments).output().unwrap())
    }

    /// Starts a lab and returns once an event of it has this text.
    pub(crate) fn start_until(&self, arguments: &[&str], text: &str) -> Child {
        let mut child = self
            .command(arguments)
            .arg("--json")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut events = BufReader::new(child.stderr.take().unwrap());
        let mut seen = String::new();
        loop {
            let mut line = String::new();
            assert!(events.read_line(&mut line).unwrap() > 0, "no event with {text:?}, only: {seen}");
            if line.contains(text) {
                // Whatever else it says must not block it.
                std::thread::spawn(move || drop(std::io::copy(&mut events, &mut std::io::sink())));
                return child;
            }
            seen.push_str(&line);
        }
    }

    /// The lab's processes that are alive.
    pub(crate) fn processes(&self) -> Vec<String> {
        // The system names processes by the real path.
        let state = self.state().canonicalize().unwrap_or_else(|_| self.state());
        let mark = format!("MESHLAB_RUN_DIR={}/", state.display());
        let mut found = Vec::new();
        for process in procfs::process::all_processes().unwrap().flatten() {
            let environment = std::fs::read(format!("/proc/{}/environ", process.pid)).unwrap_or_default();
            if String::from_utf8_lossy(&environment).contains(&mark) {
                found.push(process.cmdline().unwrap_or_default().join(" "));
            }
        }
        found
    }

    #[track_caller]
    pub(crate) fn nothing_is_left(&self) {
        assert_eq!(self.processes(), Vec::<String>::new());
        let left: Vec<_> = std::fs::read_dir(self.state()).into_iter().flatten().flatten().collect();
        assert!(left.is_empty(), "{left:?}");
        for port in [9090, 8500, 8502, 8600, 9191, 19000, 19001, 21001] {
            let bound = TcpListener::bind((self.address.as_str(), port));
            assert!(bound.is_ok(), "{}:{port} is still held", self.address);
        }
    }

    /// A folder with one lab, to be used with `-C`.
    pub(crate) fn write_lab(&self, actions: &str) -> String {
        let folder = self.folder.path().join("labs/9-own");
        std::fs::create_dir_all(&folder).unwrap();
        let text = format!(
            "title = \"own\"\nsummary = \"own\"\ntools = []\nlearned = []\n\n[[step]]\nid = \"one\"\ntitle = \"The step\"\n\
             text = \"text\"\ntimeout_seconds = 1\nhints = [\"look at the sky\"]\n{actions}"
        );
        std::fs::write(folder.join("lab.toml"), text).unwrap();
        self.folder.path().to_str().unwrap().to_owned()
    }
}

/// Gets the tools once for all tests.
fn provisioned() {
    static DONE: OnceLock<()> = OnceLock::new();
    DONE.get_or_init(|| {
        eprintln!("provisioning {} (minutes, if one has to be built)", crate::TOOLS.join(", "));
        let status = Command::new(env!("CARGO_BIN_EXE_meshlab"))
            .arg("provision")
            .args(crate::TOOLS)
            .current_dir("/")
            .stdin(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "cannot provision");
    });
}
