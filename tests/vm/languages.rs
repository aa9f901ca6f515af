//! Lab 6: the calculator in node.js, Java and Python.

use serde_json::{Value, json};

use crate::environment::{Slots, Vm};
use crate::harness::{Place, on_both_runtimes};

/// What precedes the operands.
const EXECUTE: &str = "/api/v1/execute/?l=";

on_both_runtimes!(three_languages_on_one_mesh);

fn three_languages_on_one_mesh(place: Place) {
    let _slot = Slots::take(1);
    let vm = Vm::new(place, 126);
    let ran = vm.succeeds(&["--json", "lab", "6-mixed-languages"]);
    let events: Vec<Value> = ran.stderr.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let finished = events.iter().find(|event| event["lab"] == "finished").unwrap();
    assert_eq!((finished["passed"].as_bool(), finished["steps"].as_array().unwrap().len()), (Some(true), 11));
    let passed = events.iter().filter(|event| event["lab"] == "check-passed");
    let evidence: Vec<&str> =
        passed.flat_map(|event| event["evidence"].as_array().unwrap()).filter_map(Value::as_str).collect();
    for proof in ["200 {\"result\":9}", "sub-svc's Envoy, received: +8", "20 times 200 {\"result\":9}"] {
        assert!(evidence.iter().any(|line| line.contains(proof)), "{proof}: {evidence:?}");
    }
    let output: Vec<&str> = events.iter().filter_map(|event| event["line"].as_str()).collect();
    for shown in
        ["22-1=21", "add-svc   Java 17", "frontend  node.js 24", "sub-svc   Python 3.11", "          Rust"]
    {
        assert!(output.iter().any(|line| line.contains(shown)), "{shown}: {output:#?}");
    }
    vm.is_gone();
}

/// The services in other languages keep the contract of the built-in ones.
#[test]
fn what_cannot_be_answered_says_why_in_every_language() {
    let _slot = Slots::take(1);
    let vm = Vm::new(Place::Host, 127);
    vm.succeeds(&["up", "--lab", "6"]);
    vm.succeeds(&["jobs", "start", "addsvcJob", "subsvcJob", "frontendJob"]);
    let get = |port: u16, path: &str| {
        let (status, body) = vm.call(port, "GET", path, &[], "");
        format!("{body} {status}")
    };
    for port in [9090, 8080] {
        let health = get(port, "/health/state");
        assert!(health.contains("\"status\":\"up\"") && health.ends_with(" 200"), "{health}");
        for (operands, said) in [
            ("1", "the parameter r is missing"),
            ("a&r=1", "the parameter l is not an integer: \\\"a\\\""),
            ("1&r=1&l=1", "the parameter l is given twice"),
            ("1&r=99999999999999999999", "does not fit in 64 bits"),
        ] {
            let answer = get(port, &format!("{EXECUTE}{operands}"));
            assert!(answer.contains(said) && answer.ends_with(" 400"), "{port} {operands}: {answer}");
        }
        assert!(get(port, "/nowhere").contains("no such path: /nowhere"), "{port}");
    }
    assert_eq!(get(9090, &format!("{EXECUTE}9223372036854775806&r=1")), "9223372036854775807 200");
    assert_eq!(get(8080, &format!("{EXECUTE}-9223372036854775807&r=1")), "-9223372036854775808 200");
    // No Envoy stands between: the frontend says what it could not reach.
    let post = |body: &str| {
        let (status, body) = vm.call(7070, "POST", "/api/v1/compute", &[], body);
        format!("{body} {status}")
    };
    assert_eq!(post(&json!({"expression": " 7 "}).to_string()), "{\"result\":7} 200");
    for (expression, said) in [
        ("", "at position 1: expected an integer, found the end"),
        ("1+*2", "at position 3: expected an integer, found '*'"),
        ("1 2", "at position 3: expected + or -, found '2'"),
        ("9223372036854775808", "at position 1: the integer does not fit in 64 bits"),
    ] {
        let answer = post(&json!({"expression": expression}).to_string());
        assert!(answer.contains(said) && answer.ends_with(" 400"), "{expression}: {answer}");
    }
    assert!(post("[]").ends_with(" 400") && post("{}").ends_with(" 400") && post("x").ends_with(" 400"));
    let unreachable = post(&json!({"expression": "1+1"}).to_string());
    assert!(unreachable.contains("add-svc at ") && unreachable.ends_with(" 500"), "{unreachable}");
    vm.succeeds(&["down"]);
    vm.is_gone();
}
