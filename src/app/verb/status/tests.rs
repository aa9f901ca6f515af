//! What `status` looks like.

use super::*;
use crate::app::ui::testing::{look, shown};
use crate::core::model::LabAddress;

fn state() -> RunState {
    let tools = [("consul", "1.22.7"), ("envoy", "1.36.4")];
    let tools = tools.map(|(name, version)| (name.to_owned(), version.to_owned()));
    RunState::on_host("2-calculator", LabAddress::DEFAULT, &tools)
}

fn component(name: &str, state: &'static str, weight: Weight, reason: &str, listens: &str) -> Row {
    Row {
        name: name.to_owned(),
        state,
        weight,
        reason: reason.to_owned(),
        pid: Some(4711),
        uptime: Some(75),
        version: "1.22.7".to_owned(),
        listens: vec![listens.to_owned()],
        more: json!({}),
        shown: true,
    }
}

fn task(name: &str, condition: Condition, hook: Option<&str>, reason: &str) -> Row {
    let task = Task {
        job: "envoyJob".to_owned(),
        name: name.to_owned(),
        allocation: "4a32eee9-847e-5a57-ea75-5b4c429e1fed".to_owned(),
        hook: hook.map(str::to_owned),
        condition,
        reason: reason.to_owned(),
        restarts: 2,
        started_at: None,
        process: (condition == Condition::Ready).then(|| (4712, "envoy".to_owned())),
        listens: vec!["127.0.0.1:21000".to_owned()],
    };
    row(&state(), &task)
}

fn rows() -> Vec<Row> {
    vec![
        component(
            "consul",
            "ready",
            Weight::Good,
            "leader 127.0.0.1:8300",
            "127.0.0.1:8500 Consul's HTTP API and UI",
        ),
        component(
            "nomad",
            "ended",
            Weight::Bad,
            "its process is gone",
            "127.0.0.1:4646 Nomad's HTTP API and UI",
        ),
        task("add-svc-ref-proxy", Condition::Ready, None, ""),
        task(
            "add-svc-proxy",
            Condition::NotReady,
            None,
            "Consul's check \"add-svc answers\" is critical: Get \"http://127.0.0.1:9090/health/state\": dial tcp 127.0.0.1:9090: connect: connection refused",
        ),
        task(
            "sub-svc-proxy",
            Condition::Restarting,
            None,
            "Terminated: Exit Code: 137, Signal: 9, restarted 2 times",
        ),
        task("register", Condition::Done, None, ""),
        task("packages", Condition::Done, Some("prestart"), ""),
        task("deregister", Condition::Waiting, Some("poststop"), ""),
    ]
}

fn notes() -> Vec<Note> {
    let seen = "Nomad does not answer at 127.0.0.1:4646: Connection refused (os error 111); so how the jobs' tasks are is not known";
    vec![Note::new(Weight::Bad, "nomad", seen).advice("hint", "`meshlab up` mends it")]
}

#[test]
fn at_80_columns() {
    let text = draw(&state(), &rows(), &with_reasons(&rows(), &notes()), &look(80));
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert_eq!(text.matches("✘ nomad").count(), 1, "one thing is said once: {text}");
    insta::assert_snapshot!(text);
}

#[test]
fn a_narrow_terminal_shows_the_ports() {
    for columns in [60, 50] {
        let text = draw(&state(), &rows(), &[], &look(columns));
        assert!(text.lines().skip(2).all(|line| line.chars().count() <= columns), "{text}");
        assert!(text.contains("127.0.0.1:8500") && text.contains("127.0.0.1:21000"), "{text}");
    }
    insta::assert_snapshot!(draw(&state(), &rows(), &[], &look(60)));
}

#[test]
fn it_succeeds_only_if_everything_is_ready() {
    assert_eq!(not_ready(&rows(), &notes()), ["nomad", "envoyJob/add-svc-proxy", "envoyJob/sub-svc-proxy"]);
    let not_started = Note::new(Weight::Warning, "jobs", "not started: addsvcJob");
    assert_eq!(not_ready(&rows()[..1], &[not_started]), [""; 0]);
    assert!(outcome(1, &[]).is_ok());
    assert!(outcome(1, &["nomad".to_owned()]).unwrap_err().message().contains("nomad"));
    assert!(outcome(0, &[]).unwrap_err().hint_text().unwrap().contains("meshlab up"));
}

#[test]
fn in_colour() {
    let text = draw(&state(), &rows(), &with_reasons(&rows(), &[]), &look(80).colored());
    insta::assert_snapshot!(shown(&text));
}

#[test]
fn as_json_everything_is_there() {
    let all: Vec<Value> = rows().iter().map(as_json).collect();
    assert_eq!(all.len(), 8);
    let helper = &all[7];
    assert_eq!((helper["state"].as_str(), helper["hook"].as_str()), (Some("waiting"), Some("poststop")));
    assert_eq!((all[2]["pid"].as_i64(), all[2]["version"].as_str()), (Some(4712), Some("1.36.4")));
}

#[test]
fn an_envoy_that_consul_starts_has_the_version_of_envoy() {
    let version_of = |command| version(&state(), program_of(command));
    assert_eq!(version_of("consul connect envoy -sidecar-for client"), "1.36.4");
    assert_eq!(version_of("consul agent -dev"), "1.22.7");
}
