//! The record of one lab run: plain data. Every report format is made of it, and the JSON report is this data.

use std::time::{Duration, SystemTime};

use serde::{Serialize, Serializer};

use crate::core::event::millis;
use crate::core::model::call_path::HopState;
use crate::core::model::{LabAddress, LabId, StepId};

/// The version of the JSON report. It grows with every incompatible change.
pub(crate) const SCHEMA: u32 = 1;

/// One run of a lab.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct RunRecord {
    /// [`SCHEMA`].
    pub(crate) schema: u32,
    pub(crate) meshlab: &'static str,
    /// Operating system and processor, as in `deps.lock`.
    pub(crate) platform: String,
    pub(crate) lab: LabId,
    pub(crate) title: String,
    /// Markdown.
    pub(crate) summary: String,
    /// `None` if the lab did not start.
    #[serde(rename = "place")]
    pub(crate) location: Option<RunLocation>,
    pub(crate) tools: Vec<ToolVersion>,
    #[serde(serialize_with = "as_rfc3339")]
    pub(crate) started_at: SystemTime,
    /// Without the pauses in which the reader decides.
    #[serde(rename = "millis", serialize_with = "millis")]
    pub(crate) took: Duration,
    pub(crate) outcome: RunOutcome,
    /// Why the run failed or was interrupted.
    pub(crate) failure: Option<FailureRecord>,
    pub(crate) steps: Vec<StepRecord>,
    /// Markdown, one item each. Empty unless all steps are done.
    pub(crate) learned: Vec<String>,
    /// Whether the components still run.
    pub(crate) kept: bool,
}

/// Runtime and address of a lab.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct RunLocation {
    /// `host` or `docker`.
    pub(crate) runtime: String,
    /// Why this runtime was chosen.
    pub(crate) reason: String,
    pub(crate) address: LabAddress,
}

/// A tool that the lab used.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ToolVersion {
    pub(crate) name: String,
    pub(crate) version: String,
}

/// How a lab run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RunOutcome {
    /// All requested steps passed.
    Passed,
    /// The reader stopped before the last step. No step failed.
    Stopped,
    /// A check or a command failed.
    Failed,
    /// SIGINT or SIGTERM ended it.
    Interrupted,
}

/// The failure that ended a lab run.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct FailureRecord {
    pub(crate) message: String,
    pub(crate) details: Vec<DetailRecord>,
    pub(crate) hint: Option<String>,
    pub(crate) exit: u8,
}

/// One labelled detail of a failure.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct DetailRecord {
    pub(crate) label: String,
    /// May have several lines.
    pub(crate) text: String,
}

/// One step of the lab, whether it ran or not.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct StepRecord {
    /// From 1.
    pub(crate) number: usize,
    pub(crate) id: StepId,
    pub(crate) title: String,
    /// Markdown.
    pub(crate) text: String,
    pub(crate) verdict: StepOutcome,
    /// Why the step did not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) not_run: Option<&'static str>,
    /// Start, since the start of the lab.
    #[serde(rename = "at_millis", serialize_with = "millis")]
    pub(crate) at: Duration,
    #[serde(rename = "millis", serialize_with = "millis")]
    pub(crate) took: Duration,
    /// Commands and checks in order.
    pub(crate) acts: Vec<Act>,
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum StepOutcome {
    /// All its checks passed.
    Passed,
    /// A command or a check failed.
    Failed,
    /// A signal ended the lab during this step.
    Interrupted,
    /// The reader stopped the lab during this step.
    Stopped,
    /// The step did not run, or ran without being shown.
    NotRun,
}

/// One thing that a step did.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "act", rename_all = "kebab-case")]
pub(crate) enum Act {
    /// A command, or the start of a service.
    Command(CommandRecord),
    Check(CheckRecord),
    /// The task that the reader got, Markdown.
    Task {
        text: String,
    },
    /// A hint that the reader requested, Markdown.
    Hint {
        text: String,
    },
}

/// A command and its output.
#[derive(Debug, Clone, Serialize)]
#[allow(clippy::struct_field_names, reason = "events have the same name")]
pub(crate) struct CommandRecord {
    pub(crate) command: String,
    /// The service that the command is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) service: Option<String>,
    /// What made the service ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ready: Option<String>,
    /// Start, since the start of the lab.
    #[serde(rename = "at_millis", serialize_with = "millis")]
    pub(crate) at: Duration,
    /// `None` if the command failed or did not end.
    #[serde(rename = "millis", serialize_with = "maybe_millis")]
    pub(crate) took: Option<Duration>,
    pub(crate) output: Vec<OutputLine>,
    /// How many lines of the output are missing here.
    pub(crate) lines_left_out: usize,
}

/// One line of output.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct OutputLine {
    /// Without line ending.
    pub(crate) text: String,
    /// Whether it was written to standard error.
    pub(crate) error: bool,
    /// Whether the terminal showed it.
    pub(crate) shown: bool,
}

/// A check and its outcome.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct CheckRecord {
    /// What the check proves, as a sentence.
    pub(crate) claim: String,
    /// Start, since the start of the lab.
    #[serde(rename = "at_millis", serialize_with = "millis")]
    pub(crate) at: Duration,
    #[serde(rename = "millis", serialize_with = "millis")]
    pub(crate) took: Duration,
    #[serde(flatten)]
    pub(crate) outcome: CheckOutcome,
}

/// How a check ended.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub(crate) enum CheckOutcome {
    /// The check passed.
    Passed { evidence: Vec<String> },
    /// The check failed until its deadline passed.
    Failed {
        expected: String,
        /// The last observation.
        observed: String,
        /// The path of the call that the check is about. Empty if it is unknown.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        path: Vec<HopRecord>,
    },
    /// The lab ended before the check did.
    Unfinished {
        /// The last observation.
        observed: Option<String>,
    },
}

/// One hop on the path of a call.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct HopRecord {
    pub(crate) name: String,
    /// Whether a call passes this hop.
    pub(crate) state: HopState,
    /// The findings at this hop.
    pub(crate) found: Vec<String>,
}

impl StepRecord {
    /// Whether the step started.
    pub(crate) fn ran(&self) -> bool {
        self.verdict != StepOutcome::NotRun
    }

    /// How many checks passed, and how many started.
    pub(crate) fn checks(&self) -> (usize, usize) {
        let checks = self.acts.iter().filter_map(|act| match act {
            Act::Check(check) => Some(check),
            _ => None,
        });
        checks.fold((0, 0), |(passed, all), check| {
            (passed + usize::from(matches!(check.outcome, CheckOutcome::Passed { .. })), all + 1)
        })
    }
}

impl RunRecord {
    /// The JSON report.
    pub(crate) fn json(&self) -> String {
        // Plain data with text keys always serializes.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// The start as RFC 3339.
    pub(crate) fn start_rfc3339(&self) -> String {
        rfc3339(self.started_at)
    }
}

fn rfc3339(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time.max(SystemTime::UNIX_EPOCH)).to_string()
}

fn as_rfc3339<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&rfc3339(*time))
}

#[allow(clippy::ref_option, reason = "serde hands over a reference to the field")]
fn maybe_millis<S: Serializer>(took: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    match took {
        Some(took) => millis(took, serializer),
        None => serializer.serialize_none(),
    }
}
