//! Starting jobs and seeing them through.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::{Duration, Instant};

use hyper::Method;
use tokio::sync::Mutex;

use super::progress::{JobFailure, progress, why_not_placed};
use super::{BETWEEN_LONG_POLLS, JOB_LABEL, Job, Jobs, LONG_POLL, Progress};
use crate::core::event::{AllocationName, Event, JobEvent, JobWait, SharedReporter};
use crate::core::failure::{Failure, FailureKind, Result};
use crate::core::http;
use crate::core::until::{DEFAULT_DEADLINE, Deadline, Observed, until};
use crate::machine::state::now;
use crate::machine::state::readiness::envoy_reaches;
use crate::mesh::api::consul::{ADMIN_LABEL, Instance};
use crate::mesh::api::{API_POLL_INTERVAL, REQUEST_DEADLINE};
use crate::mesh::vm::{LOAD_BALANCER, VARIABLES};

/// The service that the load balancer looks for.
const GATEWAY: &str = "api-gateway";

/// How long Nomad may take to report that a job missed its own deadline: its reason says more than ours.
const NOMAD_REPORT_GRACE: Duration = Duration::from_secs(10);

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
    let limit = own.map_or(DEFAULT_DEADLINE, |own| DEFAULT_DEADLINE.max(own + NOMAD_REPORT_GRACE));
    let deadline = Deadline::after(limit);
    let starting = Mutex::new(Starting {
        jobs,
        since: i64::try_from(now()).unwrap_or(0) * 1_000_000_000,
        index: 0,
        reporter,
        waiting: Vec::new(),
        last: BTreeMap::new(),
        started: Vec::new(),
    });
    let variables = jobs.variables()?;
    for job in list {
        let since = Instant::now();
        jobs.nomad.submit(&job.definition, &job.source, &variables).await?;
        let submitted = Submitted { job, version: jobs.nomad.version(&job.id).await?, since };
        starting.lock().await.waiting.push(submitted);
        reporter.report(Event::Jobs(JobEvent::Submitted { job: job.id.clone() }));
        if job.is_batch() {
            until_started(&starting, deadline, Job::is_batch).await?;
        }
    }
    until_started(&starting, deadline, |_| true).await?;
    let services = until_consul_agrees(jobs, list, deadline, reporter).await?;
    if services.iter().any(|name| name == GATEWAY) {
        wait_for_load_balancer(jobs, deadline).await?;
    }
    Ok(starting.into_inner().started)
}

struct Submitted<'a> {
    job: &'a Job,
    version: u64,
    since: Instant,
}

struct Starting<'a> {
    jobs: &'a Jobs,
    since: i64,
    index: u64,
    reporter: &'a SharedReporter,
    waiting: Vec<Submitted<'a>>,
    /// What each job was last seen to wait for.
    last: BTreeMap<String, (String, JobWait)>,
    started: Vec<Started>,
}

/// Waits until no job that `matters` is waited for any more.
async fn until_started(
    starting: &Mutex<Starting<'_>>,
    deadline: Deadline,
    matters: impl Fn(&Job) -> bool,
) -> Result<()> {
    let probe = async || starting.lock().await.look(&matters).await;
    match until(deadline.left(), BETWEEN_LONG_POLLS, probe).await? {
        Ok(()) => Ok(()),
        Err(_) => Err(starting.lock().await.late()),
    }
}

impl Starting<'_> {
    async fn look(&mut self, matters: impl Fn(&Job) -> bool) -> Result<Observed<(), ()>> {
        let is_over = |waiting: &[Submitted]| !waiting.iter().any(|submitted| matters(submitted.job));
        if is_over(&self.waiting) {
            return Ok(Observed::Ready(()));
        }
        let (allocations, index) = self.jobs.nomad.allocations(self.index, LONG_POLL).await?;
        self.index = index;
        let mut at = 0;
        while let Some(Submitted { job, version, since }) = self.waiting.get(at) {
            let why = match progress(job, *version, &allocations, self.since) {
                Progress::Done(allocations) => {
                    let took = since.elapsed();
                    self.report(JobEvent::Started {
                        job: job.id.clone(),
                        batch: job.is_batch(),
                        allocations: allocations.clone(),
                        took,
                    });
                    let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
                    self.started.push(Started { job: job.id.clone(), allocations, millis });
                    self.waiting.remove(at);
                    continue;
                }
                Progress::Failed(why) => return Err(failed(job, &why)),
                Progress::Waiting { group, wait } => (group, wait),
                Progress::Unplaced(group) => self.why_unplaced(job, group).await,
            };
            if self.last.get(&job.id) != Some(&why) {
                let (job, (group, wait)) = (job.id.clone(), why.clone());
                self.report(JobEvent::Waiting { job: job.clone(), group, wait });
                self.last.insert(job, why);
            }
            at += 1;
        }
        if !self.waiting.is_empty() {
            // A client that was refused once, when it was new, asks again for its work only after many seconds.
            self.jobs.nomad.nudge(REQUEST_DEADLINE).await;
        }
        Ok(if is_over(&self.waiting) { Observed::Ready(()) } else { Observed::Pending(()) })
    }

    fn late(&self) -> Failure {
        let Some(Submitted { job, .. }) = self.waiting.first() else {
            return Failure::new(FailureKind::DeadlinePassed, "the jobs are not healthy");
        };
        let seen = self.last.get(&job.id).map(|(group, wait)| format!("{group}: {wait}"));
        Failure::new(FailureKind::DeadlinePassed, format!("job {} is not healthy", job.id))
            .detail("last seen", seen.unwrap_or_else(|| "nothing".to_owned()))
            .hint(format!("`meshlab shell -- nomad job status {}` shows more", job.id))
    }

    async fn why_unplaced(&self, job: &Job, group: String) -> (String, JobWait) {
        let evaluations = self.jobs.nomad.evaluations(&job.id).await.unwrap_or_default();
        why_not_placed(&evaluations).unwrap_or((group, JobWait::Scheduler))
    }

    fn report(&self, event: JobEvent) {
        self.reporter.report(Event::Jobs(event));
    }
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
    deadline: Deadline,
    reporter: &SharedReporter,
) -> Result<Vec<String>> {
    let started = Instant::now();
    let known = Mutex::new(Vec::new());
    let healthy = until(deadline.left(), API_POLL_INTERVAL, async || -> Result<_> {
        let (names, failing) = unhealthy(jobs, list).await?;
        if failing.is_empty() {
            return Ok(Observed::Ready(names));
        }
        let mut known = known.lock().await;
        if *known != failing {
            reporter.report(Event::Jobs(JobEvent::WaitingForConsul { failing: failing.clone() }));
            known.clone_from(&failing);
        }
        Ok(Observed::Pending(failing.join("\n")))
    });
    let names = healthy.await?.map_err(|late| {
        Failure::new(FailureKind::DeadlinePassed, "the jobs run, and are not healthy in Consul")
            .detail("last seen", late.last_seen())
            .hint("`meshlab status` and Consul's UI show every check")
    })?;
    if !names.is_empty() {
        let took = started.elapsed();
        reporter.report(Event::Jobs(JobEvent::HealthyInConsul { services: names.clone(), took }));
    }
    Ok(names)
}

/// Waits until the load balancer has found the gateway, and the gateway a service: nginx asks Consul's DNS once a second.
async fn wait_for_load_balancer(jobs: &Jobs, deadline: Deadline) -> Result<()> {
    /// The header that a proxy adds to what came from behind it.
    const FROM_UPSTREAM: &str = "x-envoy-upstream-service-time";
    let at = jobs.run.address().port(LOAD_BALANCER);
    let Ok(outcome) = until(deadline.left(), API_POLL_INTERVAL, async || -> Result<_, Infallible> {
        Ok(match http::request(Method::GET, at, "/", Vec::new(), REQUEST_DEADLINE).await {
            Ok(answer) if answer.headers.contains_key(FROM_UPSTREAM) => Observed::Ready(()),
            Ok(answer) => Observed::Pending(format!("{}, from nobody behind it", answer.status)),
            Err(error) => Observed::Pending(error.to_string()),
        })
    })
    .await;
    outcome.map_err(|late| {
        let message = format!("the load balancer at {at} reaches no service through the API gateway");
        Failure::new(FailureKind::DeadlinePassed, message)
            .detail("last seen", late.last_seen())
            .hint("`meshlab logs lb` shows what nginx says")
    })
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
            failing.extend(
                envoy_reaches(admin, &service.upstreams()).await.err().map(|reason| reason.to_string()),
            );
        }
        if !names.contains(&service.service) {
            names.push(service.service.clone());
        }
    }
    names.sort();
    Ok((names, failing))
}
