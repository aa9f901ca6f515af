//! Provisioning through the binary, from a server that can misbehave.

use crate::support::server::{Manner, Server};
use crate::support::{
    Ran, Sandbox, artifact, command, lock, one, output_of, pip_source, raw_source, tool, zip, zip_source,
};
use meshlab::core::model::Digest;

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
fn archives_of_one_source_become_one_tree() {
    let (sandbox, server) = (Sandbox::new(), Server::start());
    let first = tool("tool", "hello");
    let others = [zip(&[("lib/a/b", b"b"), ("share/more.txt", b"m")]), zip(&[("lib/a/b", b"again")])];
    let mut source = String::new();
    for (name, content) in [("first", &first), ("second", &others[0]), ("third", &others[1])] {
        server.route(&format!("/{name}.zip"), content, &[Manner::Serve]);
        let next = zip_source(&server.url(&format!("/{name}.zip")), content);
        let file = next.split("[[artifact.source.file]]").nth(1).unwrap();
        source = if source.is_empty() { next } else { format!("{source}\n[[artifact.source.file]]{file}") };
        sandbox.write("deps.lock", lock(&[artifact("tool", "1", std::slice::from_ref(&source))]));
        if name == "second" {
            sandbox.run(&["provision"]).expect(0);
            let tree = command(&sandbox, "tool").parent().unwrap().parent().unwrap().join("tree");
            assert_eq!(std::fs::read(tree.join("lib/a/b")).unwrap(), b"b");
            assert_eq!(std::fs::read_dir(tree.join("share")).unwrap().count(), 2);
            sandbox.run(&["deps", "verify"]).expect(0);
        }
    }
    // The third one brings a file that the second one brought.
    let ran = sandbox.run(&["provision"]).expect(1);
    assert!(ran.stderr.contains("would replace"), "{}", ran.stderr);
    assert_eq!(sandbox.names("data/tools").len(), 1);
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
fn an_archive_that_is_unsafe_though_locked_is_kept_aside() {
    let (sandbox, server) = (Sandbox::new(), Server::start());
    let evil = zip(&[("tool", b"#!/bin/sh\n"), ("../evil", b"outside")]);
    server.route("/tool.zip", &evil, &[Manner::Serve]);
    one(&sandbox, &server, "1.0", &evil);
    let ran = sandbox.run(&["provision"]).expect(4);
    assert!(ran.stderr.contains("../evil") && ran.stderr.contains("kept at"), "{}", ran.stderr);
    assert_eq!(sandbox.names("cache/rejected").len(), 1);
    assert!(sandbox.names("cache/sha256").is_empty(), "{:?}", sandbox.names("cache/sha256"));
    assert!(sandbox.names("data/tools").is_empty(), "{:?}", sandbox.names("data/tools"));
}

#[test]
fn after_an_unsafe_archive_the_next_source_is_tried() {
    let (sandbox, server) = (Sandbox::new(), Server::start());
    let (right, evil) = (tool("tool", "right"), zip(&[("tool", b"#!/bin/sh\n"), ("../evil", b"outside")]));
    server.route("/evil.zip", &evil, &[Manner::Serve]);
    server.route("/good.zip", &right, &[Manner::Serve]);
    let sources = [zip_source(&server.url("/evil.zip"), &evil), zip_source(&server.url("/good.zip"), &right)];
    sandbox.write("deps.lock", lock(&[artifact("tool", "1.0", &sources)]));
    let ran = sandbox.run(&["provision"]).expect(0);
    assert!(ran.stderr.contains("cannot unpack evil.zip: it is unsafe"), "{}", ran.stderr);
    assert_eq!(sandbox.names("data/tools").len(), 1);
    // And at the next run nothing is left to do.
    sandbox.run(&["provision", "--offline"]).expect(0);
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
    let ran = Ran::from(ran).expect(0);
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
    for part in
        ["one 1.5: one.zip", "two 2.5: two.zip", &Digest::sha256_of(&two).to_string(), "without --offline"]
    {
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
    assert!(ran.stderr.contains("cannot fetch 2 artifacts"), "{}", ran.stderr);
}

#[test]
fn a_built_file_from_the_mirror_needs_no_toolchain() {
    let (sandbox, server) = (Sandbox::new(), Server::start());
    let (built, go) = (b"#!/bin/sh\necho built\n", tool("go", "toolchain"));
    server.route(&format!("/sha256/{}", Digest::sha256_of(built).hex()), built, &[Manner::Serve]);
    server.route("/go.zip", &go, &[Manner::Serve]);
    let by_go = format!(
        "kind = \"go\"\nwrapper = \"w\"\ninputs = \"{}\"\ntoolchain = \"go\"",
        Digest::sha256_of(b"")
    );
    let source = raw_source("http://127.0.0.1:1/x", "tool", built)
        .replace("kind = \"url\"", &by_go)
        .replace("url = \"http://127.0.0.1:1/x\"", "package = \"example.org/x\"\nname = \"tool\"");
    let toolchain = artifact("go", "1", &[zip_source(&server.url("/go.zip"), &go)]);
    let toolchain = toolchain.replace("[\"core\"]", "[]");
    sandbox.write("deps.lock", lock(&[toolchain, artifact("tool", "1", &[source])]));
    let ran = sandbox.meshlab(&["provision"]).env("MESHLAB_MIRROR", server.url("")).output().unwrap();
    Ran::from(ran).expect(0);
    assert_eq!(output_of(&command(&sandbox, "tool")), "built\n");
    assert_eq!(server.seen().len(), 1);
    // Without the mirror it would have to be built, and only then is the toolchain fetched. The wrapper is not one of
    // this program's, so the build itself fails.
    let second = Sandbox::new();
    second.write("deps.lock", std::fs::read(sandbox.path("deps.lock")).unwrap());
    let ran = second.run(&["provision"]);
    assert_ne!(ran.code, Some(0));
    assert!(
        ran.stderr.contains(r#""provision":"source-failed","artifact":"tool","from":"go""#),
        "{}",
        ran.stderr
    );
    assert_eq!(server.seen().last().unwrap().path, "/go.zip");
}
