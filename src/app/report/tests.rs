use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use camino::Utf8Path;
use proptest::prelude::*;
use quick_xml::events::Event as Xml;

use super::record::{Act, RunOutcome, RunRecord, StepOutcome};
use super::recorder::{Recorder, empty_record};
use crate::app::ui::tests::script;
use crate::core::event::{Event, LabEvent, Ready, ReadyState, Reporter as _, Silent};
use crate::core::failure::{Failure, FailureKind};
use crate::core::model::LabAddress;
use crate::core::model::call_path::{CallPath, Finding, Hop, HopKind, HopState};
use crate::core::settings::Dirs;
use crate::labs::{Catalog, Lab};

/// Lab 1, as built in.
fn lab() -> Lab {
    let folder = tempfile::tempdir().unwrap();
    let catalog = Catalog::find(Utf8Path::from_path(folder.path()).unwrap()).unwrap();
    catalog.lab("1", LabAddress::DEFAULT).unwrap()
}

fn dirs(state: &str) -> Dirs {
    let folder = |name: &str| format!("/home/u/{name}").into();
    Dirs { cache: folder("cache"), data: folder("data"), state: state.into(), config: folder("config") }
}

/// A record of these events, 10 ms apart.
fn recorded(events: Vec<Event>, failure: Option<&Failure>) -> RunRecord {
    recorded_in("/home/u/state", events, failure)
}

fn recorded_in(state: &str, events: Vec<Event>, failure: Option<&Failure>) -> RunRecord {
    let ticks = AtomicU64::new(0);
    let clock = move || Duration::from_millis(ticks.fetch_add(10, Ordering::Relaxed));
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_772_446_327);
    let mut record = empty_record(&lab());
    record.meshlab = "VERSION";
    record.platform = "linux-x86_64".into();
    let recorder =
        Recorder::at(record, start, Box::new(clock), &dirs(state), Some("/home/u"), Arc::new(Silent));
    for event in events {
        recorder.report(event);
    }
    recorder.finish(failure)
}

/// A step with `text` in every place, and with more output than the terminal shows.
fn hostile(text: &str) -> Vec<Event> {
    let step = [
        LabEvent::Command { command: format!("echo '{text}'"), service: None },
        LabEvent::Output { line: text.to_owned(), error: true },
        LabEvent::OutputBeyond { line: text.to_owned(), error: false },
        LabEvent::OutputCut { lines: 4 },
        LabEvent::CommandFinished { took: Duration::ZERO, service: None, ready: None },
        LabEvent::Command { command: text.to_owned(), service: Some(text.to_owned()) },
        LabEvent::CommandFinished {
            took: Duration::from_millis(1),
            service: Some(text.to_owned()),
            ready: Some(Ready { state: ReadyState::Leader { leader: text.to_owned() }, without_token: None }),
        },
        LabEvent::Task { task: text.to_owned(), shell: "meshlab shell".to_owned() },
        LabEvent::Hint { number: 1, of: 1, text: text.to_owned() },
        LabEvent::CheckStarted { claim: text.to_owned() },
        LabEvent::CheckPassed {
            claim: text.to_owned(),
            evidence: vec![text.to_owned()],
            took: Duration::ZERO,
        },
        LabEvent::CheckStarted { claim: format!("{text}, again") },
        LabEvent::CheckWaiting { claim: format!("{text}, again"), observed: text.to_owned() },
    ];
    let mut events = script::lab(false);
    events.truncate(1);
    events.push(Event::Lab(LabEvent::StepStarted {
        number: 1,
        of: 7,
        step: "x".parse().unwrap(),
        title: text.to_owned(),
        text: text.to_owned(),
    }));
    events.extend(step.into_iter().map(Event::Lab));
    events
}

/// A check that failed, with the path of a call that stops at an intention.
fn failed_check(text: &str) -> Event {
    let finding = Finding {
        about: text.to_owned(),
        verdict: crate::core::model::call_path::Verdict::Broken,
        seen: text.to_owned(),
        expected: Some(text.to_owned()),
        hint: None,
    };
    let hop = |kind, state, findings| Hop { kind, state, findings };
    let path = CallPath {
        source: text.to_owned(),
        destination: "echo".to_owned(),
        request: None,
        open: false,
        hops: vec![
            hop(HopKind::Source, HopState::Open, vec![]),
            hop(HopKind::Intention, HopState::Stopped, vec![finding]),
            hop(HopKind::Destination, HopState::Unreached, vec![]),
        ],
    };
    Event::Lab(LabEvent::CheckFailed {
        claim: format!("{text}, again"),
        expected: text.to_owned(),
        observed: text.to_owned(),
        path: Some(Box::new(path)),
    })
}

#[test]
fn a_failed_check_shows_where_the_call_stops() {
    let mut events = hostile("a & b");
    events.push(failed_check("a & b"));
    let page = recorded(events, None).html();
    let path = &page[page.find("<ol class=\"path\">").unwrap()..];
    insta::assert_snapshot!(&path[..path.find("</ol>").unwrap()]);
}

/// The page without the content of element `name`.
fn without(page: &str, name: &str) -> String {
    let (before, inside) = page.split_once(&format!("<{name}>")).unwrap();
    let (_, after) = inside.split_once(&format!("</{name}>")).unwrap();
    format!("{before}[{name}]{after}")
}

/// Every tag is closed in order, except those that HTML never closes.
fn assert_well_formed(page: &str) {
    let mut open = Vec::new();
    let page = without(page, "style");
    for piece in page.split('<').skip(1) {
        let (tag, text) = piece.split_once('>').unwrap_or_else(|| panic!("no tag: {piece}"));
        assert!(!text.contains('>'), "{piece}");
        let name = tag.split([' ', '/', '\n']).next().unwrap_or_default();
        match tag.strip_prefix('/') {
            Some(closed) => assert_eq!(open.pop(), Some(closed), "{piece}"),
            None if tag.ends_with('/') || ["!DOCTYPE", "meta"].contains(&name) => {}
            None => open.push(name),
        }
    }
    assert_eq!(open, Vec::<&str>::new());
}

/// The page fetches nothing and has no scripts.
fn assert_self_contained(page: &str) {
    for forbidden in ["<script", "<link", "<img", "<iframe", "src=", "url(", "@import", "\u{1b}"] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    for link in page.split("href=\"").skip(1) {
        assert!(link.starts_with("#step-"), "{link}");
    }
}

/// The elements of an XML text, each with its text content.
fn parsed(xml: &str) -> Vec<(String, String)> {
    let mut reader = quick_xml::Reader::from_str(xml);
    let mut elements: Vec<(String, String)> = Vec::new();
    loop {
        match reader.read_event().expect("it is XML") {
            Xml::Eof => return elements,
            Xml::Start(tag) | Xml::Empty(tag) => {
                for attribute in tag.attributes() {
                    let attribute = attribute.expect("an attribute");
                    quick_xml::escape::unescape(&attribute.value).expect("it is escaped");
                }
                elements.push((tag.name().as_ref().to_owned(), String::new()));
            }
            Xml::Text(text) => {
                if let Some((_, so_far)) = elements.last_mut() {
                    so_far.push_str(&text);
                }
            }
            _ => {}
        }
    }
}

#[test]
fn a_lab_that_passed() {
    let record = recorded(script::lab(false), None);
    assert_eq!(record.outcome, RunOutcome::Passed);
    let page = record.html();
    assert_well_formed(&page);
    assert_self_contained(&page);
    insta::assert_snapshot!("passed-html", without(&page, "style"));
    insta::assert_snapshot!("passed-json", record.json());
    insta::assert_snapshot!("passed-junit", record.junit());
}

#[test]
fn a_lab_that_failed() {
    let failure = script::check_failure();
    let record = recorded(script::failing_lab(), Some(&failure));
    assert_eq!(record.outcome, RunOutcome::Failed);
    let page = record.html();
    assert_well_formed(&page);
    insta::assert_snapshot!("failed-html", without(&page, "style"));
    insta::assert_snapshot!("failed-json", record.json());
    insta::assert_snapshot!("failed-junit", record.junit());
}

#[test]
fn an_interrupted_lab_has_the_steps_so_far() {
    let mut events = script::lab(false);
    let third = |event: &Event| matches!(event, Event::Lab(LabEvent::StepStarted { number: 3, .. }));
    let at = events.iter().position(third).unwrap();
    events.truncate(at + 3);
    let failure = Failure::new(FailureKind::Interrupted(2), "interrupted by SIGINT");
    let record = recorded(events, Some(&failure));
    assert_eq!(record.outcome, RunOutcome::Interrupted);
    let outcomes: Vec<StepOutcome> = record.steps.iter().map(|step| step.verdict).collect();
    let (passed, not_run) = (StepOutcome::Passed, StepOutcome::NotRun);
    assert_eq!(outcomes, [passed, passed, StepOutcome::Interrupted, not_run, not_run, not_run, not_run]);
    assert_well_formed(&record.html());
    insta::assert_snapshot!("interrupted-junit", record.junit());
}

#[test]
fn a_lab_that_never_started_and_one_whose_reader_stopped() {
    let failure = Failure::failed("port 8500 is in use").hint("end it");
    let record = recorded(vec![], Some(&failure));
    assert_well_formed(&record.html());
    let xml = record.junit();
    assert!(xml.contains("tests=\"8\" failures=\"0\" errors=\"1\" skipped=\"7\""), "{xml}");
    let is_error = |(name, text): &(String, String)| name == "error" && text.contains("hint: end it");
    assert!(parsed(&xml).iter().any(is_error), "{xml}");
    let mut events = script::lab(false);
    events.truncate(12);
    let second = |event: &Event| matches!(event, Event::Lab(LabEvent::StepStarted { number: 2, .. }));
    events.truncate(events.iter().position(second).unwrap());
    assert_eq!(recorded(events, None).outcome, RunOutcome::Stopped);
    // During a step that has a task for the reader.
    for left in [2, 7] {
        let mut events = script::lab(false);
        let begins = |event: &Event| matches!(event, Event::Lab(LabEvent::StepStarted { number, .. }) if *number == left);
        events.truncate(events.iter().position(begins).unwrap() + 1);
        let record = recorded(events, None);
        assert_eq!(record.outcome, RunOutcome::Stopped);
        assert_eq!(record.steps[left - 1].verdict, StepOutcome::Stopped);
        let xml = record.junit();
        assert!(
            xml.contains("failures=\"0\" errors=\"0\"") && xml.contains("the reader stopped here"),
            "{xml}"
        );
    }
}

#[test]
fn a_run_of_one_step_is_not_stopped_early() {
    let recorder = Recorder::new(&lab(), &dirs("/home/u/state"), None, Arc::new(Silent));
    recorder.limit_to(&[2]);
    let reasons: Vec<_> = recorder.finish(None).steps.iter().filter_map(|step| step.not_run).collect();
    let no = "not part of this run";
    assert_eq!(reasons, [no, no, "not reached", no, no, no, no]);
    for event in script::lab(false) {
        let is_third = matches!(
            event,
            Event::Lab(LabEvent::StepStarted { number: 3, .. } | LabEvent::StepFinished { number: 3, .. })
        );
        if is_third {
            recorder.report(event);
        }
    }
    assert_eq!(recorder.finish(None).outcome, RunOutcome::Passed);
}

#[test]
fn long_output_is_truncated_with_a_note() {
    let mut events = hostile("x");
    events.truncate(2);
    events.push(Event::Lab(LabEvent::Command { command: "yes".into(), service: None }));
    for _ in 0..100 {
        events.push(Event::Lab(LabEvent::Output { line: "y".repeat(4096), error: false }));
    }
    events.push(Event::Lab(LabEvent::OutputBeyond { line: "end".into(), error: false }));
    events.push(Event::Lab(LabEvent::OutputCut { lines: 8 }));
    let record = recorded(events, None);
    let Act::Command(command) = &record.steps[0].acts[0] else { panic!("a command") };
    assert_eq!((command.output.len(), command.lines_left_out), (63, 37 + 1 + 7));
    assert!(record.html().contains("45 lines more are not in this report."));
    let (_, output) = parsed(&record.junit()).into_iter().find(|(name, _)| name == "system-out").unwrap();
    assert!(output.len() < 66 << 10 && output.contains("[truncated: 258"), "{} bytes", output.len());
}

#[test]
fn tokens_and_folders_are_masked() {
    let state = tempfile::tempdir().unwrap();
    let path = Utf8Path::from_path(state.path()).unwrap();
    let run = crate::machine::state::RunDir::new(path, LabAddress::DEFAULT);
    std::fs::create_dir_all(run.secrets()).unwrap();
    let token = crate::core::secret::Token::random().unwrap();
    for name in ["consul-management", "consul-services", "nomad-management"] {
        token.write(&run.secrets().join(format!("{name}.token"))).unwrap();
    }
    let text = format!("{} in {}/x and /home/u/y", token.expose(), run.root());
    let failure = Failure::failed(text.clone()).seen_text(text.clone()).hint(text.clone());
    let record = recorded_in(path.as_str(), hostile(&text), Some(&failure));
    let json = record.json();
    // Texts and service names come from the lab's author and are not masked.
    for act in &record.steps[0].acts {
        let Act::Command(command) = act else { continue };
        for line in &command.output {
            assert_eq!(line.text, "[token] in [state]/run/127.0.0.1/x and ~/y");
        }
        if let Some(ready) = &command.ready {
            assert_eq!(ready, "leader [token] in [state]/run/127.0.0.1/x and ~/y");
        }
    }
    let failure = record.failure.unwrap();
    assert_eq!(failure.message, failure.details[0].text);
    assert!(!failure.message.contains(token.expose()), "{json}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn text_is_escaped_in_every_format(text in "[<>&\"'a\u{0}\u{1b}\u{fffe}\\]é `*_|#\n-]{0,24}|.{0,24}") {
        let failure = Failure::failed(text.clone()).seen_text(text.clone()).hint(text.clone());
        let mut events = hostile(&text);
        events.push(failed_check(&text));
        let record = recorded(events, Some(&failure));
        let page = record.html();
        assert_well_formed(&page);
        assert_self_contained(&page);
        let cases = parsed(&record.junit()).into_iter().filter(|(name, _)| name == "testcase").count();
        prop_assert_eq!(cases, 7);
        let json: serde_json::Value = serde_json::from_str(&record.json()).unwrap();
        prop_assert_eq!(json["schema"].as_u64(), Some(1));
    }
}
