//! An environment under test: its folder, its processes, its sockets, its APIs, and what is left of it.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::ops::Deref;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use meshlab::core::until::{Observed, until_blocking};
use procfs::process::{Process, all_processes};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::harness::{Lab, Place};
use crate::support::{Ran, until};

/// How many environments may run at a time: each takes both cores of a small machine while it starts.
const AT_A_TIME: usize = 2;

/// How long what was mended may take until calls come through again, on a machine that does much else. How long it takes
/// on a quiet one is a figure of the benchmark.
pub(crate) const MENDED: Duration = Duration::from_mins(2);

static TAKEN: Mutex<usize> = Mutex::new(0);
static GIVEN_BACK: Condvar = Condvar::new();

/// The right to run environments, given back when dropped.
pub(crate) struct Slots(usize);

impl Slots {
    /// All at once: two tests that each had half of what they need would wait for ever.
    pub(crate) fn take(count: usize) -> Self {
        let taken = TAKEN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let free = GIVEN_BACK.wait_while(taken, |taken| *taken + count > AT_A_TIME);
        *free.unwrap_or_else(std::sync::PoisonError::into_inner) += count;
        Self(count)
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        *TAKEN.lock().unwrap_or_else(std::sync::PoisonError::into_inner) -= self.0;
        GIVEN_BACK.notify_all();
    }
}

/// An address of its own with everything that may come to run there; taken down when dropped.
pub(crate) struct Vm {
    lab: Lab,
    allocations: Mutex<BTreeSet<String>>,
}

impl Deref for Vm {
    type Target = Lab;

    fn deref(&self) -> &Lab {
        &self.lab
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        // A test that failed must not leave its environment to the others.
        drop(self.lab.command(&["down", "--all"]).output());
    }
}

impl Vm {
    pub(crate) fn new(place: Place, number: u8) -> Self {
        Self::in_folder(place, number, "state")
    }

    pub(crate) fn in_folder(place: Place, number: u8, state: &'static str) -> Self {
        // What another run of these tests does, or left when it was killed, is at another address.
        let own = 100 + std::process::id() % 100;
        Self { lab: Lab::within(place, own, number, state), allocations: Mutex::default() }
    }

    /// Runs what must succeed. What is printed of a failure is often cut on its way to a person, so that all of it is kept in
    /// a file as well.
    #[track_caller]
    pub(crate) fn succeeds(&self, arguments: &[&str]) -> Ran {
        let ran = self.run(arguments);
        if ran.code != Some(0) {
            let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("vm-{}.log", self.address));
            fs::write(&file, format!("stdout: {}\nstderr: {}", ran.stdout, ran.stderr)).unwrap();
            eprintln!("{arguments:?} at {}: all that it said is in {}", self.address, file.display());
        }
        ran.expect(0)
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.state().join("run").join(&self.address)
    }

    pub(crate) fn work(&self, name: &str) -> PathBuf {
        self.root().join("work").join(name)
    }

    pub(crate) fn secret(&self, name: &str) -> String {
        fs::read_to_string(self.root().join("secrets").join(name)).unwrap().trim().to_owned()
    }

    /// State and process id of each component, as `status` reports them. It succeeds only if everything is ready.
    pub(crate) fn components(&self) -> BTreeMap<String, (String, i32)> {
        let ran = self.run(&["--json", "status"]);
        let status = ran.json();
        let labs = status["labs"].as_array().unwrap();
        let all =
            |list: &str| labs.iter().filter_map(|lab| lab[list].as_array()).flatten().collect::<Vec<_>>();
        let is_well = |row: &&Value| ["ready", "done", "waiting"].contains(&row["state"].as_str().unwrap());
        let is_ready = [all("components"), all("tasks")].concat().iter().all(is_well);
        match ran.code {
            Some(0) => assert!(is_ready, "{status}"),
            code => {
                assert!(code == Some(1) && (!is_ready || !all("troubles").is_empty()), "{code:?}: {status}");
            }
        }
        let lab = labs.iter().find(|lab| lab["address"] == self.address.as_str()).unwrap();
        let of = |component: &Value| {
            let text = |name: &str| component[name].as_str().unwrap().to_owned();
            let pid = component["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok()).unwrap_or_default();
            (text("name"), (text("state"), pid))
        };
        lab["components"].as_array().unwrap().iter().map(of).collect()
    }

    /// The same, once all are ready: each look of `status` has a second for every component.
    #[track_caller]
    pub(crate) fn ready_components(&self) -> BTreeMap<String, (String, i32)> {
        let mut components = BTreeMap::new();
        until("every component is ready", || {
            components = self.components();
            components.values().all(|(state, _)| state == "ready")
        });
        components
    }

    pub(crate) fn kill(&self, component: &str) {
        let (_, pid) = self.components()[component].clone();
        assert_ne!(pid, 0, "{component}");
        kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
        let has_ended =
            || Process::new(pid).and_then(|process| process.stat()).map_or(true, |stat| stat.state == 'Z');
        until("it has ended", has_ended);
    }

    /// How often Nomad was started, by its own log.
    pub(crate) fn starts_of_nomad(&self) -> usize {
        let log = fs::read_to_string(self.root().join("logs/nomad.log")).unwrap();
        log.matches("==> Starting Nomad agent").count()
    }

    /// By name, the process ids of the programs that Nomad's jobs run.
    pub(crate) fn tasks(&self) -> BTreeSet<(String, i32)> {
        let mark = format!("{}/nomad/alloc/", self.real_root().display());
        let of = |process: Process| {
            let program = process.cmdline().ok()?.into_iter().next()?;
            program.starts_with(&mark).then(|| (program.rsplit('/').next().unwrap().to_owned(), process.pid))
        };
        all_processes().unwrap().flatten().filter_map(of).collect()
    }

    fn real_root(&self) -> PathBuf {
        self.root().canonicalize().unwrap_or_else(|_| self.root())
    }

    /// Every process of the environment: by its mark, or as a component or a child of one (nginx writes over its own).
    pub(crate) fn members(&self) -> Vec<Process> {
        let mark = format!("MESHLAB_RUN_DIR={}", self.real_root().display());
        let state = fs::read_to_string(self.root().join("state.json")).unwrap_or_default();
        let state: Value = serde_json::from_str(&state).unwrap_or_default();
        let leaders: Vec<i64> = state["services"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|service| service["process"]["pid"].as_i64())
            .collect();
        let is_member = |process: &Process| {
            let environment = fs::read(format!("/proc/{}/environ", process.pid)).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|pair| pair == mark.as_bytes())
                || process.stat().is_ok_and(|stat| leaders.contains(&i64::from(stat.pgrp)))
        };
        all_processes().unwrap().flatten().filter(is_member).collect()
    }

    /// An answer of Consul or Nomad: status and body. HTTP/1.0 keeps the answer simple.
    pub(crate) fn call(
        &self,
        port: u16,
        method: &str,
        path: &str,
        headers: &[&str],
        body: &str,
    ) -> (u16, String) {
        let mut stream = TcpStream::connect((self.address.as_str(), port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut request = format!("{method} {path} HTTP/1.0\r\nContent-Length: {}\r\n", body.len());
        for header in headers {
            request.extend([*header, "\r\n"]);
        }
        request.extend(["\r\n", body]);
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8_lossy(&answer);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    /// What Nomad knows, with all rights.
    pub(crate) fn nomad(&self, path: &str) -> Value {
        let token = format!("X-Nomad-Token: {}", self.secret("nomad-management.token"));
        let (status, body) = self.call(4646, "GET", path, &[&token], "");
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    /// The names in Consul's catalog, without what belongs to Consul and Nomad themselves.
    pub(crate) fn catalog(&self) -> BTreeSet<String> {
        let (_, services) = self.call(8500, "GET", "/v1/catalog/services", &[], "");
        let services: BTreeMap<String, Value> = serde_json::from_str(&services).unwrap();
        services.into_keys().filter(|name| name != "consul" && !name.starts_with("nomad")).collect()
    }

    /// Calls until the answer is right, and says how long that took.
    #[track_caller]
    pub(crate) fn click_until_right(&self, deadline: Duration) -> Duration {
        let started = Instant::now();
        let Ok(outcome) = until_blocking(deadline, Duration::from_millis(50), || {
            let ran = self.run(&["click"]);
            Ok::<_, Infallible>(match ran.code {
                Some(0) => Observed::Ready((started.elapsed(), ran)),
                _ => Observed::Pending(ran.stderr),
            })
        });
        let (took, ran) = outcome.unwrap_or_else(|late| {
            let log = self.run(&["logs", "consul", "-n", "40"]).stdout;
            panic!("no right answer within {deadline:?}: {late:?}\n{log}")
        });
        assert!(ran.stdout.contains("= 9 "), "{}", ran.stdout);
        took
    }

    /// Remembers which control groups must not be left.
    pub(crate) fn remember_allocations(&self) {
        let entries = fs::read_dir(self.root().join("nomad/alloc")).into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name().into_string().unwrap());
        self.allocations.lock().unwrap().extend(names);
    }

    /// No process, no port, no mount, no control group, no file.
    #[track_caller]
    pub(crate) fn is_gone(&self) {
        self.nothing_is_left();
        let members: Vec<_> = self.members().iter().map(|process| process.pid).collect();
        assert!(members.is_empty(), "{members:?}");
        self.ports_are_free(&[
            8088, 8090, 4646, 4647, 4648, 8300, 8301, 2809, 7070, 8080, 3000, 21000, 21003, 19004,
        ]);
        let folder = self.folder().to_str().unwrap().to_owned();
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let left: Vec<&str> = mounts.lines().filter(|line| line.contains(&folder)).collect();
        assert!(left.is_empty(), "{left:?}");
        let own = format!("meshlab-{}", self.address);
        let allocations = self.allocations.lock().unwrap();
        for group in control_groups(Path::new("/sys/fs/cgroup"), 3) {
            let name = group.file_name().unwrap().to_str().unwrap();
            let is_own = name.starts_with(&own) || allocations.iter().any(|id| name.starts_with(id.as_str()));
            assert!(!is_own, "{} is left", group.display());
        }
    }
}

fn control_groups(parent: &Path, depth: usize) -> Vec<PathBuf> {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let folders: Vec<PathBuf> = entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect();
    if depth == 0 {
        return folders;
    }
    let below: Vec<PathBuf> = folders.iter().flat_map(|folder| control_groups(folder, depth - 1)).collect();
    [folders, below].concat()
}

/// The rights of a file or folder.
pub(crate) fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Every file below a folder.
pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let below = |entry: fs::DirEntry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => files_below(&entry.path()),
        Ok(kind) if kind.is_file() => vec![entry.path()],
        _ => Vec::new(),
    };
    entries.flat_map(below).collect()
}

/// What a failure said, without the progress before it.
pub(crate) fn error_of(ran: &Ran) -> &str {
    ran.stderr.find("error:").map_or("", |at| &ran.stderr[at..])
}
