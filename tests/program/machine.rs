//! Verbs about the machine itself, where no lab runs: `status`, `doctor`, `completions`.

use serde_json::json;

use crate::support::{Ran, Sandbox};

const LOCK: &str = "version = 1\nartifact = []\n";

#[test]
fn status_with_nothing_running_fails_and_says_what_to_do() {
    let sandbox = Sandbox::new();
    sandbox.write("deps.lock", LOCK);
    let status = sandbox.run(&["status"]).expect(1);
    assert_eq!(status.json(), json!({"schema": 1, "labs": []}));
    assert!(
        status.stderr.contains("no lab is running") && status.stderr.contains("meshlab up"),
        "{}",
        status.stderr
    );
}

#[test]
fn doctor_reports_a_missing_home() {
    let sandbox = Sandbox::new();
    sandbox.write("deps.lock", LOCK);
    let without_home = |arguments: &[&str]| {
        let mut command = sandbox.meshlab(arguments);
        command.env_remove("HOME").env_remove("MESHLAB_DATA_DIR");
        Ran::from(command.output().unwrap())
    };
    let doctor = without_home(&["doctor"]).expect(6).json();
    let findings = doctor["findings"].as_array().unwrap();
    let found = findings.iter().find(|finding| finding["what"] == "folders").unwrap();
    assert_eq!(found["verdict"], "fail");
    assert!(found["seen"].as_str().unwrap().contains("HOME is not set"), "{found}");
    assert!(found["seen"].as_str().unwrap().ends_with("MESHLAB_DATA_DIR"), "{found}");
    // What needs no folder works; the rest fails with the same words.
    without_home(&["completions", "bash"]).expect(0);
    let refused = without_home(&["deps", "list"]).expect(2);
    assert!(refused.stderr.contains("HOME is not set"), "{}", refused.stderr);
}

#[test]
fn doctor_does_not_repeat_a_finding() {
    let sandbox = Sandbox::new();
    sandbox.write("deps.lock", LOCK);
    let doctor = sandbox.run(&["doctor"]).json();
    let mut subjects: Vec<&str> = doctor["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| finding["what"].as_str().unwrap())
        .collect();
    let all = subjects.len();
    subjects.sort_unstable();
    subjects.dedup();
    assert_eq!(subjects.len(), all, "{doctor}");
}
