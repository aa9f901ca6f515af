//! The Nomad jobs of a running lab: started in order and seen through until they are healthy, listed, and stopped so that
//! nothing of them is left in Nomad or Consul.

mod progress;
mod start;
mod stop;
mod tasks;

use std::time::Duration;

use fs_err as fs;
use serde_json::Value;

use crate::core::failure::{Failure, FailureKind, Result};
use crate::core::model::{EnvironmentSpec, FileName};
use crate::core::nearest::nearest;
use crate::machine::state::RunDir;
use crate::mesh::api::consul::Consul;
use crate::mesh::api::nomad::Nomad;
use crate::mesh::vm::{CONSUL_HTTP, NOMAD_HTTP, Secrets, variables_file};

pub use progress::Progress;
pub use start::{Started, start};
pub use stop::stop;
pub use tasks::{Condition, Task, Tasks, tasks};

/// The longest job file that is read, in bytes.
const LONGEST_FILE: u64 = 1 << 20;

/// How long Nomad may hold an answer back while nothing changes.
const LONG_POLL: Duration = Duration::from_millis(500);

/// A long poll pauses by itself.
const BETWEEN_LONG_POLLS: Duration = Duration::from_millis(1);

/// The progress deadline that Nomad's parser gives to a job that does not say one.
const DEFAULT_PROGRESS_DEADLINE: Duration = Duration::from_mins(10);

/// The label by which a service in Consul says which job registered it. Nomad's own services say it by their id.
const JOB_LABEL: &str = "nomad-job";

/// The jobs of the lab on one address.
#[derive(Debug, Clone)]
pub struct Jobs {
    run: RunDir,
    spec: EnvironmentSpec,
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

/// A file of the lab that holds a job, or should.
#[derive(Debug, Clone)]
pub struct JobFile {
    /// Its name.
    pub file: FileName,
    /// The job, or what is wrong with the file.
    pub job: Result<Job>,
}

impl Jobs {
    /// The jobs of the lab that runs here.
    pub fn of(run: &RunDir) -> Result<Self> {
        let state = run.load().ok_or_else(|| {
            Failure::failed(format!("no lab is running on {}", run.address()))
                .hint("`meshlab up` brings the environment up; `meshlab lab 2-calculator --keep` runs the lab on it")
        })?;
        let lab = &state.lab;
        let spec = state.environment.clone().ok_or_else(|| {
            Failure::failed(format!("lab {lab} on {} has no Nomad", run.address()))
                .hint("the calculator has: `meshlab down`, then `meshlab up`")
        })?;
        let secrets = Secrets::read(run).ok_or_else(|| {
            Failure::failed(format!("the tokens of lab {lab} are lost"))
                .hint("`meshlab down`, then `meshlab up`")
        })?;
        Ok(Self {
            nomad: Nomad::new(run.address().port(NOMAD_HTTP), Some(secrets.nomad_management)),
            consul: Consul::new(run.address().port(CONSUL_HTTP), Some(secrets.consul_management)),
            run: run.clone(),
            spec,
        })
    }

    /// The lab's job files in their order, each as Nomad's own parser reads it, or why it cannot.
    pub async fn files(&self) -> Result<Vec<JobFile>> {
        let variables = self.variables()?;
        let mut files = Vec::new();
        for file in &self.spec.jobs {
            let job = match self.source(file) {
                Ok(source) => match self.nomad.parse(file.as_str(), &source, &variables).await {
                    Ok(definition) => Ok(Job::new(file, source, definition)),
                    Err(failure) if failure.kind() == FailureKind::Usage => Err(failure),
                    // It is not the file's fault.
                    Err(failure) => return Err(failure),
                },
                Err(failure) => Err(failure),
            };
            let path = self.run.work().join(file.as_str());
            let job = job.map_err(|failure| failure.detail("file", path.to_string()));
            files.push(JobFile { file: file.clone(), job });
        }
        Ok(files)
    }

    /// The jobs in these files; only those that are named, if any are. A file that is broken does not keep others from
    /// being chosen by name.
    pub async fn read(&self, names: &[String]) -> Result<Vec<Job>> {
        self.chosen(names).await?.into_iter().map(|file| file.job).collect()
    }

    /// The names of jobs, also of those whose files are broken: they may well run.
    pub async fn names(&self, names: &[String]) -> Result<Vec<String>> {
        Ok(self.chosen(names).await?.iter().map(|file| file.name().to_owned()).collect())
    }

    async fn chosen(&self, names: &[String]) -> Result<Vec<JobFile>> {
        let mut files = self.files().await?;
        if let Some(missing) = names.iter().find(|name| !files.iter().any(|file| file.is_called(name))) {
            let known: Vec<&str> = files.iter().map(JobFile::name).collect();
            let failure =
                Failure::usage(format!("no job is called {missing:?}")).detail("jobs", known.join(", "));
            return Err(match nearest(missing, known.iter().copied()) {
                Some(near) => failure.hint(format!("did you mean {near}?")),
                None => failure.hint("`meshlab jobs list` shows all"),
            });
        }
        files.retain(|file| names.is_empty() || names.iter().any(|name| file.is_called(name)));
        Ok(files)
    }

    fn source(&self, file: &FileName) -> Result<String> {
        let path = self.run.work().join(file.as_str());
        if fs::metadata(&path)?.len() > LONGEST_FILE {
            return Err(Failure::usage(format!("{file} is longer than {LONGEST_FILE} bytes; no job is")));
        }
        Ok(fs::read_to_string(&path)?)
    }

    fn variables(&self) -> Result<String> {
        Ok(fs::read_to_string(variables_file(&self.run))?)
    }
}

impl JobFile {
    /// The job's name; of a broken file that which it is likely to have.
    pub fn name(&self) -> &str {
        match &self.job {
            Ok(job) => &job.id,
            Err(_) => self.file.as_str().trim_end_matches(".hcl"),
        }
    }

    fn is_called(&self, name: &str) -> bool {
        name == self.name() || name == self.file.as_str()
    }
}

impl Job {
    fn new(file: &FileName, source: String, definition: Value) -> Self {
        let id = definition.get("ID").and_then(Value::as_str).unwrap_or_default().to_owned();
        Self { id, file: file.to_string(), source, definition }
    }

    fn is_batch(&self) -> bool {
        self.definition.get("Type").and_then(Value::as_str) == Some("batch")
    }

    /// How long it gives a new version to become healthy, where it says so itself.
    fn progress_deadline(&self) -> Option<Duration> {
        let groups = self.definition.get("TaskGroups").and_then(Value::as_array).into_iter().flatten();
        let said = groups.filter_map(|group| group.pointer("/Update/ProgressDeadline")?.as_u64());
        said.map(Duration::from_nanos).filter(|said| *said != DEFAULT_PROGRESS_DEADLINE).max()
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_job_says_itself_how_long_it_may_take() {
        let of = |updates: &[Value]| {
            let groups: Vec<Value> = updates.iter().map(|update| json!({"Update": update})).collect();
            let definition = json!({"ID": "j", "TaskGroups": groups});
            Job::new(&"j.hcl".parse().unwrap(), String::new(), definition).progress_deadline()
        };
        let given = |seconds: u64| json!({"ProgressDeadline": seconds * 1_000_000_000});
        assert_eq!(of(&[given(600), Value::Null]), None);
        assert_eq!(of(&[given(180), given(45), given(600)]), Some(Duration::from_mins(3)));
    }
}
