//! Lab 4 through the binary: nobody gets in that should not, and nobody is dropped that should not be.

use serde_json::Value;

use crate::events;
use crate::harness::{Lab, Place, on_both_runtimes};

on_both_runtimes!(strangers_stay_out_and_no_call_is_dropped);

fn strangers_stay_out_and_no_call_is_dropped(place: Place) {
    let lab = Lab::new(place, 16);
    let ran = lab.run(&["--json", "lab", "4-zero-trust"]).expect(0);
    lab.nothing_is_left();
    let events = events(&ran);
    let of = |kind: &str| events.iter().filter(|event| event["lab"] == kind).cloned().collect::<Vec<Value>>();
    let finished = of("finished").remove(0);
    assert_eq!((finished["passed"].as_bool(), finished["steps"].as_array().unwrap().len()), (Some(true), 10));
    assert_eq!(finished["learned"].as_array().unwrap().len(), 3);

    let evidence: Vec<String> = of("check-passed")
        .iter()
        .flat_map(|event| event["evidence"].as_array().unwrap().clone())
        .map(|line| line.as_str().unwrap().to_owned())
        .collect();
    let has = |parts: &[&str]| evidence.iter().any(|line| parts.iter().all(|part| line.contains(part)));
    assert!(has(&["5 times 403 RBAC: access denied"]), "{evidence:?}");
    assert!(has(&["add-svc's Envoy, allowed: +8"]) && has(&["sub-svc's Envoy, allowed: +8"]), "{evidence:?}");
    assert!(
        has(&["server certificate: spiffe://", "/svc/add-svc"])
            && has(&["refused with TLS alert CertificateRequired"]),
        "{evidence:?}"
    );
    assert!(has(&["without a client certificate: +1"]), "{evidence:?}");
    assert!(has(&["rogue's Envoy, handshakes with add-svc's: +"]), "{evidence:?}");
    for service in ["add-svc", "sub-svc", "frontend"] {
        assert!(has(&[&format!("{service}: serial "), " -> serial "]), "{service}: {evidence:?}");
    }
    // The calls that went on meanwhile: all of them were answered.
    let lines: Vec<Value> = of("output").iter().map(|event| event["line"].clone()).collect();
    let heading = lines.iter().position(|line| line.as_str().unwrap().starts_with("CALLS ")).unwrap();
    let figures: Vec<&str> = lines[heading + 1].as_str().unwrap().split_whitespace().collect();
    assert_eq!((figures[0], figures[1], figures[2]), ("3,200", "3,200", "0"));
}
