//! A record as the XML of `JUnit`: the lab is a suite, a step is a case.

use std::fmt::Write as _;
use std::io;
use std::time::Duration;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::record::{Act, Command, Outcome, Proof, Record, Step, Verdict, Why};

/// No more of a case's output is written, in bytes: what shows test results is not made for more.
const MOST_OUTPUT: usize = 64 << 10;

type Xml = Writer<Vec<u8>>;

impl Record {
    /// All of it as the XML of `JUnit`.
    pub fn junit(&self) -> String {
        let mut xml = Writer::new_with_indent(Vec::new(), b' ', 2);
        // Writing to memory cannot fail.
        let _ = write(self, &mut xml);
        let mut text = String::from_utf8_lossy(&xml.into_inner()).into_owned();
        text.push('\n');
        text
    }
}

/// How many cases there are of each kind.
struct Counts {
    cases: usize,
    failures: usize,
    errors: usize,
    skipped: usize,
}

impl Counts {
    fn of(record: &Record) -> Self {
        let count = |verdict: Verdict| record.steps.iter().filter(|step| step.verdict == verdict).count();
        let beside = usize::from(failure_beside_steps(record).is_some());
        Self {
            cases: record.steps.len() + beside,
            failures: count(Verdict::Failed),
            errors: count(Verdict::Interrupted) + beside,
            skipped: count(Verdict::NotRun) + count(Verdict::Stopped),
        }
    }
}

/// The failure, if it is no step's own: before the first one, between two, or after the last.
fn failure_beside_steps(record: &Record) -> Option<&Why> {
    let is_of_step =
        record.steps.iter().any(|step| matches!(step.verdict, Verdict::Failed | Verdict::Interrupted));
    record.failure.as_ref().filter(|_| !is_of_step)
}

fn write(record: &Record, xml: &mut Xml) -> io::Result<()> {
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
    let instant = record.instant();
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    xml.create_element("testsuites")
        .with_attribute(("name", "meshlab"))
        .with_attributes(numbers.iter().copied())
        .write_inner_content(|xml| {
            xml.create_element("testsuite")
                .with_attribute(("name", lab.as_str()))
                .with_attribute(("timestamp", instant.trim_end_matches('Z')))
                .with_attributes(numbers.iter().copied())
                .write_inner_content(|xml| {
                    properties(record, xml)?;
                    for step in &record.steps {
                        case(record, step, xml)?;
                    }
                    match failure_beside_steps(record) {
                        Some(why) => error_beside_steps(&lab, why, record.outcome, xml),
                        None => Ok(()),
                    }
                })?;
            Ok(())
        })?;
    Ok(())
}

fn properties(record: &Record, xml: &mut Xml) -> io::Result<()> {
    let mut pairs = vec![("title".to_owned(), record.title.clone())];
    if let Some(place) = &record.place {
        pairs.push(("runtime".to_owned(), place.runtime.clone()));
        pairs.push(("runtime.reason".to_owned(), place.reason.clone()));
        pairs.push(("address".to_owned(), place.address.to_string()));
    }
    pairs.extend(record.tools.iter().map(|tool| (format!("tool.{}", tool.name), tool.version.clone())));
    pairs.push(("meshlab".to_owned(), record.meshlab.to_owned()));
    pairs.push(("platform".to_owned(), record.platform.clone()));
    xml.create_element("properties").write_inner_content(|xml| {
        for (name, value) in &pairs {
            xml.create_element("property")
                .with_attribute(("name", allowed(name).as_str()))
                .with_attribute(("value", allowed(value).as_str()))
                .write_empty()?;
        }
        Ok(())
    })?;
    Ok(())
}

fn case(record: &Record, step: &Step, xml: &mut Xml) -> io::Result<()> {
    let (name, time) = (format!("{} {}", step.number, step.title), seconds(step.took));
    let case = xml
        .create_element("testcase")
        .with_attribute(("name", allowed(&name).as_str()))
        .with_attribute(("classname", record.lab.to_string().as_str()))
        .with_attribute(("time", time.as_str()));
    case.write_inner_content(|xml| {
        match step.verdict {
            Verdict::NotRun | Verdict::Stopped => {
                let reason = step.not_run.unwrap_or("its reader stopped here");
                xml.create_element("skipped").with_attribute(("message", reason)).write_empty()?;
            }
            Verdict::Failed => problem("failure", record.failure.as_ref(), step, xml)?,
            Verdict::Interrupted => problem("error", record.failure.as_ref(), step, xml)?,
            Verdict::Passed => {}
        }
        if !step.acts.is_empty() {
            let text = BytesText::new(&transcript(step)).into_owned();
            xml.create_element("system-out").write_text_content(text)?;
        }
        Ok(())
    })?;
    Ok(())
}

/// What was expected and what was seen, with the rest of what is known.
fn problem(element: &str, why: Option<&Why>, step: &Step, xml: &mut Xml) -> io::Result<()> {
    let proof = step.acts.iter().rev().find_map(|act| match act {
        Act::Check(check) if !matches!(check.proof, Proof::Passed { .. }) => Some(check),
        _ => None,
    });
    let message = match (why, proof) {
        (Some(why), _) => why.message.clone(),
        (None, Some(check)) => format!("check failed: {}", check.claim),
        (None, None) => "it did not end".to_owned(),
    };
    let mut text = String::new();
    let said = |label: &str| why.is_some_and(|why| why.details.iter().any(|fact| fact.label == label));
    if let Some(Proof::Failed { expected, observed, .. }) = proof.map(|check| &check.proof) {
        for (label, fact) in [("expected", expected), ("observed", observed)] {
            if !said(label) {
                let _ = writeln!(text, "{label}: {fact}");
            }
        }
    }
    text.push_str(&why.map(known).unwrap_or_default());
    element_with_message(element, &message, kind(element, why), &text, xml)
}

fn error_beside_steps(lab: &str, why: &Why, outcome: Outcome, xml: &mut Xml) -> io::Result<()> {
    let name = if outcome == Outcome::Interrupted { "interrupted" } else { "beside the steps" };
    xml.create_element("testcase")
        .with_attribute(("name", name))
        .with_attribute(("classname", lab))
        .with_attribute(("time", "0.000"))
        .write_inner_content(|xml| {
            element_with_message("error", &why.message, kind("error", Some(why)), &known(why), xml)
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
        .with_attribute(("message", allowed(message).as_str()))
        .with_attribute(("type", kind))
        .write_text_content(BytesText::new(&allowed(text)))?;
    Ok(())
}

fn kind(element: &str, why: Option<&Why>) -> &'static str {
    match why.map(|why| why.exit) {
        Some(3) => "check-failed",
        Some(8) => "deadline-passed",
        _ if element == "error" => "error",
        _ => "failed",
    }
}

fn known(why: &Why) -> String {
    let mut text = String::new();
    for fact in &why.details {
        let between = if fact.text.contains('\n') { '\n' } else { ' ' };
        let _ = writeln!(text, "{}:{between}{}", fact.label, fact.text.trim_end());
    }
    if let Some(hint) = &why.hint {
        let _ = writeln!(text, "hint: {hint}");
    }
    text
}

/// What the step did, as a log.
fn transcript(step: &Step) -> String {
    let mut text = String::new();
    for act in &step.acts {
        match act {
            Act::Command(command) => typed(command, &mut text),
            Act::Task { text: task } => drop(writeln!(text, "task: {task}")),
            Act::Hint { text: hint } => drop(writeln!(text, "hint: {hint}")),
            Act::Check(check) => {
                let (verdict, facts) = match &check.proof {
                    Proof::Passed { evidence } => ("ok", evidence.clone()),
                    Proof::Failed { expected, observed, path } => {
                        let mut facts =
                            vec![format!("expected: {expected}"), format!("observed: {observed}")];
                        for hop in path {
                            let found = hop.found.join("; ");
                            facts.push(format!("{} ({}): {found}", hop.name, hop.state.word()));
                        }
                        ("FAILED", facts)
                    }
                    Proof::Unfinished { observed } => ("unfinished", observed.iter().cloned().collect()),
                };
                let _ = writeln!(text, "{verdict}: {}", check.claim);
                for fact in facts {
                    let _ = writeln!(text, "    {fact}");
                }
            }
        }
    }
    if text.len() > MOST_OUTPUT {
        let all = text.len();
        text.truncate(text.floor_char_boundary(MOST_OUTPUT));
        let _ = write!(text, "\n[cut here: {all} bytes in all]\n");
    }
    allowed(&text)
}

fn typed(command: &Command, text: &mut String) {
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

/// The text with a mark in place of each character that XML has no way to write.
fn allowed(text: &str) -> String {
    let allowed = |letter: char| match letter {
        '\t' | '\n' | '\r' => letter,
        '\u{fffe}' | '\u{ffff}' => '\u{fffd}',
        other if other.is_control() => '\u{fffd}',
        other => other,
    };
    text.chars().map(allowed).collect()
}

fn seconds(took: Duration) -> String {
    format!("{:.3}", took.as_secs_f64())
}
