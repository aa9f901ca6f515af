//! What a run says, made up but as the real thing says it.

mod bundle;
mod lab;
mod practice;
mod provisioning;

use std::time::Duration;

pub(super) use bundle::bundles;
pub(crate) use lab::{failing_lab, lab, skipped_take_down, solved_step};
pub(super) use practice::{exercise, tested};
pub(super) use provisioning::{nothing_to_provision, provisioning};

use crate::core::event::{Event, Note, RuntimeEvent, Warning};
use crate::core::failure::{Failure, FailureKind};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

/// What follows the failing lab.
pub(crate) fn check_failure() -> Failure {
    Failure::new(FailureKind::CheckFailed, "step 6 (echo-through-mesh) of lab 1-tcp-echo: 32 random bytes did not come back")
        .detail("expected", "the same 32 bytes within 10 s")
        .observed("127.0.0.1:9191 accepted the connection and closed it after 0 bytes")
        .detail("log of envoy-client", "[2026-03-02 10:12:09.127][4211][warning][config] gRPC config stream to local_agent closed: 14, connection refused\n[2026-03-02 10:12:10.131][4211][warning][config] still no route to local_agent\n")
        .hint("is Consul still running? `meshlab lab 1-tcp-echo --keep`, then `meshlab status` and `meshlab logs consul`")
}

pub(super) fn port_failure() -> Failure {
    Failure::failed("cannot start consul: port 8500 is in use")
        .detail("holder", "python3 -m http.server 8500 (pid 4121, user u)")
        .hint("stop it, or run the lab elsewhere: `meshlab lab 1-tcp-echo --address 127.0.0.2`")
}

pub(super) fn digest_failure() -> Failure {
    Failure::new(FailureKind::Untrusted, "consul_1.22.7_linux_amd64.zip from url is not what deps.lock pins")
        .detail("expected", "sha256:7b2b4c1f6d1f1e5a8c7b9a0d3e4f5061728394a5b6c7d8e9f00112233445566f")
        .detail("found", "sha256:0000000000000000000000000000000000000000000000000000000000000000")
        .detail("kept", "/home/u/.cache/meshlab/quarantine/consul_1.22.7_linux_amd64.zip")
        .hint("nothing was installed; compare with the project's own checksums before you trust either")
}

pub(super) fn notices() -> Vec<Event> {
    vec![
        Event::Note(Note::StepReset { lab: "1-tcp-echo".parse().unwrap(), number: 3, later_done: true }),
        Event::Warning(Warning::NotMeasured),
        Event::Runtime(RuntimeEvent::TakenDown { removed: vec![], took: ms(1) }),
    ]
}
