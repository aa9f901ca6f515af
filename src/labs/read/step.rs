//! Reads the steps of a `lab.toml`.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Deserialize;
use serde::de::IgnoredAny;
use toml::Spanned;

use super::ready::RawReady;
use crate::core::model::{ArtifactName, Bounded, Slug, StepId};
use crate::labs::check::Check;
use crate::labs::definition::{Action, Reset, RunAction, ServiceAction, Step};
use crate::labs::table::{LabTomlError, Table, Value};
use crate::machine::host::PORT_FORWARDER;
use crate::mesh::vm::Component;

/// The default of `lines`.
const DEFAULT_LINES: usize = 40;

/// The default of `timeout_seconds`.
const DEFAULT_TIMEOUT_SECONDS: u64 = 30;

const MAX_TIMEOUT_SECONDS: i64 = 600;

/// Names that a lab's service cannot have: meshlab's own containers and its port forwarder.
const RESERVED: [&str; 3] = ["machine", "cleaner", PORT_FORWARDER];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStep {
    id: Spanned<StepId>,
    title: String,
    text: String,
    #[serde(default)]
    hints: Vec<String>,
    timeout_seconds: Option<Bounded<u64, 1, MAX_TIMEOUT_SECONDS>>,
    #[serde(default = "yes")]
    changes: bool,
    teardown: Option<Spanned<bool>>,
    /// `do` and `reset` are read one by one: each entry has its own type.
    #[serde(rename = "do")]
    _actions: Vec<IgnoredAny>,
    #[serde(default, rename = "reset")]
    _reset: Vec<IgnoredAny>,
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
    service: Option<Spanned<Slug>>,
    tool: Option<Spanned<ArtifactName>>,
    ready: Option<Spanned<RawReady>>,
    #[serde(default)]
    listens: Vec<String>,
    lines: Option<usize>,
    task: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStop {
    stop: Spanned<Slug>,
}

/// Reads the steps in order.
pub(super) struct StepReader {
    has_environment: bool,
    /// The lab's tools.
    tools: Vec<ArtifactName>,
    /// The ids of the steps so far, and the names of their services: both are unique.
    steps: BTreeSet<StepId>,
    services: BTreeSet<Slug>,
    /// The position of `teardown = true`: no step may follow.
    teardown: Option<std::ops::Range<usize>>,
    /// The values of `component` in checks. A service may start after the check that names it.
    shown: Vec<Spanned<Slug>>,
}

impl StepReader {
    pub(super) fn new(has_environment: bool, tools: &[ArtifactName]) -> Self {
        let tools = tools.to_vec();
        Self {
            has_environment,
            tools,
            steps: BTreeSet::new(),
            services: BTreeSet::new(),
            teardown: None,
            shown: Vec::new(),
        }
    }

    pub(super) fn step(&mut self, value: Value<'_>) -> Result<Step, LabTomlError> {
        let mut table = Table::of(value)?;
        let at = table.position().clone();
        let (actions, reset) = (table.take_list("do"), table.take_list("reset"));
        let raw: RawStep = table.read()?;
        if !self.steps.insert(raw.id.get_ref().clone()) {
            let what = format!("step {} is defined twice: expected a unique id", raw.id);
            return Err(LabTomlError::new(&raw.id.span(), what));
        }
        if let Some(first) = reset.first()
            && !raw.changes
        {
            let what = "expected no reset of a step with changes = false";
            return Err(LabTomlError::new(&first.span(), what));
        }
        if let Some(before) = &self.teardown {
            return Err(LabTomlError::new(before, "expected teardown = true at the last step alone"));
        }
        let teardown = raw.teardown.filter(|teardown| *teardown.get_ref());
        if let Some(teardown) = &teardown
            && (!raw.changes || self.steps.len() == 1)
        {
            let what = "expected teardown = true at a step after others that changes something";
            return Err(LabTomlError::new(&teardown.span(), what));
        }
        self.teardown = teardown.as_ref().map(Spanned::span);
        let positions: Vec<_> = actions.iter().map(Spanned::span).collect();
        let step = Step {
            id: raw.id.into_inner(),
            title: raw.title,
            text: raw.text,
            hints: raw.hints,
            timeout: Duration::from_secs(raw.timeout_seconds.map_or(DEFAULT_TIMEOUT_SECONDS, Bounded::get)),
            actions: actions.into_iter().map(|action| self.action(action)).collect::<Result<_, _>>()?,
            reset: reset.into_iter().map(|reset| self.reset(reset)).collect::<Result<_, _>>()?,
            changes: raw.changes,
            teardown: teardown.is_some(),
        };
        if step.closing_checks().next().is_none() {
            let what = "expected a check after the last command, to prove that the step is done";
            return Err(LabTomlError::new(&at, what));
        }
        if let Some(early) = step.early_task().and_then(|index| positions.get(index)) {
            let what = "expected task at the last command of the step: the checks after it decide whether the task is done";
            return Err(LabTomlError::new(early, what));
        }
        Ok(step)
    }

    /// Checks what depends on all steps.
    pub(super) fn finish(self) -> Result<(), LabTomlError> {
        match self.shown.iter().find(|name| !self.knows(name.get_ref())) {
            None => Ok(()),
            Some(name) => Err(self.unknown("in this lab", name)),
        }
    }

    fn knows(&self, name: &Slug) -> bool {
        self.services.contains(name) || (self.has_environment && Component::by_name(name.as_str()).is_some())
    }

    fn unknown(&self, which: &str, name: &Spanned<Slug>) -> LabTomlError {
        let of_environment = Component::ALL.into_iter().filter(|_| self.has_environment);
        let mut known: Vec<&str> = of_environment.map(Component::name).collect();
        known.extend(self.services.iter().map(Slug::as_str));
        let expected = match known.as_slice() {
            [] => "there is none".to_owned(),
            known => format!("expected one of {}", known.join(", ")),
        };
        let what = format!("no service {:?} {which}: {expected}", name.get_ref().as_str());
        LabTomlError::new(&name.span(), what)
    }

    fn tool(&self, tool: Spanned<ArtifactName>) -> Result<ArtifactName, LabTomlError> {
        if self.tools.contains(tool.get_ref()) {
            return Ok(tool.into_inner());
        }
        let known: Vec<&str> = self.tools.iter().map(ArtifactName::as_str).collect();
        let what =
            format!("expected one of the lab's tools ({}), found {}", known.join(", "), tool.get_ref());
        Err(LabTomlError::new(&tool.span(), what))
    }

    fn action(&mut self, value: Value<'_>) -> Result<Action, LabTomlError> {
        let table = Table::of(value)?;
        if table.has("check") {
            let at = table.position_of("component");
            let check = Check::read(table)?;
            self.shown.extend(at.zip(check.component.clone()).map(|(at, name)| Spanned::new(at, name)));
            return Ok(Action::Check(check));
        }
        if table.has("up") {
            if !self.has_environment {
                let what = "up starts a component of an environment: expected [environment] in this lab";
                return Err(LabTomlError::new(table.position(), what));
            }
            return Ok(Action::Up(table.read::<RawUp>()?.up));
        }
        if table.has("run") {
            return self.command(table).map(Action::Run);
        }
        let what = "expected run = \"a command\", up = \"a component\" or check = \"a kind of check\"";
        Err(LabTomlError::new(table.position(), what))
    }

    fn reset(&mut self, value: Value<'_>) -> Result<Reset, LabTomlError> {
        let table = Table::of(value)?;
        if table.has("stop") {
            let stop = table.read::<RawStop>()?.stop;
            if !self.knows(stop.get_ref()) {
                return Err(self.unknown("in this or an earlier step", &stop));
            }
            return Ok(Reset::Stop(stop.into_inner()));
        }
        if !table.has("run") {
            let what = "expected run = \"a command\" or stop = \"a component\"";
            return Err(LabTomlError::new(table.position(), what));
        }
        if let Some(at) = table.position_of("service").or_else(|| table.position_of("task")) {
            let what = "expected run without service and task: a reset only runs commands";
            return Err(LabTomlError::new(&at, what));
        }
        self.command(table).map(Reset::Run)
    }

    fn command(&mut self, mut table: Table<'_>) -> Result<RunAction, LabTomlError> {
        table.put_name_first("ready", "kind")?;
        let raw: RawRun = table.read()?;
        let service = match (raw.service, raw.ready) {
            (Some(name), Some(ready)) => {
                let at = name.span();
                let name = name.into_inner();
                if RESERVED.contains(&name.as_str()) {
                    let what = format!("the name {name} is reserved: expected another name");
                    return Err(LabTomlError::new(&at, what));
                }
                if !self.services.insert(name.clone()) {
                    let what = format!("service {name} is defined twice: expected a unique name");
                    return Err(LabTomlError::new(&at, what));
                }
                let tool = raw.tool.map(|tool| self.tool(tool)).transpose()?;
                Some(ServiceAction { name, tool, ready: ready.into_inner().into(), listens: raw.listens })
            }
            (None, None) => match raw.tool {
                None => None,
                Some(tool) => {
                    let what = "tool belongs to a service: expected service = \"a name\"";
                    return Err(LabTomlError::new(&tool.span(), what));
                }
            },
            (Some(name), None) => {
                let what = format!("expected ready = {{ kind = ... }}: when is {name} ready?");
                return Err(LabTomlError::new(&name.span(), what));
            }
            (None, Some(ready)) => {
                let what = "ready belongs to a service: expected service = \"a name\"";
                return Err(LabTomlError::new(&ready.span(), what));
            }
        };
        let shown_lines = raw.lines.unwrap_or(DEFAULT_LINES);
        Ok(RunAction { command: raw.run, service, shown_lines, task: raw.task })
    }
}
