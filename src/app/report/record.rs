//! What is known of one run of a lab: plain data, from which every form of report is made.

use std::time::{Duration, SystemTime};

use serde::{Serialize, Serializer};

use crate::core::event::millis;
use crate::core::model::call_path::HopState;
use crate::core::model::{LabAddress, LabId, StepId};

/// Grows when a program that reads the JSON would have to change.
pub const SCHEMA: u32 = 1;

/// One run of a lab.
#[derive(Debug, Clone, Serialize)]
pub struct Record {
    /// The number of this form.
    pub schema: u32,
    /// The version of meshlab.
    pub meshlab: &'static str,
    /// The operating system and processor it ran on.
    pub platform: String,
    /// The lab.
    pub lab: LabId,
    /// Its title.
    pub title: String,
    /// What it is about, Markdown.
    pub summary: String,
    /// Where it ran; unknown if it never began.
    pub place: Option<Place>,
    /// The tools that took part.
    pub tools: Vec<Tool>,
    /// When it began.
    #[serde(serialize_with = "rfc3339")]
    pub started_at: SystemTime,
    /// All in all without the reader's pauses, in milliseconds.
    #[serde(rename = "millis", serialize_with = "millis")]
    pub took: Duration,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it did not end well.
    pub failure: Option<Why>,
    /// Every step of the lab.
    pub steps: Vec<Step>,
    /// What was learned, Markdown, one item each.
    pub learned: Vec<String>,
    /// Whether the components were left running.
    pub kept: bool,
}

/// Where a lab ran.
#[derive(Debug, Clone, Serialize)]
pub struct Place {
    /// `host` or `docker`.
    pub runtime: String,
    /// Why this runtime, in a few words.
    pub reason: String,
    /// The lab's address.
    pub address: LabAddress,
}

/// A tool that took part.
#[derive(Debug, Clone, Serialize)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// How a lab ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// All that was asked for held.
    Passed,
    /// Its reader stopped before the last step; what ran held.
    Stopped,
    /// Something did not hold, or did not work.
    Failed,
    /// It was told to end.
    Interrupted,
}

/// Why a lab did not end well.
#[derive(Debug, Clone, Serialize)]
pub struct Why {
    /// What failed, on what.
    pub message: String,
    /// What was seen.
    pub details: Vec<Fact>,
    /// What to do.
    pub hint: Option<String>,
    /// The exit code.
    pub exit: u8,
}

/// A labelled fact.
#[derive(Debug, Clone, Serialize)]
pub struct Fact {
    /// What it is, in a word or two.
    pub label: String,
    /// The fact; may have several lines.
    pub text: String,
}

/// A step of the lab, whether it ran or not.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    /// From 1.
    pub number: usize,
    /// Its name.
    pub id: StepId,
    /// Its title.
    pub title: String,
    /// The explanation, Markdown.
    pub text: String,
    /// How it ended.
    pub verdict: Verdict,
    /// Why it did not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_run: Option<&'static str>,
    /// When it began, in milliseconds since the lab did.
    #[serde(rename = "at_millis", serialize_with = "millis")]
    pub at: Duration,
    /// How long it took, in milliseconds.
    #[serde(rename = "millis", serialize_with = "millis")]
    pub took: Duration,
    /// What was done and proved, in order.
    pub acts: Vec<Act>,
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// All its checks held.
    Passed,
    /// Something in it did not.
    Failed,
    /// The lab was told to end meanwhile.
    Interrupted,
    /// Its reader stopped in the middle of it.
    Stopped,
    /// It did not run, or was not to be seen.
    NotRun,
}

/// One thing that a step did.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "act", rename_all = "kebab-case")]
pub enum Act {
    /// A command, or the start of a service.
    Command(Command),
    /// A check.
    Check(Check),
    /// What the reader was asked to bring about, Markdown.
    Task {
        /// The task.
        text: String,
    },
    /// A hint that the reader asked for, Markdown.
    Hint {
        /// The hint.
        text: String,
    },
}

/// A command as it was typed, and what it wrote.
#[derive(Debug, Clone, Serialize)]
#[allow(clippy::struct_field_names, reason = "events call it so as well")]
pub struct Command {
    /// The command line.
    pub command: String,
    /// The service it started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// What made the service ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready: Option<String>,
    /// When it began, in milliseconds since the lab did.
    #[serde(rename = "at_millis", serialize_with = "millis")]
    pub at: Duration,
    /// How long it took, in milliseconds; nothing if it did not end well.
    #[serde(rename = "millis", serialize_with = "maybe_millis")]
    pub took: Option<Duration>,
    /// What it wrote.
    pub output: Vec<Line>,
    /// How many more lines it wrote than are here.
    pub lines_left_out: usize,
}

/// A line that a command wrote.
#[derive(Debug, Clone, Serialize)]
pub struct Line {
    /// Without the line's end.
    pub text: String,
    /// Whether it went to standard error.
    pub error: bool,
    /// Whether the terminal showed it as well.
    pub shown: bool,
}

/// A check, and what came of it.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    /// What must hold, as a sentence.
    pub claim: String,
    /// When it began, in milliseconds since the lab did.
    #[serde(rename = "at_millis", serialize_with = "millis")]
    pub at: Duration,
    /// How long it took, in milliseconds.
    #[serde(rename = "millis", serialize_with = "millis")]
    pub took: Duration,
    /// What came of it.
    #[serde(flatten)]
    pub proof: Proof,
}

/// What came of a check.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Proof {
    /// It held.
    Passed {
        /// By what it is known.
        evidence: Vec<String>,
    },
    /// It did not hold by its deadline.
    Failed {
        /// What was expected.
        expected: String,
        /// What was observed last.
        observed: String,
        /// The way of a call that the check is about, where it could be found out.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        path: Vec<Hop>,
    },
    /// It was not seen through.
    Unfinished {
        /// What was observed last.
        observed: Option<String>,
    },
}

/// A place that a call passes, or should.
#[derive(Debug, Clone, Serialize)]
pub struct Hop {
    /// What it is called.
    pub name: String,
    /// How it is for a call.
    pub state: HopState,
    /// What was found there.
    pub found: Vec<String>,
}

impl Step {
    /// Whether it began.
    pub fn ran(&self) -> bool {
        self.verdict != Verdict::NotRun
    }

    /// How many checks held, and of how many that began.
    pub fn checks(&self) -> (usize, usize) {
        let checks = self.acts.iter().filter_map(|act| match act {
            Act::Check(check) => Some(check),
            _ => None,
        });
        checks.fold((0, 0), |(held, all), check| {
            (held + usize::from(matches!(check.proof, Proof::Passed { .. })), all + 1)
        })
    }
}

impl Record {
    /// All of it for programs.
    pub fn json(&self) -> String {
        // Plain data with text keys cannot fail to serialize; an empty file would be the least harm.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// The moment it began, as programs read it.
    pub fn instant(&self) -> String {
        instant(self.started_at)
    }
}

fn instant(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time.max(SystemTime::UNIX_EPOCH)).to_string()
}

fn rfc3339<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&instant(*time))
}

#[allow(clippy::ref_option, reason = "serde hands over a reference to the field")]
fn maybe_millis<S: Serializer>(took: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    match took {
        Some(took) => millis(took, serializer),
        None => serializer.serialize_none(),
    }
}
