//! What everything in a lab writes: its components, each to one file, and the tasks that Nomad runs, to files that rotate.

mod lines;
mod stream;

use std::collections::BTreeMap;

use futures_util::future::join_all;

use crate::core::failure::{Failure, Result};
use crate::machine::state::RunDir;
use crate::mesh::api::nomad::Nomad;
use crate::mesh::api::task_logs::LogFile;
use crate::mesh::jobs::Jobs;

pub use stream::Stream;

/// Who writes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Writer {
    /// A component of the lab.
    Component(String),
    /// A task of a Nomad job.
    Task {
        /// Its job.
        job: String,
        /// Its name in the job.
        task: String,
        /// The allocation that it belongs to.
        allocation: String,
    },
}

/// The logs of the lab on one address.
#[derive(Debug, Clone)]
pub struct Logs {
    run: RunDir,
    components: Vec<String>,
    nomad: Option<Nomad>,
}

/// The files of tasks' logs, by allocation, as they were a moment ago.
#[derive(Debug, Default)]
pub struct Listing(BTreeMap<String, Vec<LogFile>>);

impl Writer {
    /// The component's or the task's name.
    pub fn name(&self) -> &str {
        match self {
            Self::Component(name) => name,
            Self::Task { task, .. } => task,
        }
    }

    /// The name that tells tasks of the same name apart: `job/task`.
    pub fn full_name(&self) -> String {
        match self {
            Self::Component(name) => name.clone(),
            Self::Task { job, task, .. } => format!("{job}/{task}"),
        }
    }

    fn allocation(&self) -> Option<&str> {
        match self {
            Self::Component(_) => None,
            Self::Task { allocation, .. } => Some(allocation),
        }
    }
}

impl Logs {
    /// The logs of the lab that runs here.
    pub fn of(run: &RunDir) -> Result<Self> {
        let state = run.load().ok_or_else(|| {
            Failure::failed(format!("no lab is running on {}", run.address())).hint(
                "a lab's logs live as long as it does: `meshlab up` and `meshlab lab NAME --keep` leave it running",
            )
        })?;
        let nomad = Jobs::of(run).ok().map(|jobs| jobs.nomad);
        let components = state.services.into_iter().map(|service| service.name).collect();
        Ok(Self { run: run.clone(), components, nomad })
    }

    /// The lab's components.
    pub fn components(&self) -> Vec<Writer> {
        self.components.iter().cloned().map(Writer::Component).collect()
    }

    /// The tasks that Nomad runs or ran, those of newer allocations last; none where there is no Nomad.
    pub async fn tasks(&self) -> Result<Vec<Writer>> {
        let Some(nomad) = &self.nomad else { return Ok(Vec::new()) };
        let (mut allocations, _) = nomad.allocations(0, std::time::Duration::ZERO).await?;
        allocations.sort_by_key(|allocation| allocation.create_time);
        let mut tasks = Vec::new();
        for allocation in allocations {
            // What waits for its turn has written nothing.
            let states = allocation.task_states.unwrap_or_default();
            let begun = states.into_iter().filter(|(_, state)| state.started_at.is_some());
            tasks.extend(begun.map(|(task, _)| Writer::Task {
                job: allocation.job.clone(),
                task,
                allocation: allocation.id.clone(),
            }));
        }
        Ok(tasks)
    }

    /// The log files of all allocations that these streams read.
    pub async fn list(&self, streams: &[Stream]) -> Result<Listing> {
        let Some(nomad) = &self.nomad else { return Ok(Listing::default()) };
        let mut wanted: Vec<&str> =
            streams.iter().filter_map(|stream| stream.writer().allocation()).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let listed = join_all(wanted.iter().map(|allocation| nomad.log_files(allocation))).await;
        let mut listing = BTreeMap::new();
        for (allocation, files) in wanted.into_iter().zip(listed) {
            listing.insert(allocation.to_owned(), files?);
        }
        Ok(Listing(listing))
    }
}
