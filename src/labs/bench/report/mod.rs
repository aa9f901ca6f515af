//! Everything that was measured, in one value, and the forms it can be written in.

mod charts;
mod html;
mod json;
#[cfg(test)]
pub(crate) mod sample;
pub mod svg;

use super::block::Measurement;
use super::compare::Comparison;
use super::machine::Machine;
use super::plan::{Load, Target};
use super::timeline::Timeline;
use crate::core::failure::Result;
use crate::core::model::{LabAddress, LabId};
use crate::core::page::{ReportFile, ReportFormat};

/// One load test.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Seconds since 1970.
    pub measured_at: u64,
    /// What was typed.
    pub command: String,
    /// Where it ran.
    pub machine: Machine,
    /// The lab it ran against.
    pub lab: LabFacts,
    /// The load on the target.
    pub load: Load,
    /// The target.
    pub target: Target,
    /// wrk's command line.
    pub wrk: String,
    /// What wrk measured.
    pub measurement: Measurement,
    /// What the components used meanwhile.
    pub resources: Timeline,
    /// Targets side by side, if that was asked for.
    pub comparison: Option<Comparison>,
}

/// The lab as its record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabFacts {
    /// Which.
    pub id: LabId,
    /// Where.
    pub address: LabAddress,
    /// `host`.
    pub runtime: String,
    /// Name and version of each tool that took part.
    pub tools: Vec<(String, String)>,
}

impl Report {
    /// All of it for programs, with the number of the schema.
    pub fn json(&self) -> serde_json::Value {
        json::report(self)
    }

    /// All of it as one page that needs nothing else.
    pub fn html(&self) -> String {
        html::page(self)
    }

    /// Writes a file; it has its name once it is complete.
    pub fn write(&self, file: &ReportFile) -> Result<()> {
        file.write(&match file.format {
            ReportFormat::Html => self.html(),
            ReportFormat::Json | ReportFormat::Xml => format!("{}\n", self.json()),
        })
    }
}
