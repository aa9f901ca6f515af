//! Provisioning through the binary, from a server that can misbehave.

mod support;

use std::path::PathBuf;

use meshlab::model::Digest;
use support::server::{Manner, Server};
use support::{Sandbox, artifact, lock, output_of, pip_source, raw_source, until, zip, zip_source};

/// A zip that unpacks into a command that says `word`.
fn tool(name: &str, word: &str) -> Vec<u8> {
    zip(&[(name, format!("#!/bin/sh\necho {word}\n").as_bytes()), ("share/doc.txt", b"read me\n")])
}

/// A lock with one tool from one address.
fn one(sandbox: &Sandbox, server: &Server, version: &str, content: &[u8]) {
    let source = zip_source(&server.url("/tool.zip"), content);
    sandbox.write("deps.lock", lock(&[artifact("tool", version, &[source])]));
}

fn command(sandbox: &Sandbox, name: &str) -> PathBuf {
    let path = sandbox.run(&["deps", "path", name]).expect(0).json();
    PathBuf::from(path["bin"].as_str().unwrap()).join(name)
}

#[test]
fn a_tool_is_fetched_once_and_then_ready() {
    let (sandbox, server) = (Sandbox::new(), Server::start());
    let content = tool("tool", "hello");
    server.route("/tool.zip", &content, &[Manner::Serve]);
    one(&sandbox, &server, "1.0", &content);
    let first = sandbox.run(&["provision"]).expect(0);
    assert!(first.stderr.contains(r#""outcome":"installed","from":"url""#), "{}", first.stderr);
    assert_eq!(output_of(&command(&sandbox, "tool")), "hello\n");
    let second = sandbox.run(&["provision"]).expect(0);
    assert!(second.stderr.contains(r#""outcome":"ready""#), "{}", second.stderr);
    assert_eq!(server.seen().len(), 1);
    // Nothing is left over, and the cache alone is enough.
    assert!(sandbox.names("cache/partial").is_empty() && sandbox.names("cache/work").is_empty());
    std::fs::remove_dir_all(sandbox.path("data")).unwrap();
    let third = sandbox.run(&["provision", "--offline"]).expect(0);
    assert!(third.stderr.contains(r#""from":"cache""#), "{}", third.stderr);
    assert_eq!(server.seen().len(), 1);
    assert_eq!(sandbox.names("data/tools").len(), 1);
}

#[test]
fn a_dry_run_does_nothing() {
    let (sandbox, server) = (Sandbox::new(), Server::start());
    one(&sandbox, &server, "1.0", &tool("tool", "x"));
    let ran = sandbox.run(&["provision", "--dry-run"]).expect(0);
    assert_eq!(ran.json()["artifacts"][0]["state"], "missing");
    assert!(!sandbox.path("cache").exists() && !sandbox.path("data").exists());
    assert!(server.seen().is_empty());
}

#[test]
fn raw_files_and_variables() {
    let (sandbox, server) = (Sandbox::new(), Server::start());
    let (script, library) = (b"#!/bin/sh\necho \"$LIBRARY\" \"$1\"\n", b"#!/bin/sh\n");
    server.route("/tool", script, &[Manner::Serve]);
    server.route("/lib", library, &[Manner::Serve]);
    let source = raw_source(&server.url("/tool"), "tool", script);
    let second = raw_source(&server.url("/lib"), "it's a lib/x", library);
    let second = second.split("[[artifact.source.file]]").nth(1).unwrap();
    let text = lock(&[artifact("tool", "1", &[source, format!("[[artifact.source.file]]{second}")])]);
    let text = text.replace(
        "\n\n[[artifact.source]]",
        "\nenvironment = { LIBRARY = \"it's a lib\" }\n\n[[artifact.source]]",
    );
    sandbox.write("deps.lock", text);
    sandbox.run(&["provision"]).expect(0);
    let path = command(&sandbox, "tool");
    let tree = path.parent().unwrap().parent().unwrap().join("tree/it's a lib");
    let said = std::process::Command::new(&path).arg("a b").output().unwrap();
    assert_eq!(String::from_utf8(said.stdout).unwrap(), format!("{} a b\n", tree.display()));
    sandbox.run(&["deps", "verify"]).expect(0);
}

#[test]
fn wrong_bytes_are_refused_and_kept_aside() {
    let (sandbox, server) = (Sandbox::new(), Server::start());
    let (right, wrong) = (tool("tool", "right"), tool("tool", "wrong"));
    assert_eq!(right.len(), wrong.len());
    server.route("/tool.zip", &wrong, &[Manner::Serve]);
    one(&sandbox, &server, "1.0", &right);
    let ran = sandbox.run(&["provision"]).expect(4);
    assert!(ran.stderr.contains(&Digest::sha256_of(&wrong).hex()), "{}", ran.stderr);
    assert_eq!(sandbox.names("cache/rejected").len(), 1);
    assert!(sandbox.names("data/tools").is_empty(), "{:?}", sandbox.names("data/tools"));
}

#[test]
fn the_next_source_is_tried_and_the_summary_says_so() {
    let (sandbox, server) = (Sandbox::new(), Server::start());
    let (right, wrong) = (tool("tool", "right"), tool("tool", "wrong"));
    server.route("/bad.zip", &wrong, &[Manner::Serve]);
    server.route("/good.zip", &right, &[Manner::Serve]);
    let sources = [
        zip_source(&server.url("/missing.zip"), &right),
        zip_source(&server.url("/bad.zip"), &right),
        zip_source(&server.url("/good.zip"), &right),
    ];
    sandbox.write("deps.lock", lock(&[artifact("tool", "1", &sources)]));
    let ran = sandbox.run(&["provision"]).expect(0);
    let summary = ran.stderr.lines().find(|line| line.contains(r#""provision":"finished""#)).unwrap();
    assert!(summary.contains("404") && summary.contains(&Digest::sha256_of(&wrong).hex()), "{summary}");
    assert_eq!(output_of(&command(&sandbox, "tool")), "right\n");
    // Without the good one the wrong digest decides, wherever it stands in the order.
    let sandbox = Sandbox::new();
    let sources = [sources[1].clone(), sources[0].clone()];
    sandbox.write("deps.lock", lock(&[artifact("tool", "1", &sources)]));
    sandbox.run(&["provision"]).expect(4);
    // And without that one it is an ordinary failure.
    sandbox.write("deps.lock", lock(&[artifact("tool", "1", &sources[1..])]));
    sandbox.run(&["provision"]).expect(1);
}

#[test]
fn the_mirror_comes_first_for_every_kind_of_source() {
    let (sandbox, server) = (Sandbox::new(), Server::start());
    let (one, two) = (tool("one", "1"), tool("two", "2"));
    server.route(&format!("/m/sha256/{}", Digest::sha256_of(&one).hex()), &one, &[Manner::Serve]);
    server.route("/m/up/two.zip", &two, &[Manner::Serve]);
    let artifacts = [
        artifact("one", "1", &[pip_source(&one)]),
        artifact("two", "1", &[zip_source("http://127.0.0.1:1/up/two.zip", &two)]),
    ];
    sandbox.write("deps.lock", lock(&artifacts));
    let ran = sandbox.meshlab(&["provision"]).env("MESHLAB_MIRROR", server.url("/m")).output().unwrap();
    let ran = support::Ran::from(ran).expect(0);
    assert_eq!(ran.stderr.matches(r#""outcome":"installed","from":"mirror""#).count(), 2, "{}", ran.stderr);
    assert_eq!(output_of(&command(&sandbox, "one")), "1\n");
}

#[test]
fn sources_can_be_restricted() {
    let (sandbox, server) = (Sandbox::new(), Server::start());
    one(&sandbox, &server, "1.0", &tool("tool", "x"));
    let ran = sandbox.run(&["provision", "--source", "registry"]).expect(1);
    assert!(ran.stderr.contains("no registry source"), "{}", ran.stderr);
    assert!(server.seen().is_empty());
}

#[test]
fn offline_lists_all_that_is_missing() {
    let (sandbox, server) = (Sandbox::new(), Server::start());
    let (one, two) = (tool("one", "1"), tool("two", "2"));
    let artifacts = [
        artifact("one", "1.5", &[zip_source(&server.url("/one.zip"), &one)]),
        artifact("two", "2.5", &[zip_source(&server.url("/two.zip"), &two)]),
    ];
    sandbox.write("deps.lock", lock(&artifacts));
    let ran = sandbox.run(&["provision", "--offline"]).expect(5);
    for part in ["one 1.5: one.zip", "two 2.5: two.zip", &Digest::sha256_of(&two).to_string(), "bundle"] {
        assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
    }
    assert!(server.seen().is_empty());
    assert!(!sandbox.path("data").exists());
}

#[test]
fn a_changed_digest_replaces_the_tool() {
    let (sandbox, server) = (Sandbox::new(), Server::start());
    for word in ["old", "new"] {
        let content = tool("tool", word);
        server.route("/tool.zip", &content, &[Manner::Serve]);
        one(&sandbox, &server, "1.0", &content);
        sandbox.run(&["provision"]).expect(0);
        assert_eq!(output_of(&command(&sandbox, "tool")), format!("{word}\n"));
        assert_eq!(sandbox.names("data/tools").len(), 1);
    }
}

#[test]
fn damage_is_found_and_mended() {
    let (sandbox, server) = (Sandbox::new(), Server::start());
    let content = tool("tool", "hello");
    server.route("/tool.zip", &content, &[Manner::Serve]);
    one(&sandbox, &server, "1.0", &content);
    sandbox.run(&["provision"]).expect(0);
    sandbox.run(&["deps", "verify"]).expect(0);
    let target = std::fs::canonicalize(command(&sandbox, "tool")).unwrap();
    let tree = target.parent().unwrap();
    // The same length, so that only its bytes tell.
    std::fs::write(&target, "#!/bin/sh\necho jello\n").unwrap();
    std::fs::write(tree.join("extra"), "").unwrap();
    std::fs::remove_file(tree.join("share/doc.txt")).unwrap();
    let stored = sandbox.path("cache/sha256").join(Digest::sha256_of(&content).hex());
    std::fs::write(&stored, "changed").unwrap();
    let ran = sandbox.run(&["deps", "verify"]).expect(4);
    assert_eq!(ran.stderr.matches(r#"["deviates","#).count(), 4, "{}", ran.stderr);
    // Another length is seen without hashing; the damaged file in the store is not used again.
    std::fs::write(&target, "short").unwrap();
    sandbox.run(&["provision"]).expect(0);
    assert_eq!(output_of(&command(&sandbox, "tool")), "hello\n");
    assert_eq!(server.seen().len(), 2);
    sandbox.run(&["deps", "verify"]).expect(0);
}

#[test]
fn two_processes_share_the_work() {
    let (sandbox, server) = (Sandbox::new(), Server::start());
    let content = tool("tool", "hello");
    server.route("/tool.zip", &content, &[Manner::GateAfter(50)]);
    one(&sandbox, &server, "1.0", &content);
    let mut first = sandbox.spawn(&["provision"], "first.log");
    until("the first one is at work", || server.seen().len() == 1);
    let mut second = sandbox.spawn(&["provision"], "second.log");
    until("the second one waits", || {
        std::fs::read_to_string(sandbox.path("second.log")).unwrap().contains(r#""provision":"waiting""#)
    });
    server.open_gate();
    assert!(first.wait().unwrap().success());
    assert!(second.wait().unwrap().success());
    assert_eq!(server.seen().len(), 1);
    assert_eq!(output_of(&command(&sandbox, "tool")), "hello\n");
    assert_eq!(sandbox.names("data/tools").len(), 1);
}

#[test]
fn two_data_folders_share_one_download() {
    let (sandbox, server) = (Sandbox::new(), Server::start());
    let content = tool("tool", "hello");
    server.route("/tool.zip", &content, &[Manner::GateAfter(50)]);
    one(&sandbox, &server, "1.0", &content);
    let mut first = sandbox.spawn(&["provision"], "first.log");
    until("the first one is at work", || server.seen().len() == 1);
    let log = std::fs::File::create(sandbox.path("second.log")).unwrap();
    let mut second = sandbox.meshlab(&["provision"]);
    let mut second = second
        .env("MESHLAB_DATA_DIR", sandbox.path("data2"))
        .stdout(std::process::Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap();
    until("the second one waits", || {
        std::fs::read_to_string(sandbox.path("second.log")).unwrap().contains(r#""provision":"waiting""#)
    });
    server.open_gate();
    assert!(first.wait().unwrap().success());
    assert!(second.wait().unwrap().success());
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn a_killed_download_is_continued() {
    let (sandbox, server) = (Sandbox::new(), Server::start());
    // Digests do not compress, so that the zip is long enough to be cut in half.
    let body: Vec<u8> = (0..62_500_u32)
        .flat_map(|number| match Digest::sha256_of(&number.to_le_bytes()) {
            Digest::Sha256(bytes) => bytes.to_vec(),
            Digest::Sha512(bytes) => bytes.to_vec(),
        })
        .collect();
    let content = zip(&[("tool", b"#!/bin/sh\necho hello\n"), ("data", &body)]);
    server.route("/tool.zip", &content, &[Manner::HangAfter(1_000_000), Manner::Serve]);
    one(&sandbox, &server, "1.0", &content);
    let mut child = sandbox.spawn(&["provision"], "first.log");
    let partial = || {
        let names = sandbox.names("cache/partial");
        names.into_iter().find(|name| name.ends_with(".partial"))
    };
    until("half of it is on the disk", || {
        partial().is_some_and(|name| {
            std::fs::metadata(sandbox.path("cache/partial").join(name))
                .is_ok_and(|found| found.len() == 1_000_000)
        })
    });
    child.kill().unwrap();
    child.wait().unwrap();
    let ran = sandbox.run(&["provision"]).expect(0);
    assert!(ran.stderr.contains(r#""resumed":1000000"#), "{}", ran.stderr);
    assert_eq!(server.seen()[1].from, Some(1_000_000));
    assert_eq!(output_of(&command(&sandbox, "tool")), "hello\n");
    assert!(sandbox.names("cache/partial").is_empty() && sandbox.names("cache/work").is_empty());
}

#[test]
fn a_killed_installation_is_done_again() {
    let (sandbox, server) = (Sandbox::new(), Server::start());
    let big = vec![7; 60_000_000];
    let content = zip(&[("tool", b"#!/bin/sh\necho hello\n"), ("a", &big), ("b", &big), ("c", &big)]);
    server.route("/tool.zip", &content, &[Manner::Serve]);
    one(&sandbox, &server, "1.0", &content);
    for _ in 0..3 {
        let mut child = sandbox.spawn(&["provision"], "killed.log");
        let tools = || sandbox.names("data/tools");
        until("it unpacks", || {
            tools().iter().any(|name| name.starts_with(".staging") || name.starts_with("tool-"))
        });
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let ran = sandbox.run(&["provision"]).expect(0);
    assert_eq!(ran.json()["tools"][0]["artifact"], "tool");
    assert_eq!(output_of(&command(&sandbox, "tool")), "hello\n");
    assert_eq!(sandbox.names("data/tools").len(), 1, "{:?}", sandbox.names("data/tools"));
    assert_eq!(server.seen().len(), 1);
    sandbox.run(&["deps", "verify"]).expect(0);
}

#[test]
fn a_command_that_is_not_in_the_archive_is_an_error() {
    let (sandbox, server) = (Sandbox::new(), Server::start());
    let content = tool("other", "x");
    server.route("/tool.zip", &content, &[Manner::Serve]);
    one(&sandbox, &server, "1.0", &content);
    let ran = sandbox.run(&["provision"]).expect(1);
    assert!(ran.stderr.contains("has no command tool"), "{}", ran.stderr);
    assert!(sandbox.names("data/tools").is_empty());
}

#[test]
fn several_failures_are_told_together() {
    let (sandbox, server) = (Sandbox::new(), Server::start());
    let (right, wrong) = (tool("two", "1"), tool("two", "2"));
    server.route("/two.zip", &wrong, &[Manner::Serve]);
    server.route("/three.zip", &right, &[Manner::Serve]);
    let artifacts = [
        artifact("one", "1", &[zip_source(&server.url("/one.zip"), &right)]),
        artifact("two", "1", &[zip_source(&server.url("/two.zip"), &right)]),
    ];
    sandbox.write("deps.lock", lock(&artifacts));
    let ran = sandbox.run(&["provision"]).expect(4);
    assert!(ran.stderr.contains("2 artifacts could not be had"), "{}", ran.stderr);
}

#[test]
fn why_and_list_tell_the_state() {
    let (sandbox, server) = (Sandbox::new(), Server::start());
    let content = tool("tool", "hello");
    server.route("/tool.zip", &content, &[Manner::Serve]);
    one(&sandbox, &server, "1.0", &content);
    assert_eq!(sandbox.run(&["deps", "list"]).expect(0).json()["artifacts"][0]["state"], "missing");
    sandbox.run(&["deps", "path", "tool"]).expect(1);
    sandbox.run(&["provision", "tool"]).expect(0);
    let why = sandbox.run(&["deps", "why", "tool"]).expect(0).json();
    assert_eq!(why["state"], "installed");
    assert_eq!(why["sources"][0]["files"][0]["stored"], true);
    let ran = sandbox.run(&["deps", "why", "tol"]).expect(2);
    assert!(ran.stderr.contains("did you mean tool?"), "{}", ran.stderr);
}

#[test]
fn clean_removes_what_it_is_told_and_spares_running_labs() {
    let (sandbox, server) = (Sandbox::new(), Server::start());
    let content = tool("tool", "hello");
    server.route("/tool.zip", &content, &[Manner::Serve]);
    one(&sandbox, &server, "1.0", &content);
    sandbox.run(&["provision"]).expect(0);
    sandbox.write("state/run/127.0.0.1/state.json", "{}");
    sandbox.write("state/run/127.0.0.2/consul.log", "old");
    sandbox.write("cache/not-ours", "x");
    let ran = sandbox.run(&["clean"]).expect(2);
    assert!(ran.stderr.contains("--cache") && ran.stderr.contains("kB"), "{}", ran.stderr);
    sandbox.run(&["clean", "--tools"]).expect(1);
    sandbox.run(&["clean", "--cache", "--state", "--dry-run"]).expect(0);
    assert_eq!(sandbox.names("cache/sha256").len(), 1);
    let ran = sandbox.run(&["clean", "--cache", "--state"]).expect(0);
    assert!(ran.json()["bytes"].as_u64().unwrap() > 0);
    assert_eq!(sandbox.names("cache"), ["not-ours"]);
    assert_eq!(sandbox.names("state/run"), ["127.0.0.1"]);
    std::fs::remove_file(sandbox.path("state/run/127.0.0.1/state.json")).unwrap();
    sandbox.run(&["clean", "--tools"]).expect(0);
    assert!(sandbox.names("data/tools").is_empty());
}
