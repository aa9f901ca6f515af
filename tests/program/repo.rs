//! The package repository through the binary.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Child;

use crate::support::{Sandbox, artifact, lock, until};
use meshlab::artifacts::repo::{PublishedPackage, PublishedPackages};
use meshlab::core::model::Digest;
use rustix::process::{Pid, Signal, kill_process};

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

/// What a tool does that installs from `releases.hashicorp.com`: the list of versions, the digests, the zip.
#[test]
fn a_tool_that_installs_from_the_publisher_can_install_from_here() {
    let sandbox = Sandbox::new();
    let binary = b"#!/bin/sh\necho consul\n";
    let (platform, arch) =
        if cfg!(target_arch = "aarch64") { ("linux-arm64", "arm64") } else { ("linux-x86_64", "amd64") };
    let file = format!("consul_1.2.3_linux_{arch}.zip");
    let source = |kind: &str, of_file: &str, digest: Digest| {
        format!(
            "\n[[artifact.source]]\nkind = \"{kind}\"\nplatform = \"{platform}\"\n{of_file}\nsha256 = \"{}\"\n",
            digest.hex()
        )
    };
    let release = format!(
        "[[artifact.source.file]]\nurl = \"https://releases.hashicorp.com/consul/1.2.3/{file}\"\nsize_limit = 100\n\
         archive = \"zip\"\nunpacked_limit = 100\nunpack = {{ \"consul\" = \"consul\" }}"
    );
    let built = format!(
        "wrapper = \"consul\"\ninputs = \"{}\"\ntoolchain = \"go\"\n[[artifact.source.file]]\nname = \"consul\"\n\
         package = \"example.org/consul\"\nsize = {}\ninstall = \"consul\"",
        Digest::sha256_of(b""),
        binary.len()
    );
    let absent = Digest::sha256_of(b"absent");
    let sources = [source("url", &release, absent), source("go", &built, Digest::sha256_of(binary))];
    let go =
        source("url", &release.replace("consul", "go").replace("releases.hashicorp.com", "x.org"), absent);
    sandbox.write("deps.lock", lock(&[artifact("consul", "1.2.3", &sources), artifact("go", "1", &[go])]));
    sandbox.write(&format!("cache/sha256/{}", Digest::sha256_of(binary).hex()), binary);

    let serving = Serving::start(&sandbox, &[]);
    let (_, versions) = serving.ask("GET /consul/index.json");
    let versions: serde_json::Value = serde_json::from_slice(&versions).unwrap();
    let listed = &versions["versions"]["1.2.3"]["builds"][0];
    assert_eq!((&listed["arch"], &listed["filename"]), (&arch.into(), &file.as_str().into()));
    let (_, sums) = serving.ask("GET /consul/1.2.3/consul_1.2.3_SHA256SUMS");
    let (_, zip) = serving.ask(&format!("GET /consul/1.2.3/{file}"));
    assert_eq!(String::from_utf8(sums).unwrap(), format!("{}  {file}\n", Digest::sha256_of(&zip).hex()));
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(zip)).unwrap();
    let mut content = Vec::new();
    archive.by_name("consul").unwrap().read_to_end(&mut content).unwrap();
    assert_eq!(content, binary);
    assert_eq!(serving.end(), Some(0));
}
