//! The `JUnit` report: the lab is a test suite, each step is a test case.

use std::fmt::Write as _;
use std::io;
use std::time::Duration;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::record::{
    Act, CheckOutcome, CommandRecord, FailureRecord, RunOutcome, RunRecord, StepOutcome, StepRecord,
};

/// The limit of `system-out` per test case, in bytes: test viewers are not made for more.
const MAX_OUTPUT: usize = 64 << 10;

type Xml = Writer<Vec<u8>>;

impl RunRecord {
    /// The `JUnit` report.
    pub(crate) fn junit(&self) -> String {
        let mut xml = Writer::new_with_indent(Vec::new(), b' ', 2);
        // Writing to memory cannot fail.
        let _ = write(self, &mut xml);
        let mut text = String::from_utf8_lossy(&xml.into_inner()).into_owned();
        text.push('\n');
        text
    }
}

/// The number of test cases by outcome.
struct Counts {
    cases: usize,
    failures: usize,
    errors: usize,
    skipped: usize,
}

impl Counts {
    fn of(record: &RunRecord) -> Self {
        let count = |verdict: StepOutcome| record.steps.iter().filter(|step| step.verdict == verdict).count();
        let outside = usize::from(failure_outside_steps(record).is_some());
        Self {
            cases: record.steps.len() + outside,
            failures: count(StepOutcome::Failed),
            errors: count(StepOutcome::Interrupted) + outside,
            skipped: count(StepOutcome::NotRun) + count(StepOutcome::Stopped),
        }
    }
}

/// The failure, if no step failed: it happened before, between or after the steps.
fn failure_outside_steps(record: &RunRecord) -> Option<&FailureRecord> {
    let is_of_step = record
        .steps
        .iter()
        .any(|step| matches!(step.verdict, StepOutcome::Failed | StepOutcome::Interrupted));
    record.failure.as_ref().filter(|_| !is_of_step)
}

fn write(record: &RunRecord, xml: &mut Xml) -> io::Result<()> {
    let counts = Counts::of(record);
    let (lab, took) = (record.lab.to_string(), seconds(record.took));
    let numbers = [
        ("tests", counts.cases.to_string()),
        ("failures", counts.failures.to_string()),
        ("errors", counts.errors.to_string()),
        ("skipped", counts.skipped.to_string()),
        ("time", took),
    ];
    let numbers: Vec<(&str, &str)> = numbers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let start = record.start_rfc3339();
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    xml.create_element("testsuites")
        .with_attribute(("name", "meshlab"))
        .with_attributes(numbers.iter().copied())
        .write_inner_content(|xml| {
            xml.create_element("testsuite")
                .with_attribute(("name", lab.as_str()))
                .with_attribute(("timestamp", start.trim_end_matches('Z')))
                .with_attributes(numbers.iter().copied())
                .write_inner_content(|xml| {
                    properties(record, xml)?;
                    for step in &record.steps {
                        case(record, step, xml)?;
                    }
                    match failure_outside_steps(record) {
                        Some(failure) => error_outside_steps(&lab, failure, record.outcome, xml),
                        None => Ok(()),
                    }
                })?;
            Ok(())
        })?;
    Ok(())
}

fn properties(record: &RunRecord, xml: &mut Xml) -> io::Result<()> {
    let mut pairs = vec![("title".to_owned(), record.title.clone())];
    if let Some(location) = &record.location {
        pairs.push(("runtime".to_owned(), location.runtime.clone()));
        pairs.push(("runtime.reason".to_owned(), location.reason.clone()));
        pairs.push(("address".to_owned(), location.address.to_string()));
    }
    pairs.extend(record.tools.iter().map(|tool| (format!("tool.{}", tool.name), tool.version.clone())));
    pairs.push(("meshlab".to_owned(), record.meshlab.to_owned()));
    pairs.push(("platform".to_owned(), record.platform.clone()));
    xml.create_element("properties").write_inner_content(|xml| {
        for (name, value) in &pairs {
            xml.create_element("property")
                .with_attribute(("name", xml_safe(name).as_str()))
                .with_attribute(("value", xml_safe(value).as_str()))
                .write_empty()?;
        }
        Ok(())
    })?;
    Ok(())
}

fn case(record: &RunRecord, step: &StepRecord, xml: &mut Xml) -> io::Result<()> {
    let (name, time) = (format!("{} {}", step.number, step.title), seconds(step.took));
    let case = xml
        .create_element("testcase")
        .with_attribute(("name", xml_safe(&name).as_str()))
        .with_attribute(("classname", record.lab.to_string().as_str()))
        .with_attribute(("time", time.as_str()));
    case.write_inner_content(|xml| {
        match step.verdict {
            StepOutcome::NotRun | StepOutcome::Stopped => {
                let reason = step.not_run.unwrap_or("the reader stopped here");
                xml.create_element("skipped").with_attribute(("message", reason)).write_empty()?;
            }
            StepOutcome::Failed => problem("failure", record.failure.as_ref(), step, xml)?,
            StepOutcome::Interrupted => problem("error", record.failure.as_ref(), step, xml)?,
            StepOutcome::Passed => {}
        }
        if !step.acts.is_empty() {
            let text = BytesText::new(&transcript(step)).into_owned();
            xml.create_element("system-out").write_text_content(text)?;
        }
        Ok(())
    })?;
    Ok(())
}

/// Writes a failure or an error: what was expected, what was observed, and the details.
fn problem(
    element: &str,
    failure: Option<&FailureRecord>,
    step: &StepRecord,
    xml: &mut Xml,
) -> io::Result<()> {
    let open_check = step.acts.iter().rev().find_map(|act| match act {
        Act::Check(check) if !matches!(check.outcome, CheckOutcome::Passed { .. }) => Some(check),
        _ => None,
    });
    let message = match (failure, open_check) {
        (Some(failure), _) => failure.message.clone(),
        (None, Some(check)) => format!("check failed: {}", check.claim),
        (None, None) => "did not end".to_owned(),
    };
    let mut text = String::new();
    let has_detail =
        |label: &str| failure.is_some_and(|failure| failure.details.iter().any(|fact| fact.label == label));
    if let Some(CheckOutcome::Failed { expected, observed, .. }) = open_check.map(|check| &check.outcome) {
        for (label, fact) in [("expected", expected), ("observed", observed)] {
            if !has_detail(label) {
                let _ = writeln!(text, "{label}: {fact}");
            }
        }
    }
    text.push_str(&failure.map(details).unwrap_or_default());
    element_with_message(element, &message, kind(element, failure), &text, xml)
}

fn error_outside_steps(
    lab: &str,
    failure: &FailureRecord,
    outcome: RunOutcome,
    xml: &mut Xml,
) -> io::Result<()> {
    let name = if outcome == RunOutcome::Interrupted { "interrupted" } else { "outside the steps" };
    xml.create_element("testcase")
        .with_attribute(("name", name))
        .with_attribute(("classname", lab))
        .with_attribute(("time", "0.000"))
        .write_inner_content(|xml| {
            element_with_message(
                "error",
                &failure.message,
                kind("error", Some(failure)),
                &details(failure),
                xml,
            )
        })?;
    Ok(())
}

fn element_with_message(
    element: &str,
    message: &str,
    kind: &str,
    text: &str,
    xml: &mut Xml,
) -> io::Result<()> {
    xml.create_element(element)
        .with_attribute(("message", xml_safe(message).as_str()))
        .with_attribute(("type", kind))
        .write_text_content(BytesText::new(&xml_safe(text)))?;
    Ok(())
}

fn kind(element: &str, failure: Option<&FailureRecord>) -> &'static str {
    match failure.map(|failure| failure.exit) {
        Some(3) => "check-failed",
        Some(8) => "deadline-passed",
        _ if element == "error" => "error",
        _ => "failed",
    }
}

fn details(failure: &FailureRecord) -> String {
    let mut text = String::new();
    for fact in &failure.details {
        let between = if fact.text.contains('\n') { '\n' } else { ' ' };
        let _ = writeln!(text, "{}:{between}{}", fact.label, fact.text.trim_end());
    }
    if let Some(hint) = &failure.hint {
        let _ = writeln!(text, "hint: {hint}");
    }
    text
}

/// The commands and checks of a step as a log.
fn transcript(step: &StepRecord) -> String {
    let mut text = String::new();
    for act in &step.acts {
        match act {
            Act::Command(command) => command_log(command, &mut text),
            Act::Task { text: task } => drop(writeln!(text, "task: {task}")),
            Act::Hint { text: hint } => drop(writeln!(text, "hint: {hint}")),
            Act::Check(check) => {
                let (verdict, facts) = match &check.outcome {
                    CheckOutcome::Passed { evidence } => ("ok", evidence.clone()),
                    CheckOutcome::Failed { expected, observed, path } => {
                        let mut facts =
                            vec![format!("expected: {expected}"), format!("observed: {observed}")];
                        for hop in path {
                            let found = hop.found.join("; ");
                            facts.push(format!("{} ({}): {found}", hop.name, hop.state.word()));
                        }
                        ("FAILED", facts)
                    }
                    CheckOutcome::Unfinished { observed } => {
                        ("unfinished", observed.iter().cloned().collect())
                    }
                };
                let _ = writeln!(text, "{verdict}: {}", check.claim);
                for fact in facts {
                    let _ = writeln!(text, "    {fact}");
                }
            }
        }
    }
    if text.len() > MAX_OUTPUT {
        let all = text.len();
        text.truncate(text.floor_char_boundary(MAX_OUTPUT));
        let _ = write!(text, "\n[truncated: {all} bytes in all]\n");
    }
    xml_safe(&text)
}

fn command_log(command: &CommandRecord, text: &mut String) {
    let _ = writeln!(text, "$ {}", command.command.trim_end());
    for line in &command.output {
        let _ = writeln!(text, "{}", line.text);
    }
    if command.lines_left_out > 0 {
        let _ = writeln!(text, "[{} more lines]", command.lines_left_out);
    }
    if let (Some(service), Some(ready)) = (&command.service, &command.ready) {
        let _ = writeln!(text, "{service} is up: {ready}");
    }
}

/// Replaces characters that XML cannot contain by U+FFFD.
fn xml_safe(text: &str) -> String {
    let safe = |letter: char| match letter {
        '\t' | '\n' | '\r' => letter,
        '\u{fffe}' | '\u{ffff}' => '\u{fffd}',
        other if other.is_control() => '\u{fffd}',
        other => other,
    };
    text.chars().map(safe).collect()
}

fn seconds(took: Duration) -> String {
    format!("{:.3}", took.as_secs_f64())
}
