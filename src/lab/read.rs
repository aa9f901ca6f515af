//! `lab.toml` to a valid [`Lab`], or an error with line and column.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::check::Check;
use super::definition::{Action, Lab, RunAction, ServiceAction, Step};
use crate::failure::{Failure, Result};
use crate::model::{ArtifactName, FileName, LabId, Slug, StepId, Wishes};
use crate::runtime::ports::NeededPort;
use crate::runtime::readiness::Readiness;
use crate::vm::Component;

/// How many lines of a command's output are shown if the lab says nothing.
const SHOWN_LINES: usize = 40;

/// How long a command or check may take if the lab says nothing, in seconds.
const STEP_SECONDS: u64 = 30;

const LONGEST_STEP_SECONDS: u64 = 600;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLab {
    title: String,
    summary: String,
    tools: Vec<ArtifactName>,
    #[serde(default)]
    files: Vec<Spanned<FileName>>,
    environment: Option<Spanned<Wishes>>,
    learned: Vec<String>,
    #[serde(default)]
    port: Vec<RawPort>,
    step: Vec<Spanned<RawStep>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPort {
    port: u16,
    purpose: String,
    #[serde(default)]
    udp: bool,
    #[serde(default)]
    door: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStep {
    id: StepId,
    title: String,
    text: String,
    #[serde(default)]
    hints: Vec<String>,
    timeout_seconds: Option<u64>,
    #[serde(rename = "do")]
    actions: Vec<Spanned<toml::Table>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawUp {
    up: Component,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRun {
    run: String,
    service: Option<Slug>,
    ready: Option<Readiness>,
    #[serde(default)]
    listens: Vec<String>,
    lines: Option<usize>,
}

impl Lab {
    /// Reads a lab. `origin` names it in errors; `file` gives the text of a file beside it.
    pub fn parse<'a>(
        id: LabId,
        text: &str,
        origin: &str,
        file: impl Fn(&str) -> Option<&'a str>,
    ) -> Result<Self> {
        let wrong = |offset: usize, what: &str| {
            let (line, column) = crate::lockfile::position(text, offset);
            Failure::usage(format!("{origin}:{line}:{column}: {what}"))
                .detail("line", text.lines().nth(line - 1).unwrap_or_default().trim_end().to_owned())
        };
        let raw: RawLab = toml::from_str(text)
            .map_err(|error| wrong(error.span().map_or(0, |span| span.start), error.message().trim()))?;
        let mut files = Vec::new();
        let environment = raw.environment.map(|wishes| (wishes.span().start, wishes.into_inner()));
        let of_environment = environment.iter().flat_map(|(at, wishes)| {
            wishes.consul.iter().chain(&wishes.jobs).map(|name| (*at, name.clone()))
        });
        let own = raw.files.into_iter().map(|name| (name.span().start, name.into_inner()));
        for (at, name) in own.chain(of_environment) {
            let content =
                file(name.as_str()).ok_or_else(|| wrong(at, &format!("there is no {name} beside it")))?;
            files.push((name, content.to_owned()));
        }
        let mut steps = Vec::new();
        let mut names = Names { has_environment: environment.is_some(), ..Names::default() };
        for raw_step in raw.step {
            let at = raw_step.span().start;
            steps.push(step(raw_step.into_inner(), at, &mut names).map_err(|(at, what)| wrong(at, &what))?);
        }
        if steps.is_empty() {
            return Err(wrong(0, "expected at least one [[step]]"));
        }
        let port =
            |raw: RawPort| NeededPort { port: raw.port, purpose: raw.purpose, udp: raw.udp, door: raw.door };
        let of_components = Component::ALL.into_iter().flat_map(Component::ports);
        let of_environment = environment.iter().flat_map(|_| of_components.clone());
        Ok(Self {
            id,
            title: raw.title,
            summary: raw.summary,
            tools: raw.tools,
            ports: raw.port.into_iter().map(port).chain(of_environment).collect(),
            files,
            environment: environment.map(|(_, wishes)| wishes),
            steps,
            learned: raw.learned,
        })
    }
}

/// Names that must not come twice.
#[derive(Default)]
struct Names {
    has_environment: bool,
    steps: BTreeSet<StepId>,
    services: BTreeSet<Slug>,
}

/// Containers that are no service's: the machine itself, and what empties its folder.
const RESERVED: [&str; 2] = ["machine", "cleaner"];

type Misplaced = (usize, String);

fn step(raw: RawStep, at: usize, names: &mut Names) -> Result<Step, Misplaced> {
    if !names.steps.insert(raw.id.clone()) {
        return Err((at, format!("expected names of steps that differ, found {} twice", raw.id)));
    }
    let seconds = raw.timeout_seconds.unwrap_or(STEP_SECONDS);
    if !(1..=LONGEST_STEP_SECONDS).contains(&seconds) {
        return Err((
            at,
            format!("expected timeout_seconds from 1 to {LONGEST_STEP_SECONDS}, found {seconds}"),
        ));
    }
    let mut actions = Vec::new();
    for raw_action in raw.actions {
        let at = raw_action.span().start;
        actions.push(action(raw_action.into_inner(), names).map_err(|what| (at, what))?);
    }
    if !actions.iter().any(|action| matches!(action, Action::Check(_))) {
        return Err((at, "expected at least one check: a step has to prove that it worked".to_owned()));
    }
    let timeout = Duration::from_secs(seconds);
    Ok(Step { id: raw.id, title: raw.title, text: raw.text, hints: raw.hints, timeout, actions })
}

fn action(table: toml::Table, names: &mut Names) -> Result<Action, String> {
    let words = |error: toml::de::Error| error.message().trim().to_owned();
    if table.contains_key("check") {
        return Ok(Action::Check(Check::deserialize(table).map_err(words)?));
    }
    if table.contains_key("up") {
        if !names.has_environment {
            return Err(
                "up starts a component of an environment: expected [environment] in this lab".to_owned()
            );
        }
        return Ok(Action::Up(RawUp::deserialize(table).map_err(words)?.up));
    }
    if !table.contains_key("run") {
        return Err(
            "expected run = \"a command\", up = \"a component\" or check = \"a kind of check\"".to_owned()
        );
    }
    let raw = RawRun::deserialize(table).map_err(words)?;
    let service = match (raw.service, raw.ready) {
        (Some(name), Some(ready)) => {
            if RESERVED.contains(&name.as_str()) {
                return Err(format!(
                    "expected another name than {name}: a container of meshlab's own has it"
                ));
            }
            if !names.services.insert(name.clone()) {
                return Err(format!("expected names of services that differ, found {name} twice"));
            }
            Some(ServiceAction { name, ready, listens: raw.listens })
        }
        (None, None) => None,
        (Some(name), None) => return Err(format!("expected ready = ..., what makes {name} ready")),
        (None, Some(_)) => return Err("ready belongs to a service: expected service = \"a name\"".to_owned()),
    };
    Ok(Action::Run(RunAction { command: raw.run, service, shown_lines: raw.lines.unwrap_or(SHOWN_LINES) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"title = "t"
summary = "s"
tools = ["consul"]
files = ["a.hcl"]
learned = []

[[step]]
id = "one"
title = "t"
text = "at {address}"

[[step.do]]
run = "server {address}"
service = "server"
ready = { kind = "tcp", port = 1 }

[[step.do]]
check = "tcp-echo"
claim = "it echoes"
port = 1
bytes = 1
"#;

    fn parse(text: &str) -> Result<Lab> {
        let file = |name: &str| (name == "a.hcl").then_some("on {address}");
        Lab::parse("1-x".parse().unwrap(), text, "labs/1-x/lab.toml", file)
    }

    #[test]
    fn the_address_is_filled_in_everywhere() {
        let lab = parse(GOOD).unwrap().at("127.0.0.9".parse().unwrap());
        assert_eq!(lab.files[0].1, "on 127.0.0.9");
        assert_eq!(lab.steps[0].text, "at 127.0.0.9");
        let Action::Run(run) = &lab.steps[0].actions[0] else { panic!("a command") };
        assert_eq!(run.command, "server 127.0.0.9");
    }

    #[test]
    fn errors_name_line_column_and_expectation() {
        let cases = [
            ("title = \"t\"\n", "title = \"t\"\ncolour = 1\n"),
            ("a.hcl", "b.hcl"),
            ("id = \"one\"", "id = \"One\""),
            ("text = \"at", "timeout_seconds = 0\ntext = \"at"),
            ("run = \"server", "ran = \"server"),
            ("service = \"server\"\n", ""),
            ("service = \"server\"", "service = \"machine\""),
            ("ready = { kind = \"tcp\", port = 1 }\n", ""),
            ("kind = \"tcp\"", "kind = \"udp\""),
            ("check = \"tcp-echo\"", "check = \"magic\""),
            ("bytes = 1\n", ""),
            ("bytes = 1\n", "bytes = 1\nbits = 8\n"),
            ("[[step.do]]\ncheck", "[[step]]\ncheck"),
        ];
        let shown: Vec<String> = cases
            .into_iter()
            .map(|(from, to)| {
                let text = GOOD.replacen(from, to, 1);
                assert_ne!(text, GOOD, "{from}");
                parse(&text).unwrap_err().message().to_owned()
            })
            .collect();
        insta::assert_snapshot!(shown.join("\n"));
    }
}
