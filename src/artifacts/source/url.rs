//! Release files of a project, by HTTP.

use futures_util::TryStreamExt as _;
use futures_util::stream::FuturesUnordered;

use super::Job;
use crate::artifacts::download::{Downloader, Wanted};
use crate::artifacts::lockfile::Locator;
use crate::core::failure::{Failure, Result};

/// Downloads the missing files side by side; the first that fails stops the others, which can be resumed.
pub(super) async fn fetch(job: &Job<'_>, downloader: &Downloader) -> Result<()> {
    let downloads: FuturesUnordered<_> = job
        .missing
        .iter()
        .map(|file| async move {
            let Locator::Url(url) = &file.locator else {
                return Err(Failure::failed(format!("{} has no address in the lock", file.name)));
            };
            let wanted = Wanted {
                artifact: &job.artifact.name,
                file,
                url,
                from: "url",
                store: job.store,
                reporter: job.reporter,
            };
            downloader.fetch(&wanted).await
        })
        .collect();
    downloads.try_collect().await
}
