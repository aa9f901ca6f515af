//! The definition of a lab: steps with explanations, commands and checks.

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

/// A lab. A value of this type is valid.
#[derive(Debug, Clone)]
pub struct Lab {
    /// The lab id, for example `1-tcp-echo`.
    pub id: LabId,
    /// The title, one line.
    pub title: String,
    /// A summary, Markdown.
    pub summary: String,
    /// The tools that it uses.
    pub tools: Vec<ArtifactName>,
    /// The ports that it uses.
    pub ports: Vec<NeededPort>,
    /// Names and texts of the files in its working directory.
    pub files: Vec<(FileName, String)>,
    /// The environment with Consul and Nomad, if it needs one.
    pub environment: Option<EnvironmentSpec>,
    /// The steps in order.
    pub steps: Vec<Step>,
    /// Facts that are shown at the end, Markdown.
    pub learned: Vec<String>,
}

/// A step: an explanation, then actions in order.
#[derive(Debug, Clone)]
pub struct Step {
    /// The step id, unique in the lab.
    pub id: StepId,
    /// The title, one line.
    pub title: String,
    /// The explanation, Markdown.
    pub text: String,
    /// Hints. A failure shows the first one.
    pub hints: Vec<String>,
    /// The timeout of each action.
    pub timeout: Duration,
    /// Commands and checks in order.
    pub actions: Vec<Action>,
    /// Undoes the step. Empty if it cannot be undone.
    pub reset: Vec<Reset>,
    /// Whether the step changes the lab. If not, its checks pass before the step, too.
    pub changes: bool,
    /// Whether the step only takes down what the lab started. `--keep` skips it.
    pub teardown: bool,
}

/// One action that undoes a step.
#[derive(Debug, Clone)]
pub enum Reset {
    /// Runs a command.
    Run(RunAction),
    /// Stops a component.
    Stop(Slug),
}

/// One action of a step.
#[derive(Debug, Clone)]
pub enum Action {
    /// Runs a command.
    Run(RunAction),
    /// Starts a component of the environment.
    Up(Component),
    /// Runs a check.
    Check(Check),
}

/// A command as a user types it.
#[derive(Debug, Clone)]
pub struct RunAction {
    /// The command line.
    pub command: String,
    /// Set if it runs in the background.
    pub service: Option<ServiceAction>,
    /// How many lines of its output are shown. The others are counted.
    pub shown_lines: usize,
    /// The task for the reader, Markdown. The command is its solution.
    pub task: Option<String>,
}

/// The component that a background command is.
#[derive(Debug, Clone)]
pub struct ServiceAction {
    /// The component's name, unique in the lab.
    pub name: Slug,
    /// The tool that it runs: its image in containers, and its version in `status`.
    pub tool: Option<ArtifactName>,
    /// The condition for being ready.
    pub ready: Readiness,
    /// Its addresses, for `status`.
    pub listens: Vec<String>,
}

impl ServiceAction {
    /// The component that runs `command`.
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
    /// The index of an action that has a task although another command follows.
    pub(super) fn early_task(&self) -> Option<usize> {
        let is_task = |action: &Action| matches!(action, Action::Run(RunAction { task: Some(_), .. }));
        let last = self.actions.iter().rposition(|action| !matches!(action, Action::Check(_)))?;
        self.actions[..last].iter().position(is_task)
    }

    /// The checks after its last command. The step is done when they pass, no matter how it was done.
    pub fn closing_checks(&self) -> impl Iterator<Item = &Check> {
        let from = self.actions.iter().rposition(|action| !matches!(action, Action::Check(_)));
        self.actions.iter().skip(from.map_or(0, |last| last + 1)).filter_map(|action| match action {
            Action::Check(check) => Some(check),
            Action::Run(_) | Action::Up(_) => None,
        })
    }
}

impl Lab {
    /// The index of a step, from 0, by its number (from 1) or its id.
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

    /// What it needs from its backend.
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
