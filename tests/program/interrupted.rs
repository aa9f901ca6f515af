//! Runs that are killed, interrupted, or not alone.

use crate::support::server::{Manner, Server};
use crate::support::{Sandbox, command, one, output_of, tool, until, zip};
use meshlab::core::model::Digest;

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
    assert!(ran.stderr.contains(r#""resumed_bytes":1000000"#), "{}", ran.stderr);
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
fn an_interrupted_run_ends_in_order_and_is_continued() {
    let (sandbox, server) = (Sandbox::new(), Server::start());
    let content = tool("tool", "hello");
    server.route("/tool.zip", &content, &[Manner::HangAfter(50), Manner::Serve]);
    one(&sandbox, &server, "1.0", &content);
    let mut child = sandbox.spawn(&["provision"], "first.log");
    until("some bytes are on the disk", || {
        let names = sandbox.names("cache/partial");
        names.into_iter().filter(|name| name.ends_with(".partial")).any(|name| {
            std::fs::metadata(sandbox.path("cache/partial").join(name)).is_ok_and(|found| found.len() == 50)
        })
    });
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    // Work folders are given back, the bytes are kept.
    assert!(sandbox.names("cache/partial").iter().any(|name| name.ends_with(".partial")));
    assert!(sandbox.names("cache/work").is_empty() && sandbox.names("data/tools").is_empty());
    sandbox.run(&["provision"]).expect(0);
    assert_eq!(server.seen()[1].from, Some(50));
}

#[test]
fn clean_refuses_while_others_work() {
    let (sandbox, server) = (Sandbox::new(), Server::start());
    let content = tool("tool", "hello");
    server.route("/tool.zip", &content, &[Manner::GateAfter(50)]);
    one(&sandbox, &server, "1.0", &content);
    let mut child = sandbox.spawn(&["provision"], "first.log");
    until("it is at work", || server.seen().len() == 1);
    for flag in ["--cache", "--tools"] {
        let ran = sandbox.run(&["clean", flag]).expect(1);
        assert!(ran.stderr.contains("another meshlab"), "{}", ran.stderr);
    }
    server.open_gate();
    assert!(child.wait().unwrap().success());
    sandbox.run(&["clean", "--cache", "--tools"]).expect(0);
    assert!(sandbox.names("cache").is_empty() && sandbox.names("data/tools").is_empty());
}
