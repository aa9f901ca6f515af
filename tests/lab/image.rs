//! Container images through the binary: the same bytes each time, the ids of the lock in a real Docker, and programs
//! that run in them.
//!
//! The tools come from the user's own cache and data folders, or are provisioned into them first.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use meshlab::core::model::Digest;
use serde_json::Value;

use crate::support::server::{Manner, Server};
use crate::support::{Ran, Sandbox, artifact, lock, raw_source};

/// The program with the built-in lock and the user's own tools.
fn meshlab(folder: &Path, arguments: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_meshlab"));
    command.current_dir(folder).arg("--json").args(arguments).stdin(Stdio::null());
    Ran::from(command.output().unwrap())
}

fn docker(arguments: &[&str]) -> Ran {
    Ran::from(Command::new("docker").args(arguments).stdin(Stdio::null()).output().unwrap())
}

/// Whether there is a Docker daemon, which a CI system must have.
fn has_docker() -> bool {
    let asked = Command::new("docker").arg("version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let answers = asked.is_ok_and(|status| status.success());
    if !answers {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "CI has to have a Docker daemon");
        eprintln!("SKIPPED: no Docker daemon answers");
    }
    answers
}

/// The id that Docker has for a name.
fn id_of(reference: &str) -> String {
    docker(&["image", "inspect", "--format", "{{.Id}}", reference]).expect(0).stdout.trim().to_owned()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// Whether an image's tools are what the lock pins it with: the release files of these have other bytes than the builds.
fn is_as_pinned(folder: &Path, image: &Value) -> bool {
    image["layers"].as_array().unwrap().iter().map(|layer| text(&layer["of"])).all(|name| {
        !["cni-plugins", "consul", "nomad"].contains(&name)
            || meshlab(folder, &["deps", "path", name]).expect(0).json()["source"] == "go"
    })
}

#[test]
fn an_archive_is_the_same_each_time_and_hardly_larger_than_its_parts() {
    let folder = tempfile::tempdir().unwrap();
    let one = meshlab(folder.path(), &["image", "export", "one.tar"]).expect(0).json();
    let other = meshlab(folder.path(), &["image", "export", "other.tar"]).expect(0).json();
    assert_eq!(one["digest"], other["digest"]);
    let bytes = std::fs::read(folder.path().join("one.tar")).unwrap();
    assert_eq!(text(&one["digest"]), Digest::sha256_of(&bytes).to_string());
    assert_eq!(one["size"].as_u64(), Some(bytes.len() as u64));
    let images = one["images"].as_array().unwrap();
    for image in images {
        assert_eq!(image["pinned"], is_as_pinned(folder.path(), image), "{image:#}");
    }
    let layers: BTreeMap<&str, u64> = images
        .iter()
        .flat_map(|image| image["layers"].as_array().unwrap())
        .map(|layer| (text(&layer["of"]), layer["size"].as_u64().unwrap()))
        .collect();
    assert_eq!(layers.len(), 10, "every artifact once, and the base: {layers:?}");
    let together: u64 = layers.values().sum();
    let apart: u64 = images.iter().map(|image| image["size"].as_u64().unwrap()).sum();
    let size = bytes.len() as u64;
    assert!(size * 100 <= together * 102 && size * 2 < apart, "{size}, parts {together}, apart {apart}");
    // What is there is replaced only by somebody who says so, and nothing else is left.
    let again = meshlab(folder.path(), &["image", "export", "one.tar", "nginx"]).expect(2);
    assert!(again.stderr.contains("one.tar exists"), "{}", again.stderr);
    meshlab(folder.path(), &["image", "export", "--yes", "one.tar", "nginx"]).expect(0);
    assert!(std::fs::metadata(folder.path().join("one.tar")).unwrap().len() < size / 10);
    let mut left: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["one.tar", "other.tar"]);
}

#[test]
fn an_archive_on_standard_output_is_the_archive() {
    let folder = tempfile::tempdir().unwrap();
    let file = meshlab(folder.path(), &["image", "export", "file.tar", "nginx"]).expect(0).json();
    let mut command = Command::new(env!("CARGO_BIN_EXE_meshlab"));
    command.current_dir(folder.path()).args(["--quiet", "image", "export", "-", "nginx"]);
    let output = command.output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    assert_eq!(text(&file["digest"]), Digest::sha256_of(&output.stdout).to_string());
}

/// `docker load` of an archive gives what the lock pins, and every program runs in it without a network.
#[test]
fn docker_loads_an_archive_with_the_ids_of_the_lock() {
    if !has_docker() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let exported = meshlab(folder.path(), &["image", "export", "all.tar"]).expect(0).json();
    let path = folder.path().join("all.tar");
    docker(&["load", "--quiet", "--input", path.to_str().unwrap()]).expect(0);
    let mut references = BTreeMap::new();
    for image in exported["images"].as_array().unwrap() {
        let id = id_of(text(&image["reference"]));
        assert!([text(&image["id"]), text(&image["manifest"])].contains(&id.as_str()), "{id}: {image:#}");
        references.insert(text(&image["name"]), text(&image["reference"]));
    }
    let runs = [
        ("consul", vec!["consul", "version"], "Consul v"),
        ("envoy", vec!["envoy", "--version"], "envoy  version: "),
        ("envoy", vec!["consul", "version"], "Consul v"),
        ("nginx", vec!["nginx", "-v"], "nginx version: nginx/"),
        ("nomad", vec!["nomad", "version"], "Nomad v"),
        ("nomad", vec!["iptables", "-V"], "iptables v"),
        ("nomad", vec!["/opt/cni/bin/bridge", "--version"], "CNI bridge plugin v"),
        ("machine", vec!["sh", "-c", "wrk -v; true"], "wrk "),
        ("machine", vec!["envoy", "--version"], "envoy  version: "),
        ("machine", vec!["iptables-legacy", "-V"], "(legacy)"),
        ("machine", vec!["sh", "-c", "echo ok && id nobody && touch /tmp/x"], "ok\nuid=65534(nobody)"),
    ];
    for (name, command, expected) in runs {
        let arguments =
            [&["run", "--rm", "--network", "none", references[name]], command.as_slice()].concat();
        let ran = docker(&arguments).expect(0);
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert!(said.contains(expected), "{command:?} in {name}: {said}");
    }
    // They are there, so nothing is loaded.
    let ran = meshlab(folder.path(), &["image", "load"]).expect(0);
    assert!(!ran.stderr.contains(r#""image":"loaded""#), "{}", ran.stderr);
    let listed = meshlab(folder.path(), &["image", "list"]).expect(0).json();
    let images = listed["images"].as_array().unwrap();
    assert!(images.len() == 5 && images.iter().all(|image| image["docker"] == "loaded"), "{listed:#}");
}

/// A lock with one image of one small tool, from a server of its own.
fn small(name: &str) -> (Sandbox, Server, String) {
    let (sandbox, server) = (Sandbox::new(), Server::start());
    let content = format!("#!/bin/sh\necho {name}\n");
    server.route("/tool", content.as_bytes(), &[Manner::Serve]);
    let source = raw_source(&server.url("/tool"), "tool", content.as_bytes());
    let image = format!(
        "\n[[image]]\nname = \"{name}\"\nsummary = \"one\"\ncontents = [\"tool\"]\ntag = [\"tool\"]\n"
    );
    let text = format!("{}{image}", lock(&[artifact("tool", "1.0", &[source])]));
    sandbox.write("deps.lock", &text);
    (sandbox, server, text)
}

#[test]
fn deps_lock_pins_images_and_finds_what_changed() {
    let (sandbox, _server, _) = small("image-test-pinned");
    let listed = sandbox.run(&["image", "list"]).expect(0).json();
    assert_eq!(listed["images"][0]["id"], Value::Null);
    let ran = sandbox.run(&["deps", "lock", "--check"]).expect(7);
    assert!(ran.stderr.contains("image-test-pinned") && ran.stderr.contains("not pinned"), "{}", ran.stderr);
    sandbox.run(&["deps", "lock"]).expect(0);
    sandbox.run(&["deps", "lock", "--check"]).expect(0);
    let listed = sandbox.run(&["image", "list"]).expect(0).json();
    let exported = sandbox.run(&["image", "export", "x.tar"]).expect(0).json();
    assert_eq!(exported["images"][0]["id"], listed["images"][0]["id"]);
    assert_eq!(exported["images"][0]["pinned"], true);
    // Other words make another image, and another tool makes another layer.
    let text = std::fs::read_to_string(sandbox.path("deps.lock")).unwrap();
    sandbox.write("deps.lock", text.replace("summary = \"one\"", "summary = \"two\""));
    let ran = sandbox.run(&["image", "export", "y.tar"]).expect(7);
    assert!(ran.stderr.contains("does not match its pin in deps.lock"), "{}", ran.stderr);
    sandbox.run(&["--offline", "deps", "lock", "--check"]).expect(7);
    sandbox.write("deps.lock", &text);
    let tool = sandbox.names("data/tools").into_iter().find(|name| name.starts_with("tool-")).unwrap();
    sandbox.write(&format!("data/tools/{tool}/tree/tool"), "#!/bin/sh\necho image-test-PINNED\n");
    let ran = sandbox.run(&["image", "export", "y.tar"]).expect(4);
    assert!(ran.stderr.contains("the image layer of tool does not have the pinned digest"), "{}", ran.stderr);
    assert!(!sandbox.names("").iter().any(|name| name.starts_with("y.tar")), "{:?}", sandbox.names(""));
}

/// Removes what a test loaded, whatever became of the test.
struct Loaded(Vec<String>);

impl Drop for Loaded {
    fn drop(&mut self) {
        let mut arguments = vec!["image", "rm", "--force"];
        arguments.extend(self.0.iter().map(String::as_str));
        drop(Command::new("docker").args(arguments).output());
    }
}

#[test]
fn a_newer_image_takes_the_place_of_the_one_before() {
    if !has_docker() {
        return;
    }
    // The sandbox's own environment has no DOCKER_HOST; a daemon elsewhere is not for this test.
    let name = format!("image-test-{}", std::process::id());
    let (sandbox, _server, text) = small(&name);
    let reference = format!("meshlab/{name}:1.0");
    let mut loaded = Loaded(vec![reference.clone()]);
    let ran = sandbox.run(&["image", "load"]).expect(0);
    assert!(ran.stderr.contains(r#""image":"loaded""#), "{}", ran.stderr);
    let before = id_of(&reference);
    loaded.0.push(before.clone());
    // It was never pinned, so it was measured; what is loaded is what was measured.
    let listed = sandbox.run(&["image", "list"]).expect(0).json();
    assert_eq!(listed["images"][0]["docker"], "loaded");
    sandbox.write("deps.lock", text.replace("summary = \"one\"", "summary = \"two\""));
    let listed = sandbox.run(&["image", "list"]).expect(0).json();
    assert_eq!(listed["images"][0]["docker"], "other");
    sandbox.run(&["image", "load"]).expect(0);
    assert_ne!(id_of(&reference), before);
    assert_ne!(docker(&["image", "inspect", &before]).code, Some(0), "the replaced image is still there");
    // A daemon that is not there.
    let mut command = sandbox.meshlab(&["image", "load"]);
    let ran = Ran::from(command.env("DOCKER_HOST", "unix:///nonexistent").output().unwrap()).expect(6);
    assert!(ran.stderr.contains("no Docker daemon"), "{}", ran.stderr);
}
