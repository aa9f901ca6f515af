//! The Nomad jobs of a running lab: started in order and seen through until they are healthy, listed, and stopped so that
//! nothing of them is left in Nomad or Consul.

mod progress;
mod start;
mod stop;
mod tasks;

use fs_err as fs;
use serde_json::Value;

use crate::api::{consul::Consul, nomad::Nomad};
use crate::failure::{Failure, FailureKind, Result};
use crate::nearest::nearest;
use crate::state::RunDir;
use crate::vm::{Secrets, Wishes, variables_file};

pub use progress::Progress;
pub use start::{Started, start};
pub use stop::stop;
pub use tasks::{Condition, Task, Tasks, tasks};

/// The longest job file that is read, in bytes.
const LONGEST_FILE: u64 = 1 << 20;

/// The label by which a service in Consul says which job registered it. Nomad's own services say it by their id.
const JOB_LABEL: &str = "nomad-job";

/// The label by which a sidecar in Consul says where its Envoy's admin page is.
const ADMIN_LABEL: &str = "envoy-admin";

/// The jobs of the lab on one address.
#[derive(Debug, Clone)]
pub struct Jobs {
    run: RunDir,
    wishes: Wishes,
    /// Nomad's API, with all rights.
    pub nomad: Nomad,
    /// Consul's API, with all rights.
    pub consul: Consul,
}

/// A job file, as Nomad reads it.
#[derive(Debug, Clone)]
pub struct Job {
    /// Its name in Nomad.
    pub id: String,
    /// The file's name.
    pub file: String,
    source: String,
    definition: Value,
}

impl Jobs {
    /// The jobs of the lab that runs here.
    pub fn of(run: &RunDir) -> Result<Self> {
        let state = run.load().ok_or_else(|| {
            Failure::failed(format!("no lab is running on {}", run.address()))
                .hint("`meshlab up` brings the environment up; `meshlab lab 2-calculator --keep` runs the lab on it")
        })?;
        let lab = &state.lab;
        let wishes = state.environment.clone().ok_or_else(|| {
            Failure::failed(format!("lab {lab} on {} has no Nomad", run.address()))
                .hint("the calculator has: `meshlab down`, then `meshlab up`")
        })?;
        let secrets = Secrets::read(run).ok_or_else(|| {
            Failure::failed(format!("the tokens of lab {lab} are lost"))
                .hint("`meshlab down`, then `meshlab up`")
        })?;
        Ok(Self {
            nomad: Nomad::new(run.address().port(4646), Some(secrets.nomad_management)),
            consul: Consul::new(run.address().port(8500), Some(secrets.consul_management)),
            run: run.clone(),
            wishes,
        })
    }

    /// The lab's job files in their order, read by Nomad's own parser; only those that are named, if any are.
    pub async fn read(&self, names: &[String]) -> Result<Vec<Job>> {
        let variables = self.variables()?;
        let mut jobs = Vec::new();
        for file in &self.wishes.jobs {
            let path = self.run.work().join(file.as_str());
            if fs::metadata(&path)?.len() > LONGEST_FILE {
                return Err(Failure::usage(format!("{file} is longer than {LONGEST_FILE} bytes; no job is")));
            }
            let source = fs::read_to_string(&path)?;
            let named = |job: &Job| names.iter().any(|name| *name == job.id || name == file.as_str());
            match self.nomad.parse(file.as_str(), &source, &variables).await {
                Ok(definition) => {
                    let id = definition.get("ID").and_then(Value::as_str).unwrap_or_default().to_owned();
                    let job = Job { id, file: file.to_string(), source, definition };
                    if names.is_empty() || named(&job) {
                        jobs.push(job);
                    }
                }
                // One that is broken must not keep the others from being started by name.
                Err(failure) => {
                    let stem = file.as_str().trim_end_matches(".hcl");
                    if names.is_empty() || names.iter().any(|name| name == stem || name == file.as_str()) {
                        return Err(failure.detail("file", path.to_string()));
                    }
                }
            }
        }
        self.all_found(names, &jobs)?;
        Ok(jobs)
    }

    fn all_found(&self, names: &[String], jobs: &[Job]) -> Result<()> {
        let missing =
            names.iter().find(|name| !jobs.iter().any(|job| job.id == **name || job.file == **name));
        let Some(missing) = missing else { return Ok(()) };
        let known: Vec<&str> =
            self.wishes.jobs.iter().map(|file| file.as_str().trim_end_matches(".hcl")).collect();
        let failure = Failure::new(FailureKind::Usage, format!("no job is called {missing:?}"))
            .detail("jobs", known.join(", "));
        Err(match nearest(missing, known.iter().copied()) {
            Some(near) => failure.hint(format!("did you mean {near}?")),
            None => failure.hint("`meshlab jobs list` shows all"),
        })
    }

    fn variables(&self) -> Result<String> {
        Ok(fs::read_to_string(variables_file(&self.run))?)
    }
}

impl Job {
    fn is_batch(&self) -> bool {
        self.definition.get("Type").and_then(Value::as_str) == Some("batch")
    }

    /// Name and wanted count of each task group.
    fn groups(&self) -> impl Iterator<Item = (&str, u64)> {
        let groups = self.definition.get("TaskGroups").and_then(Value::as_array);
        groups.into_iter().flatten().map(|group| {
            let count = group.get("Count").and_then(Value::as_u64).unwrap_or(1);
            (group.get("Name").and_then(Value::as_str).unwrap_or_default(), count)
        })
    }
}
