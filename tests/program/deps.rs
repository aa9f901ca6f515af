//! `deps` and `clean` through the binary.

use crate::support::server::{Manner, Server};
use crate::support::{Sandbox, command, one, output_of, tool};
use meshlab::core::model::Digest;

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
