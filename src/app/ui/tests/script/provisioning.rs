//! Getting tools, with sources that fail.

use super::ms;
use crate::core::event::{BuildStage, Event, ProvisionEvent, ProvisionOutcome, ProvisionRow, SourceFailure};
use crate::core::failure::Failure;
use crate::core::model::{ByteSize, Platform};

/// Four tools: one in place, one at once, one by a package manager after two sources failed, one by building.
pub(in crate::app::ui::tests) fn provisioning() -> Vec<Event> {
    let name = |text: &str| text.parse().unwrap();
    let refused = "cannot resolve releases.hashicorp.com";
    let fallback = |artifact: &str, reason: &str| {
        Event::Provision(ProvisionEvent::SourceFailed {
            artifact: name(artifact),
            from: "url".into(),
            failure: Failure::failed(reason),
        })
    };
    let fetch = |artifact: &str, file: &str, from: &str, size: u64| {
        [
            ProvisionEvent::FetchStarted {
                artifact: name(artifact),
                file: file.parse().unwrap(),
                from: from.into(),
                size: Some(ByteSize(size)),
                resumed: ByteSize(size / 10),
            },
            ProvisionEvent::FetchProgress {
                artifact: name(artifact),
                file: file.parse().unwrap(),
                done: ByteSize(size / 2),
            },
            ProvisionEvent::FetchFinished {
                artifact: name(artifact),
                file: file.parse().unwrap(),
                size: ByteSize(size),
            },
            ProvisionEvent::Unpacking { artifact: name(artifact) },
        ]
        .map(Event::Provision)
    };
    let installed = |artifact: &str, version: &str, from: &str, took: u64| {
        Event::Provision(ProvisionEvent::Installed {
            artifact: name(artifact),
            version: version.into(),
            from: from.into(),
            took: ms(took),
        })
    };
    let mut events = vec![Event::Provision(ProvisionEvent::Planned {
        platform: Platform::LinuxX86_64,
        ready: 1,
        wanted: ["consul", "envoy", "nomad"].map(name).into(),
    })];
    events.push(fallback("consul", refused));
    events.extend(fetch("envoy", "envoy-1.36.4-py3-none-manylinux.whl", "pip", 43_340_112));
    events.push(installed("envoy", "1.36.4", "pip", 2104));
    events.push(Event::Provision(ProvisionEvent::BuildProgress {
        artifact: name("consul"),
        build: BuildStage::FetchingModules { modules: 0, last: None },
    }));
    events.push(Event::Provision(ProvisionEvent::BuildProgress {
        artifact: name("consul"),
        build: BuildStage::Compiling {
            packages: 412,
            of: 1093,
            last: "github.com/hashicorp/consul/agent/structs".into(),
        },
    }));
    events.push(installed("consul", "1.22.7", "go", 192_310));
    events.push(Event::Provision(ProvisionEvent::Failed {
        artifact: name("nomad"),
        failure: Failure::failed("no source could deliver"),
    }));
    let failure =
        |from: &str, reason: &str| SourceFailure { from: from.into(), failure: Failure::failed(reason) };
    let row = |artifact: &str, version: &str, outcome: ProvisionOutcome, earlier: Vec<SourceFailure>| {
        ProvisionRow { artifact: name(artifact), version: version.into(), outcome, earlier }
    };
    let got = |from: &str, bytes: u64, took: u64| ProvisionOutcome::Installed {
        from: from.into(),
        fetched: ByteSize(bytes),
        took: ms(took),
    };
    events.push(Event::Provision(ProvisionEvent::Finished {
        rows: vec![
            row("consul", "1.22.7", got("go", 211_004_201, 192_310), vec![failure("mirror", "http://10.0.0.5/pkgs/consul_1.22.7_linux_amd64.zip: 404 Not Found"), failure("url", refused)]),
            row("envoy", "1.36.4", got("pip", 43_340_112, 2104), vec![]),
            row("nginx", "1.29.5", ProvisionOutcome::Ready, vec![]),
            row("nomad", "1.11.3", ProvisionOutcome::Failed { failure: Failure::failed("no source could deliver") }, vec![failure("url", refused), failure("go", "the module proxy answered 403 for github.com/hashicorp/nomad/@v/v1.11.3.zip, which usually means that a policy of the network forbids it")]),
        ],
        took: ms(194_020),
    }));
    events
}

/// Everything is in place.
pub(in crate::app::ui::tests) fn nothing_to_provision() -> Vec<Event> {
    let ready = |artifact: &str| ProvisionRow {
        artifact: artifact.parse().unwrap(),
        version: "1.0.0".into(),
        outcome: ProvisionOutcome::Ready,
        earlier: vec![],
    };
    vec![
        Event::Provision(ProvisionEvent::Planned {
            platform: Platform::LinuxX86_64,
            ready: 2,
            wanted: vec![],
        }),
        Event::Provision(ProvisionEvent::Finished {
            rows: ["consul", "envoy"].map(ready).into(),
            took: ms(7),
        }),
    ]
}
