//! Lab 5 through the binary: what the caller's Envoy does with a service's versions, faults and health.

use crate::events;
use crate::harness::{Lab, Place, on_both_runtimes};

const STEPS: usize = 16;

/// What it uses beside the ports of lab 1.
const PORTS: [u16; 9] = [5001, 5002, 5003, 19000, 19002, 19003, 21000, 21002, 21003];

on_both_runtimes!(each_step_of_the_traffic_lab_is_proved_by_who_answered_and_by_counters,);

fn each_step_of_the_traffic_lab_is_proved_by_who_answered_and_by_counters(place: Place) {
    let lab = Lab::new(place, 54);
    let ran = lab.run(&["--json", "lab", "5-traffic"]).expect(0);
    lab.nothing_is_left();
    lab.ports_are_free(&PORTS);
    let events = events(&ran);
    let proofs = |claim: &str| -> Vec<String> {
        let passed = events.iter().find(|event| {
            event["lab"] == "check-passed" && event["claim"].as_str().unwrap().starts_with(claim)
        });
        let passed = passed.unwrap_or_else(|| panic!("no check {claim:?}"));
        passed["evidence"].as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned()).collect()
    };
    let has = |claim: &str, parts: &[&str]| {
        let proofs = proofs(claim);
        assert!(
            proofs.iter().any(|line| parts.iter().all(|part| line.contains(part))),
            "{parts:?}: {proofs:?}"
        );
    };
    // As evenly as the lab asks for: in turns, but for an endpoint that is told anew in the middle.
    let shares = proofs("300 calls on one connection");
    let shares = shares.iter().find(|line| line.contains("a: ") && line.contains("c: ")).unwrap();
    let answered: Vec<u32> = shares.split(&[' ', ','][..]).filter_map(|word| word.parse().ok()).collect();
    assert!(answered.len() >= 3 && answered[..3].iter().all(|share| (90..=110).contains(share)), "{shares}");
    has("a tenth of 1000 calls", &["v2: ", " of 1000 calls, configured 10 %: 56 to 151 are accepted"]);
    has("half of 1000 calls", &["v2: ", " of 1000 calls, configured 50 %: 421 to 579 are accepted"]);
    has("v2 answers all of 200", &["v2's Envoy, requests passed to it: +200"]);
    has("with the header", &["v2: all 100 calls"]);
    has("ten calls to v2", &["took too long: +10"]);
    has("none of 100 calls fails, although", &["retries to v1: +"]);
    has("the client's Envoy has ejected", &["ejections_active: 1"]);
    has("of 40 calls", &["too many were waiting: +"]);
    has("v1 answers requests for v2", &["requests to the failover: +100"]);
    // As many as the client counted, so many have v2's own Envoy and the client's counted.
    let counted = |line: &str| -> u64 {
        let digits = line.split(": ").nth(1).unwrap().split_whitespace().next().unwrap();
        digits.trim_start_matches('+').parse().unwrap()
    };
    let tenth = proofs("a tenth of 1000 calls");
    let by = |start: &str| counted(tenth.iter().find(|line| line.starts_with(start)).unwrap());
    assert_eq!((by("client's Envoy, requests to subset v2"), by("v2's Envoy")), (by("v2: "), by("v2: ")));
    let finished = events.iter().find(|event| event["lab"] == "finished").unwrap();
    let steps = finished["steps"].as_array().map(Vec::len);
    assert_eq!((finished["passed"].as_bool(), steps), (Some(true), Some(STEPS)));
}
