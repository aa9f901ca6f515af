//! Nomad's HTTP API.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use hyper::{Method, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Api;
use crate::core::failure::{Failure, FailureKind, Result};
use crate::core::http::HttpError;
use crate::core::secret::Token;

/// A Nomad agent.
#[derive(Debug, Clone)]
pub struct Nomad(pub(super) Api);

/// A job in a list.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct JobListing {
    /// Its name.
    #[serde(rename = "ID")]
    pub id: String,
    /// `service`, `batch` ...
    #[serde(rename = "Type")]
    pub kind: String,
    /// `pending`, `running`, `dead`.
    pub status: String,
}

/// An allocation: one run of a task group.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Allocation {
    /// A UUID.
    #[serde(rename = "ID")]
    pub id: String,
    /// Its job.
    #[serde(rename = "JobID")]
    pub job: String,
    /// The job's version that it runs.
    pub job_version: u64,
    /// Its task group.
    pub task_group: String,
    /// `run`, `stop`, `evict`.
    pub desired_status: String,
    /// `pending`, `running`, `complete`, `failed`, `lost`.
    pub client_status: String,
    /// What the deployment thinks of it.
    pub deployment_status: Option<DeploymentStatus>,
    /// By task.
    #[serde(default)]
    pub task_states: Option<BTreeMap<String, TaskState>>,
    /// When it was made, in nanoseconds since 1970.
    pub create_time: i64,
}

/// What a deployment thinks of an allocation.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DeploymentStatus {
    /// `None` until it is known.
    pub healthy: Option<bool>,
}

/// A task of an allocation.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct TaskState {
    /// `pending`, `running`, `dead`.
    pub state: String,
    /// Whether it failed for good.
    pub failed: bool,
    /// How often it was started again.
    pub restarts: u64,
    /// When it was last started, as RFC 3339.
    #[serde(default)]
    pub started_at: Option<String>,
    /// When it ended, as RFC 3339.
    #[serde(default)]
    pub finished_at: Option<String>,
    /// What happened to it, oldest first.
    #[serde(default)]
    pub events: Option<Vec<TaskEvent>>,
}

/// Something that happened to a task.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct TaskEvent {
    /// For instance `Failed Artifact Download`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// In words.
    pub display_message: String,
    /// Whether the task failed by it.
    pub fails_task: bool,
}

/// What the scheduler thinks of one attempt to place a job.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Evaluation {
    /// `pending`, `complete`, `blocked` ...
    pub status: String,
    /// By task group; there only where something could not be placed.
    #[serde(rename = "FailedTGAllocs", default)]
    pub failed_groups: Option<BTreeMap<String, Value>>,
}

impl Nomad {
    /// The agent that answers at `address`.
    pub fn new(address: SocketAddr, token: Option<Token>) -> Self {
        Self(Api { name: "Nomad", address, header: "X-Nomad-Token", token })
    }

    /// Where its public keys are, by which others know what it has signed.
    pub fn keys_url(&self) -> String {
        format!("http://{}/.well-known/jwks.json", self.0.address)
    }

    /// Gives the access control its first token, unless it has one. Fails while there is no leader.
    pub async fn bootstrap(&self, token: &Token, deadline: Duration) -> Result<(), HttpError> {
        let body = json!({"BootstrapSecret": token.expose()});
        let answer = self.0.call(Method::POST, "/v1/acl/bootstrap", Some(&body), deadline).await?;
        let done = answer.text().contains("already done");
        match answer.status {
            StatusCode::OK => Ok(()),
            _ if done => Ok(()),
            status => Err(HttpError::Failed(format!("{status}: {}", super::shortened(&answer.text())))),
        }
    }

    /// Makes the agent's client do at once what it waits with: any answer of its server does. So it is asked without a token,
    /// and has to learn from its server what nobody may do: each time, or once a second if somebody has made a policy for
    /// that. The answer does not matter.
    pub async fn nudge(&self, deadline: Duration) {
        let nobody = Self::new(self.0.address, None);
        drop(nobody.0.call(Method::GET, "/v1/client/stats", None, deadline).await);
    }

    /// Whether the agent's client has registered since the agent was started. What its server knows of it may be from
    /// before.
    pub async fn has_registered(&self, deadline: Duration) -> Result<bool, HttpError> {
        let answer = self.0.call(Method::GET, "/v1/agent/self", None, deadline).await?;
        let agent: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        // The server grants it with the registration.
        let lease = agent.pointer("/stats/client/heartbeat_ttl").and_then(Value::as_str);
        Ok(lease.is_some_and(|lease| lease != "0s"))
    }

    /// Whether the server has the keys that it signs identities with. It has none while it has no leader.
    pub async fn has_keys(&self, deadline: Duration) -> Result<bool, HttpError> {
        let answer = self.0.call(Method::GET, "/.well-known/jwks.json", None, deadline).await?;
        let keys: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        Ok(keys.get("keys").and_then(Value::as_array).is_some_and(|keys| !keys.is_empty()))
    }

    /// The attributes of the first client that is ready for work, if there is one.
    pub async fn ready_node(&self, deadline: Duration) -> Result<Option<Value>, HttpError> {
        let answer = self.0.call(Method::GET, "/v1/nodes", None, deadline).await?;
        let nodes: Vec<Value> = serde_json::from_slice(&answer.body).unwrap_or_default();
        let ready = |node: &&Value| {
            node.get("Status").and_then(Value::as_str) == Some("ready")
                && node.pointer("/Drivers/raw_exec/Healthy").and_then(Value::as_bool) == Some(true)
        };
        let Some(id) = nodes.iter().find(ready).and_then(|node| node.get("ID")).and_then(Value::as_str)
        else {
            return Ok(None);
        };
        let answer = self.0.call(Method::GET, &format!("/v1/node/{id}"), None, deadline).await?;
        Ok(serde_json::from_slice::<Value>(&answer.body)
            .ok()
            .and_then(|node| node.get("Attributes").cloned()))
    }

    /// A job file as Nomad's own parser reads it. `file` names it in errors.
    pub async fn parse(&self, file: &str, text: &str, variables: &str) -> Result<Value> {
        let body = json!({"JobHCL": text, "Variables": variables, "Canonicalize": true});
        let method = Method::POST;
        let answer =
            self.0.call(method.clone(), "/v1/jobs/parse", Some(&body), super::REQUEST_DEADLINE).await;
        let answer = answer.map_err(|error| self.0.unreachable(&error))?;
        if answer.status == StatusCode::OK {
            return self.0.read(&method, "/v1/jobs/parse", &answer);
        }
        Err(Failure::new(FailureKind::Usage, format!("{file} is no job that Nomad understands"))
            .seen_text(parser_words(&answer.text(), file))
            .hint("mend the file and run `meshlab jobs start` again; what runs already is not touched"))
    }

    /// Submits a parsed job, with its source for the UI.
    pub async fn submit(&self, job: &Value, source: &str, variables: &str) -> Result<()> {
        let submission = json!({"Source": source, "Format": "hcl2", "Variables": variables});
        let body = json!({"Job": job, "Submission": submission});
        self.0.expect::<Value>(Method::POST, "/v1/jobs", Some(&body)).await.map(drop)
    }

    /// The version of a job: it grows with every submission that changes something.
    pub async fn version(&self, job: &str) -> Result<u64> {
        let job: Value = self.0.expect(Method::GET, &format!("/v1/job/{job}"), None).await?;
        Ok(job.get("Version").and_then(Value::as_u64).unwrap_or_default())
    }

    /// All jobs.
    pub async fn jobs(&self) -> Result<Vec<JobListing>> {
        self.0.expect(Method::GET, "/v1/jobs", None).await
    }

    /// A job as it was submitted, with what Nomad filled in.
    pub async fn job(&self, job: &str) -> Result<Value> {
        let path = format!("/v1/job/{}", utf8_percent_encode(job, NON_ALPHANUMERIC));
        self.0.expect(Method::GET, &path, None).await
    }

    /// Ends a task and starts it again at once, whatever its job says of restarts.
    pub async fn restart(&self, allocation: &str, task: &str) -> Result<()> {
        let path = format!("/v1/client/allocation/{allocation}/restart");
        self.0.expect::<Value>(Method::PUT, &path, Some(&json!({ "TaskName": task }))).await.map(drop)
    }

    /// The tasks of a job that have a time of their own to run: by name, `prestart`, `poststart` or `poststop`.
    pub async fn hooks(&self, job: &str) -> Result<BTreeMap<String, String>> {
        let job = self.job(job).await?;
        let list = |value: &Value, name: &str| value.get(name).and_then(Value::as_array).cloned();
        let groups = list(&job, "TaskGroups").unwrap_or_default();
        let tasks = groups.iter().flat_map(|group| list(group, "Tasks").unwrap_or_default());
        let hook = |task: Value| {
            let text = |pointer: &str| task.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
            Some((text("/Name")?, text("/Lifecycle/Hook")?))
        };
        Ok(tasks.filter_map(hook).collect())
    }

    /// Stops a job, and forgets it at once if it is to be purged: its tasks may still be ending then. A job that is not
    /// there is stopped already.
    pub async fn deregister(&self, job: &str, purge: bool) -> Result<()> {
        let path = format!("/v1/job/{job}?purge={purge}");
        let answer = self.0.call(Method::DELETE, &path, None, super::REQUEST_DEADLINE).await;
        let answer = answer.map_err(|error| self.0.unreachable(&error))?;
        match answer.status {
            StatusCode::OK | StatusCode::NOT_FOUND => Ok(()),
            _ => Err(self.0.refused(&Method::DELETE, &path, &answer)),
        }
    }

    /// All allocations with their tasks, once anything has changed since `index` or `wait` is over; and the new index.
    pub async fn allocations(&self, index: u64, wait: Duration) -> Result<(Vec<Allocation>, u64)> {
        let path = format!("/v1/allocations?task_states=true&index={index}&wait={}ms", wait.as_millis());
        let deadline = wait + super::REQUEST_DEADLINE;
        let answer = self.0.call(Method::GET, &path, None, deadline).await;
        let answer = answer.map_err(|error| self.0.unreachable(&error))?;
        let at = answer.headers.get("X-Nomad-Index").and_then(|value| value.to_str().ok()?.parse().ok());
        Ok((self.0.read(&Method::GET, &path, &answer)?, at.unwrap_or_default()))
    }

    /// The attempts to place a job, newest first.
    pub async fn evaluations(&self, job: &str) -> Result<Vec<Evaluation>> {
        self.0.expect(Method::GET, &format!("/v1/job/{job}/evaluations"), None).await
    }

    /// Collects everything that has ended.
    pub async fn collect_garbage(&self) -> Result<()> {
        self.0.expect::<Value>(Method::PUT, "/v1/system/gc", None).await.map(drop)
    }
}

/// Nomad's parser calls every file `input.hcl`, and tells each error twice.
fn parser_words(answer: &str, file: &str) -> String {
    let named = answer.replace("input.hcl", file);
    let mut lines: Vec<&str> = Vec::new();
    for line in named.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines.join("\n")
}
