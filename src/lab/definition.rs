//! `lab.toml` to a valid [`Lab`], or an error with line and column.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::check::Check;
use crate::failure::{Failure, Result};
use crate::model::{ArtifactName, FileName, LabAddress, LabId, Slug, StepId, Wishes};
use crate::nearest::nearest;
use crate::runtime::ServiceSpec;
use crate::runtime::ports::NeededPort;
use crate::runtime::readiness::Readiness;
use crate::vm::Component;

/// How many lines of a command's output are shown if the lab says nothing.
const SHOWN_LINES: usize = 40;

/// How long a command or check may take if the lab says nothing, in seconds.
const STEP_SECONDS: u64 = 30;

const LONGEST_STEP_SECONDS: u64 = 600;

/// Stands for the lab's address in commands, texts and files.
const ADDRESS: &str = "{address}";

/// Stands for the lab's second address, where further instances of what has a fixed port live.
const SECOND_ADDRESS: &str = "{second_address}";

/// A lab, valid throughout.
#[derive(Debug, Clone)]
pub struct Lab {
    /// Its name.
    pub id: LabId,
    /// Its title.
    pub title: String,
    /// What it is about, Markdown.
    pub summary: String,
    /// The artifacts it needs.
    pub tools: Vec<ArtifactName>,
    /// The ports it needs.
    pub ports: Vec<NeededPort>,
    /// Files that lie in its folder from the start, with their text.
    pub files: Vec<(FileName, String)>,
    /// The single-VM environment it runs on, if it needs one.
    pub environment: Option<Wishes>,
    /// Its steps, in order.
    pub steps: Vec<Step>,
    /// What was learned, Markdown, one item each.
    pub learned: Vec<String>,
}

/// A step: an explanation, then actions in order.
#[derive(Debug, Clone)]
pub struct Step {
    /// Its name, unique in the lab.
    pub id: StepId,
    /// Its title.
    pub title: String,
    /// The explanation, Markdown.
    pub text: String,
    /// What to look at when it fails; the first is shown at once.
    pub hints: Vec<String>,
    /// How long each of its actions may take.
    pub timeout: Duration,
    /// What is done, in order.
    pub actions: Vec<Action>,
}

/// One thing a step does.
#[derive(Debug, Clone)]
pub enum Action {
    /// Runs a command.
    Run(RunAction),
    /// Starts a component of the environment.
    Up(Component),
    /// Proves something.
    Check(Check),
}

/// A command, exactly as a person would type it.
#[derive(Debug, Clone)]
pub struct RunAction {
    /// The command line.
    pub command: String,
    /// Set if it stays in the background.
    pub service: Option<ServiceAction>,
    /// How many lines of its output are shown; the rest is counted.
    pub shown_lines: usize,
}

/// What a background command becomes.
#[derive(Debug, Clone)]
pub struct ServiceAction {
    /// The component's name, unique in the lab.
    pub name: Slug,
    /// What makes it ready.
    pub ready: Readiness,
    /// Where it answers, for `status`.
    pub listens: Vec<String>,
}

impl ServiceAction {
    /// The component that this command is to become.
    pub(super) fn spec(&self, command: &str) -> ServiceSpec {
        ServiceSpec {
            name: self.name.to_string(),
            command: command.to_owned(),
            listens: self.listens.clone(),
            ready: self.ready.clone(),
        }
    }
}

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

    /// Where a step stands, from 0, by its number (from 1) or its name.
    pub fn position(&self, step: &str) -> Result<usize> {
        let named = self.steps.iter().position(|known| known.id.as_str() == step);
        let numbered = step.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        if let Some(index) = named.or(numbered.filter(|index| *index < self.steps.len())) {
            return Ok(index);
        }
        let failure = Failure::usage(format!("lab {} has no step {step:?}", self.id))
            .detail("steps", format!("1 to {}, or by name", self.steps.len()));
        Err(match nearest(step, self.steps.iter().map(|known| known.id.as_str())) {
            Some(near) => {
                failure.hint(format!("did you mean {near}? `meshlab lab show {}` lists all", self.id))
            }
            None => failure.hint(format!("`meshlab lab show {}` lists all", self.id)),
        })
    }

    /// The names of all that it starts and leaves in the background.
    pub fn components(&self) -> Vec<String> {
        let of_environment = self.environment.iter().flat_map(|_| Component::ALL);
        let services = self.steps.iter().flat_map(|step| &step.actions).filter_map(|action| match action {
            Action::Run(RunAction { service: Some(service), .. }) => Some(service.name.to_string()),
            _ => None,
        });
        of_environment.map(|component| component.name().to_owned()).chain(services).collect()
    }

    /// The lab as it reads on an address. The address is a parsed one: nothing else can get into a command.
    #[must_use]
    pub fn at(mut self, address: LabAddress) -> Self {
        let second = address.second().to_string();
        let address = address.to_string();
        let fill = |text: &mut String| {
            *text = text.replace(ADDRESS, &address).replace(SECOND_ADDRESS, &second);
        };
        fill(&mut self.summary);
        self.files.iter_mut().for_each(|(_, text)| fill(text));
        self.learned.iter_mut().for_each(fill);
        for step in &mut self.steps {
            fill(&mut step.text);
            step.hints.iter_mut().for_each(fill);
            for action in &mut step.actions {
                match action {
                    Action::Run(run) => {
                        fill(&mut run.command);
                        run.service.iter_mut().flat_map(|service| &mut service.listens).for_each(fill);
                    }
                    Action::Up(_) => {}
                    Action::Check(check) => check.fill(&fill),
                }
            }
        }
        self
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
