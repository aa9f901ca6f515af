//! How much is done at once.

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::core::failure::{Failure, Result};

/// The limits that all work of one run shares. A permit is asked for after a claim, never before, so that nobody
/// waits for a claim with a permit that the claim's holder needs.
#[derive(Debug)]
pub(crate) struct Capacity {
    jobs: Semaphore,
    builds: Semaphore,
}

impl Capacity {
    /// `jobs` downloads and unpackings at once.
    pub(crate) fn new(jobs: usize) -> Self {
        // A Go build uses every core and gigabytes of memory: never two.
        Self { jobs: Semaphore::new(jobs.max(1)), builds: Semaphore::new(1) }
    }

    /// Waits for the right to download, hash or unpack.
    pub(crate) async fn job(&self) -> Result<SemaphorePermit<'_>> {
        self.jobs.acquire().await.map_err(|error| closed(&error))
    }

    /// Waits for the right to build; downloads go on beside.
    pub(crate) async fn build(&self) -> Result<SemaphorePermit<'_>> {
        self.builds.acquire().await.map_err(|error| closed(&error))
    }
}

fn closed(error: &tokio::sync::AcquireError) -> Failure {
    Failure::failed("the run is being stopped").seen(error)
}
