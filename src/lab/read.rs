//! `lab.toml` to a valid [`Lab`], or an error with line and column.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::check::{Check, words};
use super::definition::{Action, Lab, Reset, RunAction, ServiceAction, Step};
use crate::failure::{Failure, Result};
use crate::model::{ArtifactName, FileName, LabAddress, LabId, Slug, StepId, Wishes};
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
    /// Whose files are used where there is none beside it; known by whoever gives the files.
    #[serde(rename = "base")]
    _base: Option<LabId>,
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
    #[serde(default = "yes")]
    changes: bool,
    #[serde(rename = "do")]
    actions: Vec<Spanned<toml::Table>>,
    #[serde(default)]
    reset: Vec<Spanned<toml::Table>>,
}

fn yes() -> bool {
    true
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
    task: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStop {
    stop: Slug,
}

impl Lab {
    /// Reads a lab as it is on an address. `origin` names it in errors; `file` gives the text of a file beside it.
    pub fn parse<'a>(
        id: LabId,
        text: &str,
        origin: &str,
        address: LabAddress,
        file: impl Fn(&str) -> Option<&'a str>,
    ) -> Result<Self> {
        let placeholders = Placeholders::of(address);
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
            let files = wishes.consul.iter().chain(&wishes.jobs).chain(wishes.sources.values());
            files.map(|name| (*at, name.clone()))
        });
        let own = raw.files.into_iter().map(|name| (name.span().start, name.into_inner()));
        for (at, name) in own.chain(of_environment) {
            let content =
                file(name.as_str()).ok_or_else(|| wrong(at, &format!("there is no {name} beside it")))?;
            files.push((name, placeholders.fill(content)));
        }
        let mut steps = Vec::new();
        let mut steps_reader = StepReader {
            placeholders: &placeholders,
            names: Names { has_environment: environment.is_some(), ..Names::default() },
        };
        for raw_step in raw.step {
            let at = raw_step.span().start;
            steps.push(steps_reader.step(raw_step.into_inner(), at).map_err(|(at, what)| wrong(at, &what))?);
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
            summary: placeholders.fill(&raw.summary),
            tools: raw.tools,
            ports: raw.port.into_iter().map(port).chain(of_environment).collect(),
            files,
            environment: environment.map(|(_, wishes)| wishes),
            steps,
            learned: raw.learned.iter().map(|item| placeholders.fill(item)).collect(),
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

/// What is no service of a lab's: the machine itself, what empties its folder, and what leads into its own network.
const RESERVED: [&str; 3] = ["machine", "cleaner", "doors"];

type Misplaced = (usize, String);

/// Reads one step after the other.
struct StepReader<'a> {
    placeholders: &'a Placeholders,
    names: Names,
}

impl StepReader<'_> {
    fn step(&mut self, raw: RawStep, at: usize) -> Result<Step, Misplaced> {
        if !self.names.steps.insert(raw.id.clone()) {
            return Err((at, format!("expected names of steps that differ, found {} twice", raw.id)));
        }
        let seconds = raw.timeout_seconds.unwrap_or(STEP_SECONDS);
        if !(1..=LONGEST_STEP_SECONDS).contains(&seconds) {
            return Err((
                at,
                format!("expected timeout_seconds from 1 to {LONGEST_STEP_SECONDS}, found {seconds}"),
            ));
        }
        let step = Step {
            id: raw.id,
            title: raw.title,
            text: self.placeholders.fill(&raw.text),
            hints: raw.hints.iter().map(|hint| self.placeholders.fill(hint)).collect(),
            timeout: Duration::from_secs(seconds),
            actions: self.each(raw.actions, Self::action)?,
            reset: self.each(raw.reset, Self::reset)?,
            changes: raw.changes,
        };
        if step.closing_checks().next().is_none() {
            let what = "expected a check after the last command: a step has to prove that it worked";
            return Err((at, what.to_owned()));
        }
        if step.has_early_task() {
            return Err((
                at,
                "expected task at the step's last command: its checks tell whether it is done".to_owned(),
            ));
        }
        if !step.changes && !step.reset.is_empty() {
            return Err((at, "expected no reset of a step with changes = false".to_owned()));
        }
        Ok(step)
    }

    fn each<T>(
        &mut self,
        tables: Vec<Spanned<toml::Table>>,
        read: impl Fn(&mut Self, toml::Table) -> Result<T, String>,
    ) -> Result<Vec<T>, Misplaced> {
        tables
            .into_iter()
            .map(|table| {
                let at = table.span().start;
                let table = self.placeholders.fill_table(table.into_inner());
                read(self, table).map_err(|what| (at, what))
            })
            .collect()
    }

    fn action(&mut self, table: toml::Table) -> Result<Action, String> {
        if table.contains_key("check") {
            return Check::from_table(table).map(Action::Check);
        }
        if table.contains_key("up") {
            if !self.names.has_environment {
                return Err(
                    "up starts a component of an environment: expected [environment] in this lab".to_owned()
                );
            }
            return Ok(Action::Up(RawUp::deserialize(table).map_err(|error| words(&error))?.up));
        }
        if table.contains_key("run") {
            return self.command(table).map(Action::Run);
        }
        Err("expected run = \"a command\", up = \"a component\" or check = \"a kind of check\"".to_owned())
    }

    fn reset(&mut self, table: toml::Table) -> Result<Reset, String> {
        if table.contains_key("stop") {
            return Ok(Reset::Stop(RawStop::deserialize(table).map_err(|error| words(&error))?.stop));
        }
        if !table.contains_key("run") {
            return Err("expected run = \"a command\" or stop = \"a component\"".to_owned());
        }
        match self.command(table)? {
            run if run.service.is_some() || run.task.is_some() => {
                Err("expected a plain command: a reset starts nothing and asks nobody".to_owned())
            }
            run => Ok(Reset::Run(run)),
        }
    }

    fn command(&mut self, table: toml::Table) -> Result<RunAction, String> {
        let raw = RawRun::deserialize(table).map_err(|error| words(&error))?;
        let service = match (raw.service, raw.ready) {
            (Some(name), Some(ready)) => {
                if RESERVED.contains(&name.as_str()) {
                    return Err(format!(
                        "expected another name than {name}: something of meshlab's own has it"
                    ));
                }
                if !self.names.services.insert(name.clone()) {
                    return Err(format!("expected names of services that differ, found {name} twice"));
                }
                Some(ServiceAction { name, ready, listens: raw.listens })
            }
            (None, None) => None,
            (Some(name), None) => return Err(format!("expected ready = ..., what makes {name} ready")),
            (None, Some(_)) => {
                return Err("ready belongs to a service: expected service = \"a name\"".to_owned());
            }
        };
        let shown_lines = raw.lines.unwrap_or(SHOWN_LINES);
        Ok(RunAction { command: raw.run, service, shown_lines, task: raw.task })
    }
}

/// What stands for an address in texts, commands and files. Addresses are parsed: nothing else can get into a command.
struct Placeholders([(&'static str, String); 2]);

impl Placeholders {
    fn of(address: LabAddress) -> Self {
        Self([("{address}", address.to_string()), ("{second_address}", address.second().to_string())])
    }

    fn fill(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
    }

    fn fill_table(&self, table: toml::Table) -> toml::Table {
        table.into_iter().map(|(name, value)| (name, self.fill_value(value))).collect()
    }

    fn fill_value(&self, value: toml::Value) -> toml::Value {
        match value {
            toml::Value::String(text) => toml::Value::String(self.fill(&text)),
            toml::Value::Array(items) => {
                toml::Value::Array(items.into_iter().map(|item| self.fill_value(item)).collect())
            }
            toml::Value::Table(table) => toml::Value::Table(self.fill_table(table)),
            other => other,
        }
    }
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
        let address = "127.0.0.9".parse().unwrap();
        Lab::parse("1-x".parse().unwrap(), text, "labs/1-x/lab.toml", address, file)
    }

    #[test]
    fn the_address_is_filled_in_everywhere() {
        let lab = parse(GOOD).unwrap();
        assert_eq!(lab.files[0].1, "on 127.0.0.9");
        assert_eq!(lab.steps[0].text, "at 127.0.0.9");
        let Action::Run(run) = &lab.steps[0].actions[0] else { panic!("a command") };
        assert_eq!(run.command, "server 127.0.0.9");
    }

    #[test]
    fn errors_name_line_column_and_expectation() {
        let cases = [
            ("title = \"t\"\n", "title = \"t\"\ncolour = 1\n"),
            ("learned = []\n", "learned = []\n[environment]\nsources = { add-svc = \"add.py\" }\n"),
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
            ("[[step.do]]\ncheck", "[[step.reset]]\nstart = \"server\"\n\n[[step.do]]\ncheck"),
            ("text = \"at", "changes = false\nreset = [{ stop = \"server\" }]\ntext = \"at"),
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
