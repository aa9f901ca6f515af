//! Limits on parallel downloads and builds.

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::core::failure::{Failure, Result};

/// The limits that all tasks of one run share.
///
/// A task acquires a permit after its claim, never before. Otherwise it could hold the permit that the claim's holder
/// needs, which is a deadlock.
#[derive(Debug)]
pub(crate) struct Capacity {
    jobs: Semaphore,
    builds: Semaphore,
}

impl Capacity {
    /// Allows `jobs` parallel downloads and unpacks, and one build.
    pub(crate) fn new(jobs: usize) -> Self {
        // One Go build uses all cores and gigabytes of memory.
        Self { jobs: Semaphore::new(jobs.max(1)), builds: Semaphore::new(1) }
    }

    /// Waits for a permit to download, hash or unpack.
    pub(crate) async fn job(&self) -> Result<SemaphorePermit<'_>> {
        self.jobs.acquire().await.map_err(|error| closed(&error))
    }

    /// Waits for the permit to build. Downloads continue meanwhile.
    pub(crate) async fn build(&self) -> Result<SemaphorePermit<'_>> {
        self.builds.acquire().await.map_err(|error| closed(&error))
    }
}

fn closed(error: &tokio::sync::AcquireError) -> Failure {
    Failure::failed("meshlab is shutting down").seen(error)
}
