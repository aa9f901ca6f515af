//! `meshlab bench` with the real wrk against a calculator of the test's own.

mod fixture;

use std::process::Stdio;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use fixture::{Lab, RIGHT, has_wrk};
use serde_json::Value;

use crate::support::{Ran, until};

#[test]
fn load_is_measured_and_reported() {
    if !has_wrk() {
        return;
    }
    let lab = Lab::new(1).recorded().serving(|_| RIGHT);
    let _task = lab.task();
    let arguments =
        ["--duration", "1s", "--connections", "4", "--json", "--report", "a.html", "--report", "b.json"];
    let ran = lab.bench(&arguments).expect(0);
    let data = ran.json();
    assert_eq!(lab.seen.odd.lock().unwrap().as_deref(), None);
    let result = &data["result"];
    let requests = result["requests"].as_u64().unwrap();
    // Those under way at the end are not counted, and one was the probe.
    let came = lab.seen.compute.load(Ordering::Relaxed);
    assert!(requests > 10 && requests < came && came <= requests + 5, "{requests} of {came}");
    assert_eq!(result["right"], requests);
    assert!(result["errors"].as_object().unwrap().values().all(|number| number == 0), "{}", result["errors"]);
    let rows = result["latency"]["distribution"].as_array().unwrap();
    let counted: u64 = rows.iter().map(|row| row[1].as_u64().unwrap()).sum();
    assert!(counted >= requests, "{counted} {requests}");
    assert!(result["latency"]["percentiles"]["p99"].as_u64() > result["latency"]["least"].as_u64());
    let components = data["resources"]["components"].as_array().unwrap();
    let names: Vec<&str> = components.iter().map(|one| one["name"].as_str().unwrap()).collect();
    for name in ["someJob/some-task", "wrk", "meshlab bench"] {
        assert!(names.contains(&name), "{names:?}");
    }
    let page = std::fs::read_to_string(lab.folder.path().join("a.html")).unwrap();
    assert!(
        page.starts_with("<!DOCTYPE html>")
            && page.ends_with("</html>\n")
            && page.contains("someJob/some-task")
    );
    let written: Value =
        serde_json::from_slice(&std::fs::read(lab.folder.path().join("b.json")).unwrap()).unwrap();
    assert_eq!(written, data);
    let left: Vec<_> = std::fs::read_dir(lab.run_dir().join("tmp")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn wrong_answers_are_counted() {
    if !has_wrk() {
        return;
    }
    let lab = Lab::new(2).recorded().serving(|number| match number % 10 {
        3 => (200, "{\"result\":8}"),
        6 | 7 => (503, "no healthy instance"),
        _ => RIGHT,
    });
    let ran = lab.bench(&["--duration", "1s", "--connections", "4", "--json"]).expect(0);
    let data = ran.json();
    let came = lab.seen.compute.load(Ordering::Relaxed);
    let near = |found: &Value, wanted: u64| {
        let found = found.as_u64().unwrap();
        assert!(found.abs_diff(wanted) <= 5, "{found} instead of {wanted}");
    };
    near(&data["result"]["errors"]["wrong"], came / 10);
    near(&data["result"]["errors"]["status"], came / 5);
    near(&data["result"]["right"], came * 7 / 10);
    assert!(ran.stderr.contains(r#""warning":"wrong-answers","target":"compute""#), "{}", ran.stderr);
}

#[test]
fn nothing_but_failures_is_a_failure() {
    if !has_wrk() {
        return;
    }
    // Right for as long as the first look at it takes.
    let lab = Lab::new(3).recorded().serving(|number| if number == 0 { RIGHT } else { (502, "Bad Gateway") });
    let ran = lab.bench(&["--duration", "1s", "--report", "a.html"]).expect(1);
    assert_eq!(ran.stdout, "");
    assert!(
        ran.stderr.contains("all requests to http://127.0.78.3:8088/api/v1/compute failed"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("502 Bad Gateway"), "{}", ran.stderr);
    assert!(!lab.folder.path().join("a.html").exists());
}

#[test]
fn compared_targets_take_turns() {
    if !has_wrk() {
        return;
    }
    let lab = Lab::new(4).recorded().serving(|_| RIGHT);
    let ran =
        lab.bench(&["--duration", "1s", "--connections", "2", "--compare", "direct", "--json"]).expect(0);
    let data = ran.json();
    let turns = lab.seen.turns.lock().unwrap().clone();
    // First one look at each.
    assert_eq!(turns, [9090, 9191, 9090, 9191, 9090, 9191, 9090, 9191]);
    let sides = data["comparison"]["sides"].as_array().unwrap();
    assert_eq!(sides.len(), 2);
    for side in sides {
        let rounds = side["rounds"].as_array().unwrap();
        let requests: u64 = rounds.iter().map(|round| round["requests"].as_u64().unwrap()).sum();
        assert_eq!((rounds.len(), side["result"]["requests"].as_u64()), (3, Some(requests)));
    }
    assert!(sides[1]["ratio"]["latency"]["p50"].as_f64().unwrap() > 0.0);
}

#[test]
fn an_interruption_leaves_nothing() {
    if !has_wrk() {
        return;
    }
    let lab = Lab::new(5).recorded().serving(|_| RIGHT);
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        let before = lab.seen.compute.load(Ordering::Relaxed);
        let child = lab
            .command(&["--duration", "60s", "--report", "a.html"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        until("wrk is at work", || lab.seen.compute.load(Ordering::Relaxed) > before + 20);
        assert!(lab.processes().iter().any(|process| process.contains("wrk")), "{:?}", lab.processes());
        let asked = Instant::now();
        let kill = std::process::Command::new("kill").args([signal, &child.id().to_string()]).status();
        assert!(kill.unwrap().success());
        let ran = Ran::from(child.wait_with_output().unwrap()).expect(code);
        assert!(asked.elapsed() < Duration::from_secs(10));
        assert_eq!(ran.stdout, "");
        assert_eq!(lab.processes(), Vec::<String>::new());
        assert_eq!(std::fs::read_dir(lab.run_dir().join("tmp")).unwrap().count(), 0);
        assert!(!lab.folder.path().join("a.html").exists());
    }
}

#[test]
fn what_stands_in_the_way_is_told_before_the_run() {
    let said = |lab: &Lab, arguments: &[&str], code: i32| lab.bench(arguments).expect(code).stderr;
    let nothing = Lab::new(6);
    let text = said(&nothing, &[], 1);
    assert!(
        text.contains("no lab is running on 127.0.78.6") && text.contains("meshlab lab 2-calculator --keep"),
        "{text}"
    );
    let text = said(&nothing.recorded(), &[], 1);
    assert!(text.contains("/api/v1/compute does not answer") && text.contains("refused"), "{text}");
    let wrong = Lab::new(7).recorded().serving(|_| (200, "{\"result\":10}"));
    let text = said(&wrong, &[], 1);
    assert!(text.contains("200 {\"result\":9}") && text.contains("200 {\"result\":10}"), "{text}");
    let lab = Lab::new(8).recorded().serving(|_| RIGHT);
    let empty = lab.folder.path().join("empty");
    let ran =
        lab.command(&[]).env("MESHLAB_CACHE_DIR", &empty).env("MESHLAB_DATA_DIR", &empty).output().unwrap();
    let ran = Ran::from(ran).expect(5);
    assert!(ran.stderr.contains("wrk"), "{}", ran.stderr);
}

#[test]
fn wrong_usage_is_told() {
    let lab = Lab::new(9);
    let cases: [(&[&str], &str); 5] = [
        (&["--duration", "2h"], "1s to 1h"),
        (&["--connections", "0"], "1 to 10000"),
        (&["--connections", "2", "--threads", "3"], "1 to 2"),
        (&["--report", "a.pdf"], "FILE.html or FILE.json"),
        (&["--report", "nowhere/a.html"], "create it first"),
    ];
    for (arguments, hint) in cases {
        let ran = lab.bench(arguments).expect(2);
        assert!(ran.stderr.contains(hint), "{}", ran.stderr);
    }
}
