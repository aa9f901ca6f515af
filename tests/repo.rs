//! The package repository through the binary.

mod support;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Child;

use meshlab::model::Digest;
use meshlab::repo::{PublishedPackage, PublishedPackages};
use rustix::process::{Pid, Signal, kill_process};
use support::{Sandbox, until};

/// `meshlab repo serve`, told to end when dropped.
struct Serving {
    child: Child,
    address: String,
}

impl Serving {
    fn start(sandbox: &Sandbox, arguments: &[&str]) -> Self {
        let arguments = [&["repo", "serve", "--listen", "127.0.0.1:0"], arguments].concat();
        let child = sandbox.spawn(&arguments, "serve.log");
        let address = || {
            let log = std::fs::read_to_string(sandbox.path("serve.log")).unwrap_or_default();
            log.lines().filter(|line| line.ends_with('}')).find_map(|line| {
                let event: serde_json::Value = serde_json::from_str(line).ok()?;
                event["address"].as_str().map(str::to_owned)
            })
        };
        until("it listens", || address().is_some());
        Self { child, address: address().unwrap() }
    }

    fn ask(&self, request: &str) -> (String, Vec<u8>) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(stream, "{request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
        (String::from_utf8(answer[..end].to_vec()).unwrap(), answer[end + 4..].to_vec())
    }

    fn end(mut self) -> Option<i32> {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn publish(sandbox: &Sandbox, content: &[u8]) -> PublishedPackage {
    let path = sandbox.write("packages/add-svc-0.1.0.tar", content);
    PublishedPackage {
        name: "add-svc".parse().unwrap(),
        version: "0.1.0".to_owned(),
        license: "MIT".to_owned(),
        summary: "adds".to_owned(),
        file: "add-svc-0.1.0.tar".parse().unwrap(),
        path: path.try_into().unwrap(),
        digest: Digest::sha256_of(content),
        size: content.len() as u64,
    }
}

#[test]
fn published_packages_are_served_and_watched() {
    let sandbox = Sandbox::new();
    sandbox.write("deps.lock", "version = 1\nartifact = []\n");
    let list = PublishedPackages::new(vec![publish(&sandbox, b"a service")]).unwrap();
    sandbox.write("packages.json", list.to_json());
    let serving = Serving::start(&sandbox, &["--packages", "packages.json"]);
    let target = "/public/pkgs/add-svc/add-svc-0.1.0.tar";
    let (head, body) = serving.ask(&format!("GET {target}"));
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    assert_eq!(body, b"a service");
    sandbox.write("packages/add-svc-0.1.0.tar", "a service that was built again");
    let (head, _) = serving.ask(&format!("HEAD {target}"));
    assert!(head.starts_with("HTTP/1.1 404"), "{head}");
    until("the change is told", || {
        std::fs::read_to_string(sandbox.path("serve.log")).unwrap().contains(r#""event":"warning""#)
    });
    assert_eq!(serving.end(), Some(0));
}

#[test]
fn a_list_that_cannot_be_read_is_wrong_usage() {
    let sandbox = Sandbox::new();
    sandbox.write("deps.lock", "version = 1\nartifact = []\n");
    let serve = ["repo", "serve", "--listen", "127.0.0.1:0", "--packages", "packages.json"];
    let ran = sandbox.run(&serve).expect(2);
    assert!(ran.stderr.contains("cannot read the list of packages"), "{}", ran.stderr);
    sandbox.write("packages.json", "{\"schema\": 1,\n \"packages\": [{\"name\": \"No\"}]}");
    let ran = sandbox.run(&serve).expect(2);
    assert!(ran.stderr.contains("packages.json:2:28: expected lower-case letters"), "{}", ran.stderr);
}
