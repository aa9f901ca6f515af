//! Snapshots of every view. Lines that move are drawn by functions of their own, tested there.

pub(crate) mod script;

use indicatif::ProgressDrawTarget;

use super::console::Console;
use super::failure;
use super::look::Look;
use super::screen::Screen;
use super::table::{Cell, Table};
use super::testing::{Paper, look, pipe, shown};
use crate::core::event::{Event, Reporter, samples};
use crate::core::failure::Failure;

/// The lines that stay after these events, and after the failure, if there is one.
fn draw(look: Look, events: Vec<Event>, failure: Option<&Failure>) -> String {
    let paper = Paper::default();
    let console =
        Console::on(Screen::new(look, Box::new(paper.clone()), ProgressDrawTarget::hidden()), false);
    for event in events {
        console.report(event);
    }
    if let Some(failure) = failure {
        console.failure(failure);
    }
    shown(&paper.text())
}

/// No line may be wider than the terminal but commands (to be copied) and unbreakable words.
fn assert_fits(text: &str, columns: usize) {
    for line in text.lines() {
        let exempt = line.trim_start().starts_with(['$', '{']) || !line.trim().contains(' ');
        assert!(exempt || super::text::width(line) <= columns, "{columns} < {line}");
    }
}

#[test]
fn a_lab_in_colour_at_80_columns() {
    insta::assert_snapshot!(draw(look(80).colored(), script::lab(false), None));
}

#[test]
fn a_lab_without_colour_at_80_columns() {
    let text = draw(look(80), script::lab(false), None);
    assert_fits(&text, 80);
    insta::assert_snapshot!(text);
}

#[test]
fn a_kept_lab_without_colour_at_120_columns() {
    insta::assert_snapshot!(draw(look(120), script::lab(true), None));
}

#[test]
fn a_kept_lab_without_its_take_down() {
    let on = |look| draw(look, script::skipped_take_down(), None);
    insta::assert_snapshot!(format!("{}\n---\n{}", on(look(80)), on(pipe())));
}

#[test]
fn a_lab_on_a_narrow_ascii_terminal() {
    let text = draw(look(50).ascii(), script::lab(true), None);
    assert!(text.is_ascii(), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn a_lab_in_a_log() {
    insta::assert_snapshot!(draw(pipe(), script::lab(false), None));
}

#[test]
fn a_lab_in_a_log_with_explanations() {
    let text = draw(pipe().verbose(), script::lab(false), None);
    assert!(text.contains("the point of a sidecar"), "{text}");
}

#[test]
fn a_failing_lab_in_colour() {
    let failure = script::check_failure();
    insta::assert_snapshot!(draw(look(80).colored(), script::failing_lab(), Some(&failure)));
}

#[test]
fn a_failing_lab_without_colour() {
    let failure = script::check_failure();
    insta::assert_snapshot!(draw(look(80), script::failing_lab(), Some(&failure)));
}

#[test]
fn a_failing_lab_in_a_log() {
    let failure = script::check_failure();
    insta::assert_snapshot!(draw(pipe(), script::failing_lab(), Some(&failure)));
}

#[test]
fn a_failing_lab_as_json() {
    let failure = script::check_failure();
    let text = draw(pipe().json(), script::failing_lab(), Some(&failure));
    for line in text.lines() {
        let object: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(object["schema"], 2, "{line}");
        assert!(object["event"].is_string(), "{line}");
    }
    insta::assert_snapshot!(text);
}

#[test]
fn a_step_alone() {
    let on_terminal = draw(look(80), script::solved_step(), None);
    assert!(on_terminal.contains("✔ 1 of the 7 steps of lab 1-tcp-echo passed"), "{on_terminal}");
    let in_log = draw(pipe(), script::solved_step(), None);
    assert!(in_log.contains("lab 1-tcp-echo passed: 1 of 1 step, of 7 in all (120 ms)"), "{in_log}");
}

#[test]
fn a_lab_s_test() {
    for (passes, how) in [(true, "good"), (false, "broken")] {
        let on_terminal = draw(look(80), script::tested(passes), None);
        assert_fits(&on_terminal, 80);
        insta::assert_snapshot!(format!("tested_{how}_on_a_terminal"), on_terminal);
        insta::assert_snapshot!(format!("tested_{how}_in_a_log"), draw(pipe(), script::tested(passes), None));
    }
}

#[test]
fn an_exercise() {
    let text = draw(look(80), script::exercise(), None);
    assert_fits(&text, 80);
    insta::assert_snapshot!(text);
}

#[test]
fn provisioning_in_colour() {
    insta::assert_snapshot!(draw(look(80).colored(), script::provisioning(), None));
}

#[test]
fn provisioning_without_colour() {
    let text = draw(look(80), script::provisioning(), None);
    assert_fits(&text, 80);
    insta::assert_snapshot!(text);
}

#[test]
fn provisioning_in_a_log() {
    insta::assert_snapshot!(draw(pipe(), script::provisioning(), None));
}

#[test]
fn provisioning_as_json() {
    insta::assert_snapshot!(draw(pipe().json(), script::provisioning(), None));
}

#[test]
fn bundles() {
    insta::assert_snapshot!("bundles_on_a_terminal", draw(look(80).colored(), script::bundles(), None));
    insta::assert_snapshot!("bundles_in_a_log", draw(pipe(), script::bundles(), None));
    insta::assert_snapshot!("bundles_as_json", draw(pipe().json(), script::bundles(), None));
}

#[test]
fn nothing_to_provision_is_one_line() {
    for look in [look(80), pipe()] {
        assert_eq!(draw(look, script::nothing_to_provision(), None).trim(), "✔ 2 tools in place  7 ms");
    }
}

#[test]
fn quiet_says_nothing_but_failures() {
    let look = look(80).quiet();
    assert_eq!(draw(look, script::lab(false), None), "");
    assert!(draw(look, script::provisioning(), Some(&script::port_failure())).starts_with("error: "));
}

#[test]
fn every_event_in_words() {
    let terminal = draw(look(100), samples::all(), None);
    insta::assert_snapshot!("every_event_on_a_terminal", terminal);
    insta::assert_snapshot!("every_event_in_a_log", draw(pipe(), samples::all(), None));
}

#[test]
fn notices() {
    insta::assert_snapshot!("notices_on_a_terminal", draw(look(80).colored(), script::notices(), None));
    insta::assert_snapshot!("notices_in_a_log", draw(pipe(), script::notices(), None));
}

#[test]
fn failures() {
    let all = [script::port_failure(), script::digest_failure(), script::check_failure()];
    let drawn = |look: &Look| -> String { all.iter().map(|one| failure::draw(one, look) + "\n").collect() };
    insta::assert_snapshot!("failures_in_colour", shown(&drawn(&look(80).colored())));
    insta::assert_snapshot!("failures_at_60_columns", drawn(&look(60)));
    insta::assert_snapshot!("failures_in_a_log", drawn(&pipe()));
    insta::assert_snapshot!("failures_as_json", drawn(&pipe().json()));
}

#[test]
fn tables() {
    let mut table = Table::new(["component", "state", "port", "why not ready"]).right(2);
    table.row(["consul".into(), Cell::good("ready"), "8500".into(), "".into()]);
    table.row([
        Cell::strong("envoy-client"),
        Cell::bad("waiting"),
        "19001".into(),
        "no certificate yet: the agent answered 503 to /v1/agent/connect/ca/leaf/client, which it does until a leader is elected".into(),
    ]);
    table.row(["ünïcode 漢字".into(), Cell::warn("stopped"), Cell::dim("")]);
    insta::assert_snapshot!("table_in_colour", shown(&table.render(&look(80).colored())));
    insta::assert_snapshot!("table_at_60_columns", table.render(&look(60)));
    insta::assert_snapshot!("table_in_a_pipe", table.render(&pipe()));
}
