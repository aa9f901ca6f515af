//! A bundle written for two platforms, after a file was fetched for the other one, and read again.

use super::ms;
use crate::core::event::{
    BundleEvent, BundleVerb, Event, ProvisionEvent, ProvisionOutcome, ProvisionRow, SourceFailure,
};
use crate::core::failure::Failure;
use crate::core::model::{ByteSize, Platform};

pub(in crate::app::ui::tests) fn bundles() -> Vec<Event> {
    let file = || "/home/u/lab.tar".to_owned();
    let size = ByteSize(282_629_632);
    let passed = |verb: BundleVerb, took: u64| {
        [
            BundleEvent::Started { verb, file: file(), artifacts: 4, platforms: Platform::ALL.into(), size },
            BundleEvent::Progress { artifact: "consul".into(), done: ByteSize(70_000_000) },
            BundleEvent::Finished { verb, file: file(), size, took: ms(took) },
        ]
        .map(Event::Bundle)
    };
    let mut events = stored();
    events.extend(passed(BundleVerb::Export, 805));
    events.extend(passed(BundleVerb::Import, 1712));
    events
}

fn stored() -> Vec<Event> {
    let name = || "envoy".parse().unwrap();
    let (version, from, took) = ("1.36.4".to_owned(), "pip".to_owned(), ms(2104));
    let earlier =
        vec![SourceFailure { from: "url".into(), failure: Failure::failed("cannot resolve x.test") }];
    let outcome = ProvisionOutcome::Stored { from: from.clone(), fetched: ByteSize(29_512_446), took };
    let row = ProvisionRow { artifact: name(), version: version.clone(), outcome, earlier };
    vec![
        Event::Provision(ProvisionEvent::Planned {
            platform: Platform::LinuxArm64,
            ready: 1,
            wanted: vec![name()],
        }),
        Event::Provision(ProvisionEvent::Stored { artifact: name(), version, from, took }),
        Event::Provision(ProvisionEvent::Finished { rows: vec![row], took }),
    ]
}
