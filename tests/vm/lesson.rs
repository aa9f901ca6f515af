//! Lab 2 from its first step to its last.

use serde_json::Value;

use crate::environment::{Slots, Vm};
use crate::harness::{Place, on_both_runtimes};
use crate::support::Ran;

fn events(ran: &Ran) -> Vec<Value> {
    ran.stderr.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn evidence(events: &[Value]) -> Vec<String> {
    let passed = events.iter().filter(|event| event["lab"] == "check-passed");
    let lines = passed.flat_map(|event| event["evidence"].as_array().unwrap().clone());
    lines.map(|line| line.as_str().unwrap().to_owned()).collect()
}

on_both_runtimes!(all_thirteen_steps_hold_and_nothing_is_left);

fn all_thirteen_steps_hold_and_nothing_is_left(place: Place) {
    let _slot = Slots::take(1);
    let vm = Vm::new(place, 121);
    let ran = vm.succeeds(&["--json", "lab", "2-calculator"]);
    let events = events(&ran);
    let finished = events.iter().find(|event| event["lab"] == "finished").unwrap();
    assert_eq!((finished["passed"].as_bool(), finished["steps"].as_array().unwrap().len()), (Some(true), 13));
    let evidence = evidence(&events);
    let has = |parts: &[&str]| evidence.iter().any(|line| parts.iter().all(|part| line.contains(part)));
    assert!(has(&["200 {\"result\":9}"]), "{evidence:?}");
    for who in [
        "sent to add-svc: +8",
        "add-svc's Envoy, received: +8",
        "sent to sub-svc: +8",
        "sub-svc's Envoy, received: +8",
    ] {
        assert!(has(&[who]), "{who}: {evidence:?}");
    }
    assert!(has(&["server: spiffe://", "/svc/add-svc"]) && has(&["client: spiffe://", "/svc/frontend"]));
    assert!(has(&["the second gateway, calls: +"]) && has(&["40 times 200 {\"result\":3}"]), "{evidence:?}");
    assert!(has(&["running, restarts: 1"]), "{evidence:?}");
    // What a person reads: every hop of a click, and both sides of the load test.
    let output: Vec<&str> = events.iter().filter_map(|event| event["line"].as_str()).collect();
    for shown in ["22-1=21", "add-svc-ref-proxy → add-svc-proxy → add-svc", "SIDE BY SIDE", "report written"]
    {
        assert!(output.iter().any(|line| line.contains(shown)), "{shown}: {output:#?}");
    }
    vm.is_gone();
}

/// On the host alone: which steps are shown has nothing to do with where they run.
#[test]
fn one_step_alone_does_what_comes_before_without_a_word() {
    let _slot = Slots::take(1);
    let vm = Vm::new(Place::Host, 122);
    let unknown = vm.run(&["lab", "2", "--step", "schedular"]).expect(2);
    assert!(unknown.stderr.contains("did you mean scheduler?"), "{}", unknown.stderr);
    let ran = vm.succeeds(&["--json", "lab", "2", "--step", "scheduler"]);
    let events = events(&ran);
    let shown: Vec<&str> = events
        .iter()
        .filter(|event| event["lab"] == "step-started")
        .filter_map(|event| event["step"].as_str())
        .collect();
    assert_eq!(shown, ["scheduler"]);
    assert!(evidence(&events).iter().any(|line| line.contains("403")), "without a token nobody sees a job");
    vm.is_gone();
}
