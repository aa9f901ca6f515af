//! A lab at work, as it happens.

use std::time::Duration;

use serde::Serialize;

use super::{Ready, RuntimeReason, millis};
use crate::core::model::call_path::CallPath;
use crate::core::model::{LabAddress, LabId, RuntimeKind, StepId};

/// A lab at work.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "lab", rename_all = "kebab-case")]
pub enum LabEvent {
    /// The lab begins.
    Started {
        /// Which.
        id: LabId,
        /// Its title.
        title: String,
        /// What it is about, Markdown.
        summary: String,
        /// How its components run.
        runtime: RuntimeKind,
        /// Why they run so.
        runtime_reason: RuntimeReason,
        /// Where it listens.
        address: LabAddress,
        /// Name and version of each tool that takes part.
        tools: Vec<(String, String)>,
        /// How many steps will run.
        steps: usize,
    },
    /// A step begins.
    StepStarted {
        /// From 1.
        number: usize,
        /// Of how many.
        of: usize,
        /// Its name.
        step: StepId,
        /// Its title.
        title: String,
        /// The explanation, Markdown.
        text: String,
    },
    /// A step that a later one needs runs first, without being shown.
    Preceding {
        /// From 1.
        number: usize,
        /// Of how many.
        of: usize,
        /// Its name.
        step: StepId,
    },
    /// A command is about to run, exactly as shown.
    Command {
        /// The command line.
        command: String,
        /// Name of the service it starts, if it stays in the background.
        service: Option<String>,
    },
    /// A line the command wrote.
    Output {
        /// Without the line's end.
        line: String,
        /// Whether it went to standard error.
        error: bool,
    },
    /// A line the command wrote after those that are shown: for reports alone. Of very many, the first ones.
    OutputBeyond {
        /// Without the line's end.
        line: String,
        /// Whether it went to standard error.
        error: bool,
    },
    /// More lines than are shown came; the log has them all.
    OutputCut {
        /// How many were left out.
        lines: usize,
    },
    /// The command ended, or the service is ready.
    CommandFinished {
        /// Since it was started, in milliseconds.
        #[serde(rename = "millis", serialize_with = "millis")]
        took: Duration,
        /// For a service: its name. Services that follow one another start together, and end up ready in their order.
        service: Option<String>,
        /// For a service: what was observed that makes it ready.
        ready: Option<Ready>,
    },
    /// It is the reader's turn.
    Task {
        /// What is to be brought about, Markdown.
        task: String,
        /// The command for another terminal that opens a shell in the lab.
        shell: String,
    },
    /// A hint that was asked for.
    Hint {
        /// From 1.
        number: usize,
        /// Of how many.
        of: usize,
        /// The hint, Markdown.
        text: String,
    },
    /// Something is tried with a step, to see whether the step is good.
    Trying {
        /// From 1.
        number: usize,
        /// Of how many.
        of: usize,
        /// Its name.
        step: StepId,
        /// What is tried.
        trial: Trial,
    },
    /// One thing was tried with a step, to see whether the step is good.
    Tried {
        /// From 1.
        number: usize,
        /// Of how many.
        of: usize,
        /// Its name.
        step: StepId,
        /// Its title.
        title: String,
        /// What was tried.
        trial: Trial,
        /// Whether it went as it should.
        passed: bool,
        /// What was seen.
        observed: String,
        /// How long it took, in milliseconds.
        #[serde(rename = "millis", serialize_with = "millis")]
        took: Duration,
    },
    /// All steps of a lab were tried.
    Tested {
        /// Which.
        id: LabId,
        /// How many steps were tried.
        steps: usize,
        /// Of how many.
        of: usize,
        /// How many things were tried.
        trials: usize,
        /// How many of them did not go as they should.
        wrong: usize,
        /// Whether all went as it should.
        passed: bool,
        /// All in all, in milliseconds.
        #[serde(rename = "millis", serialize_with = "millis")]
        took: Duration,
    },
    /// A check begins.
    CheckStarted {
        /// What must hold, as a sentence.
        claim: String,
    },
    /// A check does not hold yet and is tried again.
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
        /// The evidence, in a line or several.
        evidence: Vec<String>,
        /// How long until it held, in milliseconds.
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
        /// The way that the check is about, and where it stops, where that could be found out.
        #[serde(skip_serializing_if = "Option::is_none")]
        path: Option<Box<CallPath>>,
    },
    /// A step is done.
    StepFinished {
        /// From 1.
        number: usize,
        /// Its name.
        step: StepId,
        /// Whether all its checks held.
        passed: bool,
        /// How long it took without the reader's pauses, in milliseconds.
        #[serde(rename = "millis", serialize_with = "millis")]
        took: Duration,
    },
    /// A step that only takes down is left out, because the lab is to be kept.
    StepSkipped {
        /// From 1.
        number: usize,
        /// Of how many.
        of: usize,
        /// Its name.
        step: StepId,
        /// Its title.
        title: String,
    },
    /// The lab is over.
    Finished {
        /// Which.
        id: LabId,
        /// Number, name, title, time and verdict of each step that ran.
        steps: Vec<StepSummary>,
        /// Of how many; fewer ran if it was stopped or failed.
        of: usize,
        /// How many steps the lab has, those that were not asked for included.
        all: usize,
        /// Whether all that ran held.
        passed: bool,
        /// What was learned, Markdown, one item each.
        learned: Vec<String>,
        /// Whether the components were left running.
        kept: bool,
        /// All in all without the reader's pauses, in milliseconds.
        #[serde(rename = "millis", serialize_with = "millis")]
        took: Duration,
    },
}

/// What can be tried with a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trial {
    /// Its checks, before it was run.
    Before,
    /// The step itself.
    Run,
    /// Its checks, once it was undone.
    Reset,
    /// The step once more, after it was undone.
    Again,
}

impl Trial {
    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::Run => "run",
            Self::Reset => "reset",
            Self::Again => "again",
        }
    }
}

/// One line of a lab's summary.
#[derive(Debug, Clone, Serialize)]
pub struct StepSummary {
    /// From 1.
    pub number: usize,
    /// The step.
    pub step: StepId,
    /// Its title.
    pub title: String,
    /// Whether its checks held.
    pub passed: bool,
    /// How many checks held.
    pub checks: usize,
    /// How long it took, in milliseconds.
    #[serde(rename = "millis", serialize_with = "millis")]
    pub took: Duration,
}
