//! Starting jobs and seeing them through.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hyper::Method;

use super::progress::{JobFailure, progress, why_not_placed};
use super::{JOB_LABEL, Job, Jobs, Progress};
use crate::core::event::{AllocationName, Event, JobEvent, JobWait, SharedReporter};
use crate::core::failure::{Failure, FailureKind, Result};
use crate::core::http;
use crate::machine::state::now;
use crate::machine::state::readiness::envoy_reaches;
use crate::mesh::api::consul::{ADMIN_LABEL, Instance};
use crate::mesh::vm::{LOAD_BALANCER, VARIABLES};

/// The longest that Nomad holds an answer back while nothing changes.
const WATCH: Duration = Duration::from_secs(1);

/// The service that the load balancer looks for.
const GATEWAY: &str = "api-gateway";

const LOOK: Duration = Duration::from_secs(5);

/// How long jobs may take to be healthy that do not say it themselves.
const PATIENCE: Duration = Duration::from_mins(1);

/// How long Nomad may take to say that a job is late: that tells more than that it was waited for.
const NEWS: Duration = Duration::from_secs(10);

/// The pause between two looks at Consul.
const PAUSE: Duration = Duration::from_millis(25);

/// A job that was started.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Started {
    /// Its name.
    pub job: String,
    /// Its allocations, up to three for each task group.
    pub allocations: Vec<AllocationName>,
    /// From its submission, in milliseconds.
    pub millis: u64,
}

/// Submits jobs in their order and returns once all are healthy, in Nomad's eyes and in Consul's. A batch job runs to its
/// end before the next job is submitted. It waits for a minute, or for as long as the jobs give themselves.
pub async fn start(jobs: &Jobs, list: &[Job], reporter: &SharedReporter) -> Result<Vec<Started>> {
    let own = list.iter().filter_map(Job::progress_deadline).max();
    let deadline = Instant::now() + own.map_or(PATIENCE, |own| PATIENCE.max(own + NEWS));
    let mut watch =
        Watch { jobs, since: i64::try_from(now()).unwrap_or(0) * 1_000_000_000, index: 0, reporter };
    let mut waiting: Vec<Submitted> = Vec::new();
    let mut started = Vec::new();
    let variables = jobs.variables()?;
    for job in list {
        let since = Instant::now();
        jobs.nomad.submit(&job.definition, &job.source, &variables).await?;
        waiting.push(Submitted { job, version: jobs.nomad.version(&job.id).await?, since });
        reporter.report(Event::Jobs(JobEvent::Submitted { job: job.id.clone() }));
        if job.is_batch() {
            watch.until(deadline, &mut waiting, &mut started, Job::is_batch).await?;
        }
    }
    watch.until(deadline, &mut waiting, &mut started, |_| true).await?;
    let services = until_consul_agrees(jobs, list, deadline, reporter).await?;
    if services.iter().any(|name| name == GATEWAY) {
        until_the_door_opens(jobs, deadline).await?;
    }
    Ok(started)
}

struct Submitted<'a> {
    job: &'a Job,
    version: u64,
    since: Instant,
}

struct Watch<'a> {
    jobs: &'a Jobs,
    since: i64,
    index: u64,
    reporter: &'a SharedReporter,
}

impl Watch<'_> {
    /// Waits until no job that `matters` is waited for any more.
    async fn until(
        &mut self,
        deadline: Instant,
        waiting: &mut Vec<Submitted<'_>>,
        started: &mut Vec<Started>,
        matters: impl Fn(&Job) -> bool,
    ) -> Result<()> {
        let mut last = BTreeMap::new();
        while waiting.iter().any(|submitted| matters(submitted.job)) {
            let (allocations, index) = self.jobs.nomad.allocations(self.index, WATCH).await?;
            self.index = index;
            let mut still = Vec::new();
            for submitted in waiting.drain(..) {
                let job = submitted.job;
                let why = match progress(job, submitted.version, &allocations, self.since) {
                    Progress::Done(allocations) => {
                        let took = submitted.since.elapsed();
                        self.report(JobEvent::Started {
                            job: job.id.clone(),
                            batch: job.is_batch(),
                            allocations: allocations.clone(),
                            took,
                        });
                        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
                        started.push(Started { job: job.id.clone(), allocations, millis });
                        continue;
                    }
                    Progress::Failed(why) => return Err(failed(job, &why)),
                    Progress::Waiting { group, wait } => (group, wait),
                    Progress::Unplaced(group) => self.why_unplaced(job, group).await,
                };
                if last.get(&job.id) != Some(&why) {
                    let (job, (group, wait)) = (job.id.clone(), why.clone());
                    self.report(JobEvent::Waiting { job: job.clone(), group, wait });
                    last.insert(job, why);
                }
                still.push(submitted);
            }
            *waiting = still;
            if !waiting.is_empty() {
                // A client that was refused once, when it was new, asks again for its work only after many seconds.
                self.jobs.nomad.nudge(LOOK).await;
            }
            if Instant::now() >= deadline
                && let Some(Submitted { job, .. }) = waiting.first()
            {
                return Err(late(job, last.remove(&job.id)));
            }
        }
        Ok(())
    }

    async fn why_unplaced(&self, job: &Job, group: String) -> (String, JobWait) {
        let evaluations = self.jobs.nomad.evaluations(&job.id).await.unwrap_or_default();
        why_not_placed(&evaluations).unwrap_or((group, JobWait::Scheduler))
    }

    fn report(&self, event: JobEvent) {
        self.reporter.report(Event::Jobs(event));
    }
}

fn late(job: &Job, last: Option<(String, JobWait)>) -> Failure {
    let last = last.map_or_else(|| "nothing".to_owned(), |(group, wait)| format!("{group}: {wait}"));
    Failure::new(FailureKind::DeadlinePassed, format!("job {} is not healthy", job.id))
        .detail("last seen", last)
        .hint(format!("`meshlab shell -- nomad job status {}` shows more", job.id))
}

fn failed(job: &Job, why: &JobFailure) -> Failure {
    let id = &job.id;
    let hint = match why {
        JobFailure::Checksum { .. } => format!(
            "run `meshlab up`, which rewrites {VARIABLES}, then `meshlab jobs start {id}`; `meshlab jobs stop {id}` ends Nomad's \
             retries"
        ),
        JobFailure::Allocation { .. } | JobFailure::Unhealthy { .. } => format!(
            "`meshlab shell -- nomad job status {id}` shows more; `meshlab jobs stop {id}` removes the job"
        ),
    };
    Failure::failed(format!("job {id} failed")).seen(why).hint(hint)
}

/// Waits until everything that these jobs registered in Consul passes its checks.
async fn until_consul_agrees(
    jobs: &Jobs,
    list: &[Job],
    deadline: Instant,
    reporter: &SharedReporter,
) -> Result<Vec<String>> {
    let started = Instant::now();
    let mut last = Vec::new();
    loop {
        let (names, failing) = unhealthy(jobs, list).await?;
        if failing.is_empty() {
            if !names.is_empty() {
                let took = started.elapsed();
                reporter.report(Event::Jobs(JobEvent::HealthyInConsul { services: names.clone(), took }));
            }
            return Ok(names);
        }
        if Instant::now() >= deadline {
            return Err(Failure::new(
                FailureKind::DeadlinePassed,
                "the jobs run, and are not healthy in Consul",
            )
            .detail("last seen", failing.join("\n"))
            .hint("`meshlab status` and Consul's UI show every check"));
        }
        if last != failing {
            reporter.report(Event::Jobs(JobEvent::WaitingForConsul { failing: failing.clone() }));
            last = failing;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Waits until the load balancer has found the gateway, and the gateway a service: nginx asks Consul's DNS once a second.
async fn until_the_door_opens(jobs: &Jobs, deadline: Instant) -> Result<()> {
    /// The header that a proxy adds to what came from behind it.
    const FROM_UPSTREAM: &str = "x-envoy-upstream-service-time";
    let at = jobs.run.address().port(LOAD_BALANCER);
    loop {
        let observed = match http::request(Method::GET, at, "/", Vec::new(), LOOK).await {
            Ok(answer) if answer.headers.contains_key(FROM_UPSTREAM) => return Ok(()),
            Ok(answer) => format!("{}, from nobody behind it", answer.status),
            Err(error) => error.to_string(),
        };
        if Instant::now() >= deadline {
            let late = format!("the load balancer at {at} reaches no service through the API gateway");
            return Err(Failure::new(FailureKind::DeadlinePassed, late)
                .detail("last seen", observed)
                .hint("`meshlab logs lb` shows what nginx says"));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The names of the services that these jobs registered, and what fails of them.
async fn unhealthy(jobs: &Jobs, list: &[Job]) -> Result<(Vec<String>, Vec<String>)> {
    let allocations: Vec<String> = {
        let (allocations, _) = jobs.nomad.allocations(0, Duration::ZERO).await?;
        let own =
            allocations.into_iter().filter(|allocation| list.iter().any(|job| job.id == allocation.job));
        own.filter(|allocation| allocation.desired_status == "run").map(|allocation| allocation.id).collect()
    };
    let services = jobs.consul.agent_services().await?;
    // What a batch job registers is often another job's to run: it is waited for only where all jobs are started.
    let is_all = list.len() == jobs.spec.jobs.len();
    let counts: Vec<&str> =
        list.iter().filter(|job| is_all || !job.is_batch()).map(|job| job.id.as_str()).collect();
    let own = services.iter().filter(|service| {
        service.label(JOB_LABEL).is_some_and(|label| counts.contains(&label))
            || allocations.iter().any(|allocation| service.id.contains(allocation.as_str()))
    });
    let mut names: Vec<String> = Vec::new();
    let mut failing = Vec::new();
    for service in own {
        let instances = jobs.consul.instances(&service.service).await?;
        let Some(Instance { failing: checks, .. }) = instances.into_iter().find(|one| one.id == service.id)
        else {
            failing.push(format!("{} is not in the catalog yet", service.service));
            continue;
        };
        failing.extend(checks);
        // Consul's word reaches the Envoys a moment later.
        if let Some(admin) = service.label(ADMIN_LABEL).and_then(|admin| admin.parse().ok()) {
            failing.extend(envoy_reaches(admin, &service.upstreams()).await.err());
        }
        if !names.contains(&service.service) {
            names.push(service.service.clone());
        }
    }
    names.sort();
    Ok((names, failing))
}
