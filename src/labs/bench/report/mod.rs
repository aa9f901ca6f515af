//! The result of a load test, and its formats: JSON and an HTML page.

mod charts;
#[cfg(test)]
pub(crate) mod fixture;
mod html;
mod json;
pub mod svg;

use super::block::Measurement;
use super::compare::Comparison;
use super::machine::MachineInfo;
use super::plan::{Target, WrkLoad};
use super::timeline::Timeline;
use crate::core::failure::Result;
use crate::core::model::{LabAddress, LabId};
use crate::core::page::{ReportFile, ReportFormat};

/// One load test.
#[derive(Debug, Clone, PartialEq)]
pub struct BenchReport {
    /// Seconds since 1970.
    pub measured_at: u64,
    /// The meshlab command line.
    pub command: String,
    /// The machine.
    pub machine: MachineInfo,
    /// The lab under load.
    pub lab: LabFacts,
    /// The load on the target.
    pub load: WrkLoad,
    /// The target.
    pub target: Target,
    /// wrk's command line.
    pub wrk: String,
    /// wrk's result.
    pub measurement: Measurement,
    /// CPU and memory of the components during the load.
    pub resources: Timeline,
    /// The comparison, with `--compare`.
    pub comparison: Option<Comparison>,
}

/// The lab that was measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabFacts {
    /// The lab id.
    pub id: LabId,
    /// The lab's address.
    pub address: LabAddress,
    /// The runtime: `host` or `docker`.
    pub runtime: String,
    /// Name and version of each tool.
    pub tools: Vec<(String, String)>,
}

impl BenchReport {
    /// The JSON report.
    pub fn json(&self) -> serde_json::Value {
        json::report(self)
    }

    /// The HTML report, self-contained.
    pub fn html(&self) -> String {
        html::page(self)
    }

    /// Writes a report file atomically.
    pub fn write(&self, file: &ReportFile) -> Result<()> {
        file.write(&match file.format {
            ReportFormat::Html => self.html(),
            ReportFormat::Json | ReportFormat::Xml => format!("{}\n", self.json()),
        })
    }
}
