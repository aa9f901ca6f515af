//! Bundles through the binary: out of one machine's folders and into another's.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::server::{Manner, Server};
use crate::support::{Ran, Sandbox, artifact, command, lock, output_of, raw_source, tool, until, zip_source};
use meshlab::core::model::Digest;

const SCRIPT: &[u8] = b"#!/bin/sh\necho raw\n";

/// A machine with a lock of two tools, and the server that has them.
fn scene() -> (Sandbox, Server) {
    let (sandbox, server) = (Sandbox::new(), Server::start());
    let zip = tool("zipped", "hello");
    server.route("/tool.zip", &zip, &[Manner::Serve]);
    server.route("/raw", SCRIPT, &[Manner::Serve]);
    let zipped = artifact("zipped", "1.0", &[zip_source(&server.url("/tool.zip"), &zip)]);
    let raw = artifact("raw", "2.0", &[raw_source(&server.url("/raw"), "raw", SCRIPT)]);
    sandbox.write("deps.lock", lock(&[raw, zipped]));
    (sandbox, server)
}

/// Another machine with the same lock and nothing else.
fn without_network(sandbox: &Sandbox) -> Sandbox {
    let other = Sandbox::new();
    other.write("deps.lock", std::fs::read(sandbox.path("deps.lock")).unwrap());
    other
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn what_is_missing_is_fetched_and_the_other_machine_needs_no_network() {
    let (sandbox, server) = scene();
    let ran = sandbox.run(&["bundle", "export", "lab.tar"]).expect(0);
    assert_eq!(server.seen().len(), 2);
    // Fetched, and not installed.
    assert!(ran.stderr.contains(r#""provision":"stored""#), "{}", ran.stderr);
    assert!(sandbox.names("data/tools").is_empty());
    let json = ran.json();
    let bytes = std::fs::read(sandbox.path("lab.tar")).unwrap();
    assert_eq!(json["digest"], Digest::sha256_of(&bytes).to_string());
    assert_eq!(json["size"], bytes.len());
    assert_eq!(json["next"][0], "meshlab --offline bundle import lab.tar");
    let other = without_network(&sandbox);
    let bundle = sandbox.path("lab.tar");
    let ran = other.run(&["--offline", "bundle", "import", text(&bundle)]).expect(0).json();
    assert_eq!((&ran["stored"], &ran["installed"]), (&2.into(), &serde_json::json!(["raw", "zipped"])));
    assert_eq!(output_of(&command(&other, "zipped")), "hello\n");
    assert_eq!(output_of(&command(&other, "raw")), "raw\n");
    other.run(&["--offline", "provision"]).expect(0);
    other.run(&["deps", "verify"]).expect(0);
    // What the other machine exports is the same file.
    other.run(&["--offline", "bundle", "export", "again.tar", "zipped", "raw"]).expect(0);
    assert_eq!(std::fs::read(other.path("again.tar")).unwrap(), bytes);
    let again = other.run(&["bundle", "import", "again.tar"]).expect(0).json();
    assert_eq!((&again["stored"], &again["present"]), (&0.into(), &2.into()));
    assert_eq!(server.seen().len(), 2);
}

#[test]
fn offline_everything_that_is_missing_is_named() {
    let (sandbox, server) = scene();
    let ran = sandbox.run(&["--offline", "bundle", "export", "lab.tar"]).expect(5);
    for file in ["tool.zip", "raw"] {
        assert!(ran.stderr.contains(file), "{}", ran.stderr);
    }
    assert!(server.seen().is_empty() && !sandbox.path("lab.tar").exists());
    let foreign = if cfg!(target_arch = "aarch64") { "linux-x86_64" } else { "linux-arm64" };
    let ran = sandbox.run(&["bundle", "export", "lab.tar", "--platform", foreign]).expect(1);
    assert!(ran.stderr.contains(&format!("is not locked for {foreign}")), "{}", ran.stderr);
    let ran = sandbox.run(&["bundle", "export", "x", "--with-meshlab", "--platform", foreign]).expect(2);
    assert!(ran.stderr.contains("leaves that out"), "{}", ran.stderr);
    sandbox.run(&["bundle", "export", "x", "--platform", "windows"]).expect(2);
}

#[test]
fn the_program_comes_along_where_it_is_asked_for() {
    let (sandbox, _server) = scene();
    let ran = sandbox.run(&["bundle", "export", "lab.tar", "raw", "--with-meshlab"]).expect(0).json();
    assert_eq!(ran["next"][0], "tar xf lab.tar meshlab-bundle/meshlab");
    let other = without_network(&sandbox);
    let bundle = sandbox.path("lab.tar");
    let untar = Command::new("tar")
        .args(["xf", text(&bundle), "meshlab-bundle/meshlab"])
        .current_dir(other.path(""))
        .output()
        .unwrap();
    assert!(untar.status.success() && untar.stderr.is_empty(), "{untar:?}");
    let program = other.path("meshlab-bundle/meshlab");
    let own = std::fs::read(env!("CARGO_BIN_EXE_meshlab")).unwrap();
    assert!(std::fs::read(&program).unwrap() == own, "another program");
    let mut import = Command::new(&program);
    let like = other.meshlab(&["--offline", "bundle", "import", text(&bundle)]);
    import.env_clear().envs(like.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let ran = Ran::from(import.args(like.get_args()).current_dir(other.path("")).output().unwrap());
    ran.expect(0);
    assert_eq!(output_of(&command(&other, "raw")), "raw\n");
}

#[test]
fn a_killed_import_is_repeated_and_loses_nothing() {
    let (sandbox, _server) = scene();
    sandbox.run(&["bundle", "export", "lab.tar"]).expect(0);
    let bytes = std::fs::read(sandbox.path("lab.tar")).unwrap();
    let other = without_network(&sandbox);
    // A pipe, of which all but the last file's end comes.
    let pipe = other.path("pipe.tar");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut child = other.spawn(&["bundle", "import", "pipe.tar"], "first.log");
    let mut writer = std::fs::OpenOptions::new().write(true).open(&pipe).unwrap();
    writer.write_all(&bytes[..bytes.len() - 1024 - 400]).unwrap();
    until("the first file is stored and the second one begun", || {
        other.names("cache/sha256").len() == 1
            && other.names("cache/partial").iter().any(|name| name.ends_with(".partial"))
    });
    child.kill().unwrap();
    child.wait().unwrap();
    drop(writer);
    assert!(other.names("data/tools").is_empty());
    let bundle = sandbox.path("lab.tar");
    let ran = other.run(&["bundle", "import", text(&bundle)]).expect(0).json();
    assert_eq!((&ran["stored"], &ran["present"]), (&1.into(), &1.into()));
    assert!(other.names("cache/partial").is_empty(), "{:?}", other.names("cache/partial"));
    assert_eq!(output_of(&command(&other, "zipped")), "hello\n");
}

#[test]
fn a_damaged_bundle_installs_nothing() {
    let (sandbox, _server) = scene();
    sandbox.run(&["bundle", "export", "lab.tar"]).expect(0);
    let mut bytes = std::fs::read(sandbox.path("lab.tar")).unwrap();
    let last = bytes.len() - 1024 - 512;
    bytes[last] ^= 1;
    let other = without_network(&sandbox);
    other.write("lab.tar", &bytes);
    let ran = other.run(&["bundle", "import", "lab.tar"]).expect(4);
    assert!(ran.stderr.contains("tool.zip of zipped has changed"), "{}", ran.stderr);
    assert!(other.names("data/tools").is_empty());
    assert_eq!(other.names("cache/sha256").len(), 1);
    other.write("lab.tar", &bytes[..last]);
    let ran = other.run(&["bundle", "import", "lab.tar"]).expect(1);
    assert!(
        ran.stderr.contains(&format!("ends after {last} bytes, in tool.zip of zipped")),
        "{}",
        ran.stderr
    );
}

/// Runs it with a small file system at `place`, if this user may make one.
fn on_a_small_disk(sandbox: &Sandbox, place: &str, arguments: &[&str]) -> Option<Ran> {
    let place = sandbox.path(place);
    std::fs::create_dir_all(&place).unwrap();
    let script = "mount -t tmpfs -o size=64k none \"$1\" || exit 99; shift; exec \"$@\"";
    let like = sandbox.meshlab(arguments);
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"]).arg(&place);
    command.arg(like.get_program()).args(like.get_args()).current_dir(sandbox.path(""));
    command.env_clear().envs(like.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let ran = command.stdin(Stdio::null()).output().ok()?;
    if ran.status.code() == Some(99) || !ran.stderr.starts_with(b"{") {
        return None;
    }
    Some(Ran::from(ran))
}

#[test]
fn a_full_disk_is_said_to_be_full() {
    let (sandbox, server) = (Sandbox::new(), Server::start());
    let big = vec![7; 300_000];
    server.route("/raw", &big, &[Manner::Serve]);
    let raw = artifact("raw", "2.0", &[raw_source(&server.url("/raw"), "raw", &big)]);
    sandbox.write("deps.lock", lock(&[raw]));
    sandbox.run(&["bundle", "export", "lab.tar"]).expect(0);
    let Some(ran) = on_a_small_disk(&sandbox, "small", &["bundle", "export", "small/lab.tar"]) else {
        assert!(std::env::var_os("CI").is_none(), "CI has to be able to mount");
        return;
    };
    let stderr = ran.expect(1).stderr;
    assert!(stderr.contains("No space left") && stderr.contains("another disk"), "{stderr}");
    let other = without_network(&sandbox);
    let bundle = sandbox.path("lab.tar");
    let ran = on_a_small_disk(&other, "cache", &["bundle", "import", text(&bundle)]).unwrap();
    let stderr = ran.expect(1).stderr;
    assert!(stderr.contains("No space left") && stderr.contains("free some space"), "{stderr}");
}
