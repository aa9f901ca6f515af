//! A running lab.

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::{Ready, RuntimeReason, millis};
use crate::core::model::call_path::CallPath;
use crate::core::model::{LabAddress, LabId, RuntimeKind, StepId};

/// A running lab.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "lab", rename_all = "kebab-case")]
pub enum LabEvent {
    /// The lab begins.
    Started {
        /// The lab.
        id: LabId,
        /// The title.
        title: String,
        /// Its summary, Markdown.
        summary: String,
        /// `host` or `docker`.
        runtime: RuntimeKind,
        /// Why its components run there.
        runtime_reason: RuntimeReason,
        /// Its address.
        address: LabAddress,
        /// Its tools, with `name` and `version`.
        #[serde(serialize_with = "names_and_versions")]
        tools: Vec<(String, String)>,
        /// The number of its steps.
        steps: usize,
    },
    /// A step begins.
    StepStarted {
        /// The step, from 1.
        number: usize,
        /// The number of steps.
        of: usize,
        /// The step's name.
        step: StepId,
        /// The title.
        title: String,
        /// The explanation, Markdown.
        text: String,
    },
    /// A step that a later one needs runs first, without being shown.
    Preceding {
        /// The step, from 1.
        number: usize,
        /// The number of steps.
        of: usize,
        /// The step's name.
        step: StepId,
    },
    /// A command is about to run.
    Command {
        /// The command line.
        command: String,
        /// The service that it starts.
        service: Option<String>,
    },
    /// The command wrote a line.
    Output {
        /// The line, without its end.
        line: String,
        /// Whether it is from standard error.
        error: bool,
    },
    /// The command wrote a line that is not shown. For reports only.
    OutputBeyond {
        /// The line, without its end.
        line: String,
        /// Whether it is from standard error.
        error: bool,
    },
    /// The command wrote more lines than are shown; the log has all of them.
    OutputCut {
        /// The number of lines that are not shown.
        lines: usize,
    },
    /// The command ended, or the service is ready.
    CommandFinished {
        /// Since its start, in milliseconds.
        #[serde(rename = "millis", serialize_with = "millis")]
        took: Duration,
        /// The service, if the command starts one.
        service: Option<String>,
        /// What makes the service ready.
        ready: Option<Ready>,
    },
    /// The reader has to do something.
    Task {
        /// The task, Markdown.
        task: String,
        /// The command that opens a shell in the lab, for another terminal.
        shell: String,
    },
    /// The reader asked for a hint.
    Hint {
        /// The hint, from 1.
        number: usize,
        /// The number of hints.
        of: usize,
        /// The hint, Markdown.
        text: String,
    },
    /// `lab test` begins to try something with a step.
    Trying {
        /// The step, from 1.
        number: usize,
        /// The number of steps.
        of: usize,
        /// The step's name.
        step: StepId,
        /// The trial.
        trial: Trial,
    },
    /// `lab test` has tried something with a step.
    Tried {
        /// The step, from 1.
        number: usize,
        /// The number of steps.
        of: usize,
        /// The step's name.
        step: StepId,
        /// The title.
        title: String,
        /// The trial.
        trial: Trial,
        /// Whether it passed.
        passed: bool,
        /// What was observed.
        observed: String,
        /// In milliseconds.
        #[serde(rename = "millis", serialize_with = "millis")]
        took: Duration,
    },
    /// `lab test` has ended.
    Tested {
        /// The lab.
        id: LabId,
        /// The number of steps that were tried.
        steps: usize,
        /// The number of steps.
        of: usize,
        /// The number of trials.
        trials: usize,
        /// The number of trials that failed.
        wrong: usize,
        /// Whether all passed.
        passed: bool,
        /// In milliseconds.
        #[serde(rename = "millis", serialize_with = "millis")]
        took: Duration,
    },
    /// A check begins.
    CheckStarted {
        /// What must hold.
        claim: String,
    },
    /// A check does not hold yet and is repeated.
    CheckWaiting {
        /// What must hold.
        claim: String,
        /// What was observed last.
        observed: String,
    },
    /// A check holds.
    CheckPassed {
        /// What holds.
        claim: String,
        /// The evidence, line by line.
        evidence: Vec<String>,
        /// Until it held, in milliseconds.
        #[serde(rename = "millis", serialize_with = "millis")]
        took: Duration,
    },
    /// A check did not hold by its deadline.
    CheckFailed {
        /// What should have held.
        claim: String,
        /// What was expected.
        expected: String,
        /// What was observed last.
        observed: String,
        /// The path of the calls that the check is about, where it is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        path: Option<Box<CallPath>>,
    },
    /// A step has ended.
    StepFinished {
        /// The step, from 1.
        number: usize,
        /// The step's name.
        step: StepId,
        /// Whether all its checks held.
        passed: bool,
        /// Without the reader's pauses, in milliseconds.
        #[serde(rename = "millis", serialize_with = "millis")]
        took: Duration,
    },
    /// With `--keep`, a last step that only takes down is skipped.
    StepSkipped {
        /// The step, from 1.
        number: usize,
        /// The number of steps.
        of: usize,
        /// The step's name.
        step: StepId,
        /// The title.
        title: String,
    },
    /// The lab has ended.
    Finished {
        /// The lab.
        id: LabId,
        /// The steps that ran.
        steps: Vec<StepSummary>,
        /// The number of steps that had to run.
        of: usize,
        /// The number of steps of the lab.
        all: usize,
        /// Whether all checks held.
        passed: bool,
        /// What the reader has learned, a list of Markdown.
        learned: Vec<String>,
        /// Whether the components still run.
        kept: bool,
        /// Without the reader's pauses, in milliseconds.
        #[serde(rename = "millis", serialize_with = "millis")]
        took: Duration,
    },
}

/// What `lab test` tries with a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trial {
    /// Its checks, before it runs.
    Before,
    /// The step itself.
    Run,
    /// Its checks, after its reset.
    Reset,
    /// The step, after its reset.
    Again,
}

impl Trial {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::Run => "run",
            Self::Reset => "reset",
            Self::Again => "again",
        }
    }
}

/// A step in a lab's summary.
#[derive(Debug, Clone, Serialize)]
pub struct StepSummary {
    /// The step, from 1.
    pub number: usize,
    /// The step's name.
    pub step: StepId,
    /// Its title.
    pub title: String,
    /// Whether its checks held.
    pub passed: bool,
    /// The number of checks that held.
    pub checks: usize,
    /// In milliseconds.
    #[serde(rename = "millis", serialize_with = "millis")]
    pub took: Duration,
}

fn names_and_versions<S: Serializer>(tools: &[(String, String)], serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Tool<'a> {
        name: &'a str,
        version: &'a str,
    }
    serializer.collect_seq(tools.iter().map(|(name, version)| Tool { name, version }))
}
