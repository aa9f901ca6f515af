//! What a lab is: steps with an explanation, commands, and checks.

use std::time::Duration;

use super::check::Check;
use crate::core::failure::{Failure, Result};
use crate::core::model::{ArtifactName, EnvironmentSpec, FileName, LabId, Network, Slug, StepId};
use crate::core::nearest::nearest;
use crate::core::settings::Dirs;
use crate::machine::ports::NeededPort;
use crate::machine::state::readiness::Readiness;
use crate::machine::{LabNeeds, Role, ServiceSpec};
use crate::mesh::vm::Component;

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
    pub environment: Option<EnvironmentSpec>,
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
    /// What undoes it; empty if nothing does.
    pub reset: Vec<Reset>,
    /// Whether anything of what it does lasts. If not, its checks hold before it as well as after it.
    pub changes: bool,
    /// Whether it only takes down what the lab started. With `--keep` it is left out.
    pub teardown: bool,
}

/// One thing that undoes a step.
#[derive(Debug, Clone)]
pub enum Reset {
    /// Runs a command.
    Run(RunAction),
    /// Ends a component.
    Stop(Slug),
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
    /// What a reader is asked to bring about; the command is then the solution.
    pub task: Option<String>,
}

/// What a background command becomes.
#[derive(Debug, Clone)]
pub struct ServiceAction {
    /// The component's name, unique in the lab.
    pub name: Slug,
    /// The tool that it runs: its image in containers, and its version in `status`.
    pub tool: Option<ArtifactName>,
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
            role: Role::LabService { tool: self.tool.clone() },
            command: command.to_owned(),
            listens: self.listens.clone(),
            ready: self.ready.clone(),
        }
    }
}

impl Step {
    /// The action, from 0, that asks a reader for something although further commands come after it.
    pub(super) fn early_task(&self) -> Option<usize> {
        let is_task = |action: &Action| matches!(action, Action::Run(RunAction { task: Some(_), .. }));
        let last = self.actions.iter().rposition(|action| !matches!(action, Action::Check(_)))?;
        self.actions[..last].iter().position(is_task)
    }

    /// The checks after its last command: they say whether the step is done, whoever did it.
    pub fn closing_checks(&self) -> impl Iterator<Item = &Check> {
        let from = self.actions.iter().rposition(|action| !matches!(action, Action::Check(_)));
        self.actions.iter().skip(from.map_or(0, |last| last + 1)).filter_map(|action| match action {
            Action::Check(check) => Some(check),
            Action::Run(_) | Action::Up(_) => None,
        })
    }
}

impl Lab {
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

    /// The network modes that its Nomad tasks may use.
    pub fn network(&self) -> Network {
        self.environment.as_ref().map(|environment| environment.network).unwrap_or_default()
    }

    /// What it needs of the backend that it runs on.
    pub fn needs(&self, dirs: &Dirs) -> LabNeeds {
        LabNeeds {
            lab: self.id.clone(),
            tools: self.tools.clone(),
            components: self.components(),
            ports: self.ports.clone(),
            network: self.network(),
            store: dirs.cache.clone(),
        }
    }

    /// The names of all components that it starts.
    fn components(&self) -> Vec<String> {
        let of_environment = self.environment.iter().flat_map(|_| Component::ALL);
        let services = self.steps.iter().flat_map(|step| &step.actions).filter_map(|action| match action {
            Action::Run(RunAction { service: Some(service), .. }) => Some(service.name.to_string()),
            _ => None,
        });
        of_environment.map(|component| component.name().to_owned()).chain(services).collect()
    }
}
