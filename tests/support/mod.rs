//! What the tests through the binary share.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    reason = "each test uses a part of it"
)]

pub mod server;

use std::convert::Infallible;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use meshlab::core::model::Digest;
use meshlab::core::until::{Observed, until_blocking};

/// Folders of its own for one test, and commands that use nothing else.
pub struct Sandbox {
    folder: tempfile::TempDir,
}

impl Sandbox {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// `meshlab --json --lock <sandbox>/deps.lock ...` with an environment that holds nothing of the machine's.
    pub fn meshlab(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_meshlab"));
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.path("home"))
            .env("MESHLAB_CACHE_DIR", self.path("cache"))
            .env("MESHLAB_DATA_DIR", self.path("data"))
            .env("MESHLAB_STATE_DIR", self.path("state"))
            .env("MESHLAB_CONFIG_DIR", self.path("config"))
            .current_dir(self.folder.path())
            .arg("--json")
            .arg("--lock")
            .arg(self.path("deps.lock"))
            .args(arguments);
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        Ran::from(self.meshlab(arguments).output().unwrap())
    }

    /// Starts it with its standard error in a file.
    pub fn spawn(&self, arguments: &[&str], log: &str) -> Child {
        let log = std::fs::File::create(self.path(log)).unwrap();
        self.meshlab(arguments).stdout(Stdio::null()).stderr(log).spawn().unwrap()
    }

    /// Names below a folder of the sandbox, sorted; none if it does not exist.
    pub fn names(&self, folder: &str) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.path(folder)) else { return Vec::new() };
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// How a run ended.
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ran {
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }
}

/// Waits until something holds: as long as a busy machine may need for it.
#[track_caller]
pub fn until(what: &str, holds: impl FnMut() -> bool) {
    until_every(Duration::from_millis(1), what, holds);
}

/// The same with a longer pause between two looks.
#[track_caller]
pub fn until_every(interval: Duration, what: &str, mut holds: impl FnMut() -> bool) {
    let Ok(outcome) =
        until_blocking(Duration::from_mins(1), interval, || Ok::<_, Infallible>(Observed::from(holds())));
    assert!(outcome.is_ok(), "still not: {what}");
}

/// Copies the program by another process: this one would hand the open file on to whatever it starts meanwhile, and a file
/// that is open for writing cannot be run.
pub fn copy_program(to: &Path) {
    let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_meshlab")).arg(to).status().unwrap();
    assert!(copied.success());
}

/// A process that listens at a port, and does nothing else with it. What it held is free once this is dropped.
pub struct PortHolder(Child);

impl PortHolder {
    pub fn at(address: &str, port: u16) -> Self {
        let at = format!("{address}:{port}");
        let mut command = Command::new(env!("CARGO_BIN_EXE_meshlab"));
        command.args(["svc", "echo", "--listen", &at]).stdin(Stdio::null()).stdout(Stdio::null());
        let holder = Self(command.stderr(Stdio::null()).spawn().unwrap());
        until("the port is taken", || std::net::TcpStream::connect(&at).is_ok());
        holder
    }

    pub fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for PortHolder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A zip with these members; those that begin with `#!` may be run.
pub fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in members {
        let mode = if content.starts_with(b"#!") { 0o755 } else { 0o644 };
        let options = zip::write::SimpleFileOptions::default().unix_permissions(mode);
        zip.start_file(*name, options).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// An artifact of a lock, with one command of its own name.
pub fn artifact(name: &str, version: &str, sources: &[String]) -> String {
    format!(
        "\n[[artifact]]\nname = \"{name}\"\nversion = \"{version}\"\nlicense = \"MIT\"\nsummary = \"a tool\"\nprofiles = [\"core\"]\ncommands = {{ {name} = \"{name}\" }}\n{}",
        sources.concat()
    )
}

/// A source of kind url for this machine, whose file is a zip.
pub fn zip_source(url: &str, content: &[u8]) -> String {
    source(
        "url",
        &format!("url = \"{url}\""),
        content,
        "archive = \"zip\"\nunpacked_limit = 500000000\nunpack = { \"./\" = \"./\" }",
    )
}

/// The same for a single file.
pub fn raw_source(url: &str, name: &str, content: &[u8]) -> String {
    source("url", &format!("url = \"{url}\""), content, &format!("install = \"{name}\""))
}

/// A source of another kind, which no test really asks.
pub fn pip_source(content: &[u8]) -> String {
    source(
        "pip",
        "package = \"no-such-package\"\nversion = \"0\"\nname = \"x.whl\"",
        content,
        "archive = \"zip\"\nunpacked_limit = 500000000\nunpack = { \"./\" = \"./\" }",
    )
}

fn source(kind: &str, locator: &str, content: &[u8], rest: &str) -> String {
    let platform = if cfg!(target_arch = "aarch64") { "linux-arm64" } else { "linux-x86_64" };
    format!(
        "\n[[artifact.source]]\nkind = \"{kind}\"\nplatform = \"{platform}\"\n\n[[artifact.source.file]]\n{locator}\nsha256 = \"{}\"\nsize = {}\n{rest}\n",
        Digest::sha256_of(content).hex(),
        content.len()
    )
}

/// A whole lock.
pub fn lock(artifacts: &[String]) -> String {
    format!("version = 1\n{}", artifacts.concat())
}

/// What a command prints.
pub fn output_of(path: &Path) -> String {
    String::from_utf8(Command::new(path).output().unwrap().stdout).unwrap()
}

/// A zip that unpacks into a command that says `word`.
pub fn tool(name: &str, word: &str) -> Vec<u8> {
    zip(&[(name, format!("#!/bin/sh\necho {word}\n").as_bytes()), ("share/doc.txt", b"read me\n")])
}

/// A lock with one tool from one address.
pub fn one(sandbox: &Sandbox, server: &server::Server, version: &str, content: &[u8]) {
    let source = zip_source(&server.url("/tool.zip"), content);
    sandbox.write("deps.lock", lock(&[artifact("tool", version, &[source])]));
}

pub fn command(sandbox: &Sandbox, name: &str) -> PathBuf {
    let path = sandbox.run(&["deps", "path", name]).expect(0).json();
    PathBuf::from(path["bin"].as_str().unwrap()).join(name)
}
