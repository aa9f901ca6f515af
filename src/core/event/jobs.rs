//! Nomad jobs starting and stopping.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::millis;

/// Nomad jobs starting and stopping.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "jobs", rename_all = "kebab-case")]
pub enum JobEvent {
    /// Nomad has a job's definition.
    Submitted {
        /// The job.
        job: String,
    },
    /// A task group does not run yet, or is not healthy yet.
    Waiting {
        /// The job.
        job: String,
        /// The task group.
        group: String,
        /// What it waits for.
        #[serde(flatten)]
        wait: JobWait,
    },
    /// A job is healthy in Nomad; a batch job has done its work.
    Started {
        /// The job.
        job: String,
        /// Whether it is a batch job.
        batch: bool,
        /// Its allocations, up to three for each task group.
        allocations: Vec<AllocationName>,
        /// Since its submission, in milliseconds.
        #[serde(rename = "millis", serialize_with = "millis")]
        took: Duration,
    },
    /// Services of the jobs are not healthy in Consul yet.
    WaitingForConsul {
        /// What fails: one text for each check or service.
        failing: Vec<String>,
    },
    /// All services of the jobs are healthy in Consul.
    HealthyInConsul {
        /// Their names.
        services: Vec<String>,
        /// Since the jobs were healthy in Nomad, in milliseconds.
        #[serde(rename = "millis", serialize_with = "millis")]
        took: Duration,
    },
    /// A job is about to stop.
    Stopping {
        /// The job.
        job: String,
    },
    /// These jobs have ended, and neither Nomad nor Consul lists anything of them.
    Stopped {
        /// Their names.
        names: Vec<String>,
        /// In milliseconds.
        #[serde(rename = "millis", serialize_with = "millis")]
        took: Duration,
    },
}

/// What a task group waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum JobWait {
    /// Nomad has made no allocation and gives no reason.
    Scheduler,
    /// No client can take an allocation.
    Placement {
        /// Why.
        unmet: Vec<Unmet>,
    },
    /// Its client has the allocation in this state.
    Client {
        /// Nomad's `ClientStatus`, for instance `pending`.
        status: String,
    },
    /// It runs, and its checks do not pass yet.
    Checks,
    /// A task of it does not run; Nomad tries again.
    Task(TaskTrouble),
}

impl fmt::Display for JobWait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheduler => f.write_str("waiting for the scheduler"),
            Self::Placement { unmet } => {
                let unmet: Vec<String> = unmet.iter().map(Unmet::to_string).collect();
                write!(f, "no client can take it: {}", unmet.join("; "))
            }
            Self::Client { status } => f.write_str(status),
            Self::Checks => f.write_str("running, waiting for its checks"),
            Self::Task(trouble) => write!(f, "task {}: {trouble}", trouble.task),
        }
    }
}

/// Why no client can take an allocation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Unmet {
    /// There is no client in the job's datacenter and node pool.
    Client,
    /// A constraint excludes the clients.
    Constraint {
        /// As Nomad names it.
        constraint: String,
    },
    /// Something of the network is taken.
    Network {
        /// As Nomad names it, for instance `reserved port collision http=1`.
        network: String,
    },
    /// There is not enough of a resource.
    Resource {
        /// As Nomad names it, for instance `disk`.
        resource: String,
    },
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client => f.write_str("no client in its datacenter and node pool"),
            Self::Constraint { constraint } => f.write_str(constraint),
            Self::Network { network } => f.write_str(network),
            Self::Resource { resource } => write!(f, "not enough {resource}"),
        }
    }
}

/// The last thing that went wrong with a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TaskTrouble {
    /// The task.
    pub task: String,
    /// The type of Nomad's event, for instance `Driver Failure`.
    pub failure: String,
    /// Nomad's message.
    pub message: String,
    /// How often Nomad restarted the task.
    pub restarts: u64,
}

impl fmt::Display for TaskTrouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.failure, self.message)?;
        match self.restarts {
            0 => Ok(()),
            1 => f.write_str(", restarted once"),
            more => write!(f, ", restarted {more} times"),
        }
    }
}

/// An allocation as a person finds it in Nomad.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AllocationName {
    /// Its task group.
    pub group: String,
    /// The first eight characters of its id.
    pub id: String,
}
