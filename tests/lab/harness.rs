//! A lab under test: the program, an address of its own, a state folder of its own, and what is left of it. Each test is
//! written once and runs on both runtimes.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::io::{BufRead as _, BufReader};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use procfs::net::TcpState;

use crate::support::Ran;

/// The runtime that a test is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Host,
    Docker,
}

impl Place {
    /// Containers, if a daemon answers. Where everything has to be shown, one must.
    pub(crate) fn containers() -> Option<Self> {
        static VERSION: OnceLock<Option<String>> = OnceLock::new();
        let version = VERSION.get_or_init(|| {
            let asked = Command::new("docker").args(["version", "--format", "{{.Server.Version}}"]).output();
            let answer = asked.ok().filter(|output| output.status.success())?;
            Some(String::from_utf8(answer.stdout).unwrap().trim().to_owned())
        });
        if version.is_none() {
            assert!(std::env::var_os("CI").is_none(), "no Docker daemon answers, and CI is set");
            eprintln!("skipped: no Docker daemon answers `docker version`");
        }
        version.as_ref().map(|_| Self::Docker)
    }

    /// The address that a number stands for, below one that is this test program's own.
    fn address(self, own: u32, number: u8) -> String {
        match self {
            Self::Host => format!("127.0.{own}.{number}"),
            // A network of its own for each.
            Self::Docker => format!("10.{own}.{number}.150"),
        }
    }
}

/// Two tests from each function that takes a [`Place`].
macro_rules! on_both_runtimes {
    ($($name:ident),+ $(,)?) => {
        mod on_host {
            $(#[test]
            fn $name() {
                super::$name($crate::harness::Place::Host);
            })+
        }

        mod in_containers {
            $(#[test]
            fn $name() {
                if let Some(place) = $crate::harness::Place::containers() {
                    super::$name(place);
                }
            })+
        }
    };
}
pub(crate) use on_both_runtimes;

/// What `docker` prints; it must succeed.
#[track_caller]
pub(crate) fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "docker {arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap().trim_end_matches('\n').to_owned()
}

/// A lab of its own: an address and a state folder that no other test uses.
pub(crate) struct Lab {
    pub(crate) place: Place,
    pub(crate) address: String,
    folder: tempfile::TempDir,
    state: &'static str,
}

/// A test that failed must not leave its lab to the others.
impl Drop for Lab {
    fn drop(&mut self) {
        if std::thread::panicking() {
            drop(self.command(&["down", "--all"]).output());
        }
    }
}

impl Lab {
    /// `number` makes the address; each test has another one, and another run of these tests, or what it left when it was
    /// killed, others again.
    pub(crate) fn new(place: Place, number: u8) -> Self {
        Self::within(place, own(), number, "state")
    }

    /// At an address that is made of two numbers, with a state folder of this name.
    pub(crate) fn within(place: Place, own: u32, number: u8, state: &'static str) -> Self {
        provisioned();
        let address = place.address(own, number);
        Self { place, address, folder: tempfile::tempdir().unwrap(), state }
    }

    /// Where the ports are that a person may reach: the lab's address, or for containers one of this machine's loopback.
    pub(crate) fn doors(&self) -> String {
        match self.place {
            Place::Host => self.address.clone(),
            Place::Docker => format!("127{}", self.address.strip_prefix("10").unwrap()),
        }
    }

    /// What a component's container is called.
    pub(crate) fn container(&self, component: &str) -> String {
        format!("meshlab-{}-{component}", self.address)
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
            .env("LC_ALL", "C.UTF-8")
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

    /// The lab's containers, running or not, and its networks, by Docker's own account: those that have the lab's names,
    /// and those that carry its folder as label.
    pub(crate) fn containers_and_networks(&self) -> Vec<String> {
        if self.place == Place::Host {
            return Vec::new();
        }
        let own = format!("meshlab-{}", self.address);
        let state = self.state().canonicalize().unwrap_or_else(|_| self.state());
        let label = format!("{}/", state.display());
        let containers = docker(&["ps", "-a", "--format", "{{.Names}}\t{{.Label \"meshlab.run\"}}"]);
        let networks = docker(&["network", "ls", "--format", "{{.Name}}\t{{.Label \"meshlab.run\"}}"]);
        let is_own = |line: &&str| {
            let (name, run) = line.split_once('\t').unwrap();
            name == own || name.starts_with(&format!("{own}-")) || run.starts_with(&label)
        };
        let found = containers.lines().chain(networks.lines()).filter(is_own);
        found.map(|line| line.split('\t').next().unwrap().to_owned()).collect()
    }

    /// What a take-down says that it removed, if these components ran.
    pub(crate) fn parts_of_a_take_down(&self, components: &[&str]) -> Vec<String> {
        let run =
            self.state().canonicalize().unwrap_or_else(|_| self.state()).join("run").join(&self.address);
        let mut parts = vec![format!("folder {}", run.display())];
        match self.place {
            // It goes by programs.
            Place::Host => {
                parts.extend(["process consul (pid ".to_owned(), "process meshlab (pid ".to_owned()]);
            }
            Place::Docker => {
                parts.extend(
                    ["machine"]
                        .iter()
                        .chain(components)
                        .map(|name| format!("container {}", self.container(name))),
                );
                parts.push(format!("network meshlab-{}", self.address));
            }
        }
        parts
    }

    #[track_caller]
    pub(crate) fn nothing_is_left(&self) {
        assert_eq!(self.containers_and_networks(), Vec::<String>::new());
        assert_eq!(self.processes(), Vec::<String>::new());
        let left = std::fs::read_dir(self.state()).into_iter().flatten().flatten();
        // How far a reader has come is the reader's, and why a run failed is kept until one ends well.
        let is_kept = |name: &std::ffi::OsString| name == "progress" || name == "last-failure.log";
        let left: Vec<_> = left.map(|entry| entry.file_name()).filter(|name| !is_kept(name)).collect();
        assert!(left.is_empty(), "{left:?}");
        self.ports_are_free(&[9090, 8500, 8502, 8600, 9191, 19000, 19001, 21001]);
    }

    #[track_caller]
    pub(crate) fn ports_are_free(&self, ports: &[u16]) {
        let doors: IpAddr = self.doors().parse().unwrap();
        let held: Vec<_> = [procfs::net::tcp(), procfs::net::tcp6()]
            .into_iter()
            // A machine without IPv6 has no such table.
            .flat_map(Result::unwrap_or_default)
            .filter(|entry| entry.state == TcpState::Listen && ports.contains(&entry.local_address.port()))
            .map(|entry| (entry.local_address.ip().to_canonical(), entry.local_address.port()))
            .filter(|(ip, _)| *ip == doors || ip.is_unspecified())
            .collect();
        assert!(held.is_empty(), "{held:?} are still held");
    }

    /// A folder with one lab, to be used with `-C`, whose only step may take so long.
    pub(crate) fn write_lab(&self, seconds: u32, actions: &str) -> String {
        let folder = self.folder.path().join("labs/9-own");
        std::fs::create_dir_all(&folder).unwrap();
        let text = format!(
            "title = \"own\"\nsummary = \"own\"\ntools = []\nlearned = []\n\n[[step]]\nid = \"one\"\ntitle = \"The step\"\n\
             text = \"text\"\ntimeout_seconds = {seconds}\nhints = [\"look at the sky\"]\n{actions}"
        );
        std::fs::write(folder.join("lab.toml"), text).unwrap();
        self.folder.path().to_str().unwrap().to_owned()
    }
}

/// The second number of the addresses of this test program.
pub(crate) fn own() -> u32 {
    // Not those that other tools like to have in networks of 10.
    const UNUSUAL: [u32; 16] = [21, 23, 26, 29, 31, 34, 37, 39, 47, 53, 57, 61, 67, 71, 74, 77];
    UNUSUAL[std::process::id() as usize % UNUSUAL.len()]
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
