//! Stopping jobs: afterwards neither Nomad nor Consul knows of them.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use super::{BETWEEN_LONG_POLLS, JOB_LABEL, Jobs, LONG_POLL};
use crate::core::event::{Event, JobEvent, SharedReporter};
use crate::core::failure::{Failure, FailureKind, Result};
use crate::core::until::{Deadline, Observed, until};
use crate::mesh::api::nomad::Allocation;
use crate::mesh::api::{API_POLL_INTERVAL, REQUEST_DEADLINE};

/// A job whose tasks are still wanted after this long is stopped once more: Nomad may have been noting at that very moment that
/// its deployment was a success, and have put the job back as it was.
const STOP_AGAIN_AFTER: Duration = Duration::from_secs(3);

/// How long Nomad may take to forget what has ended, however long that took.
const FORGET_GRACE: Duration = Duration::from_secs(20);

/// Nomad collects what has ended when it is asked to, not what ends a moment later: it is asked again after so many looks.
const LOOKS_PER_COLLECTION: usize = 20;

/// Stops jobs, waits until their tasks have ended, takes back what they registered and has Nomad forget them. Returns
/// those that were there.
pub async fn stop(
    jobs: &Jobs,
    names: &[String],
    deadline: Duration,
    reporter: &SharedReporter,
) -> Result<Vec<String>> {
    let started = Instant::now();
    let deadline = Deadline::after(deadline);
    let known = jobs.nomad.jobs().await?;
    let there: Vec<String> =
        names.iter().filter(|name| known.iter().any(|job| job.id == **name)).cloned().collect();
    for job in &there {
        reporter.report(Event::Jobs(JobEvent::Stopping { job: job.clone() }));
        jobs.nomad.deregister(job, false).await?;
    }
    let before = services(jobs).await?;
    until_ended(jobs, names, &there, deadline).await?;
    deregister(jobs, names, deadline).await?;
    for job in &there {
        jobs.nomad.deregister(job, true).await?;
    }
    forget(jobs, names, &before, deadline.left().max(FORGET_GRACE)).await?;
    if !there.is_empty() {
        reporter.report(Event::Jobs(JobEvent::Stopped { names: there.clone(), took: started.elapsed() }));
    }
    Ok(there)
}

/// Waits until no task of these jobs is alive.
async fn until_ended(jobs: &Jobs, names: &[String], there: &[String], deadline: Deadline) -> Result<()> {
    let state = Mutex::new((0, Deadline::after(STOP_AGAIN_AFTER)));
    let ended = until(deadline.left(), BETWEEN_LONG_POLLS, async || -> Result<_> {
        let (index, again) = &mut *state.lock().await;
        let (allocations, at) = jobs.nomad.allocations(*index, LONG_POLL).await?;
        *index = at;
        let alive: Vec<&Allocation> = allocations
            .iter()
            .filter(|allocation| names.contains(&allocation.job))
            .filter(|allocation| ["pending", "running"].contains(&allocation.client_status.as_str()))
            .collect();
        if alive.is_empty() {
            return Ok(Observed::Ready(()));
        }
        let wanted: BTreeSet<&str> =
            alive.iter().filter(|one| is_wanted(one)).map(|one| one.job.as_str()).collect();
        if again.left().is_zero() {
            for job in there.iter().filter(|job| wanted.contains(job.as_str())) {
                jobs.nomad.deregister(job, false).await?;
            }
            *again = Deadline::after(STOP_AGAIN_AFTER);
        }
        // A client that was refused once, when it was new, asks again what it has to do only after many seconds.
        jobs.nomad.nudge(REQUEST_DEADLINE).await;
        Ok(Observed::Pending(alive.into_iter().map(in_words).collect::<Vec<_>>().join(", ")))
    });
    ended.await?.map_err(|late| {
        Failure::new(FailureKind::DeadlinePassed, "some tasks do not end")
            .detail("alive", late.last_seen())
            .hint("`meshlab logs nomad` shows why; `meshlab down` ends everything")
    })
}

fn is_wanted(allocation: &Allocation) -> bool {
    allocation.desired_status == "run"
}

fn in_words(allocation: &Allocation) -> String {
    let told = if is_wanted(allocation) { "not told to end" } else { "told to end" };
    format!("{} ({}, {told})", allocation.job, allocation.client_status)
}

/// Removes the services that these jobs registered by themselves, and waits until Nomad has removed its own.
async fn deregister(jobs: &Jobs, names: &[String], deadline: Deadline) -> Result<()> {
    let removed = until(deadline.left(), API_POLL_INTERVAL, async || -> Result<_> {
        let services = jobs.consul.agent_services().await?;
        let registered = |job: &str| names.iter().any(|name| name == job);
        for service in services.iter().filter(|service| service.label(JOB_LABEL).is_some_and(registered)) {
            jobs.consul.deregister(&service.id).await?;
        }
        let (allocations, _) = jobs.nomad.allocations(0, Duration::ZERO).await?;
        let own = |id: &str| {
            allocations
                .iter()
                .any(|allocation| names.contains(&allocation.job) && id.contains(allocation.id.as_str()))
        };
        let left: Vec<&str> = services
            .iter()
            .filter(|service| service.id.starts_with("_nomad-task-") && own(&service.id))
            .map(|service| service.service.as_str())
            .collect();
        Ok(if left.is_empty() { Observed::Ready(()) } else { Observed::Pending(left.join(", ")) })
    });
    removed.await?.map_err(|late| {
        Failure::new(FailureKind::DeadlinePassed, "Nomad leaves services in Consul")
            .detail("left", late.last_seen())
            .hint("`meshlab logs nomad` shows why; `meshlab down` ends everything")
    })
}

/// Has Nomad forget what has ended, and waits until it has, and until Consul's servers know what its agent does.
async fn forget(jobs: &Jobs, names: &[String], before: &BTreeSet<String>, deadline: Duration) -> Result<()> {
    let looks = AtomicUsize::new(0);
    let forgotten = until(deadline, API_POLL_INTERVAL, async || -> Result<_> {
        if looks.fetch_add(1, Ordering::Relaxed).is_multiple_of(LOOKS_PER_COLLECTION) {
            jobs.nomad.collect_garbage().await?;
        }
        let (allocations, _) = jobs.nomad.allocations(0, Duration::ZERO).await?;
        let allocations = allocations.iter().filter(|allocation| names.contains(&allocation.job));
        let mut left: Vec<String> = allocations
            .map(|allocation| format!("allocation {} of {}", allocation.id, allocation.job))
            .collect();
        let (now, catalog) = (services(jobs).await?, jobs.consul.catalog().await?);
        let ended = before.difference(&now);
        left.extend(ended.filter(|name| catalog.contains(*name)).map(|name| format!("service {name}")));
        Ok(if left.is_empty() { Observed::Ready(()) } else { Observed::Pending(left.join(", ")) })
    });
    forgotten.await?.map_err(|late| {
        Failure::new(FailureKind::DeadlinePassed, "what has ended is not forgotten")
            .detail("left", late.last_seen())
            .hint("`meshlab logs nomad` and `meshlab logs consul` show why; `meshlab down` ends everything")
    })
}

/// The names of the agent's services.
async fn services(jobs: &Jobs) -> Result<BTreeSet<String>> {
    Ok(jobs.consul.agent_services().await?.into_iter().map(|service| service.service).collect())
}
