//! Downloads the release files of a project by HTTP.

use futures_util::TryStreamExt as _;
use futures_util::stream::FuturesUnordered;

use super::FetchJob;
use crate::artifacts::download::{DownloadRequest, Downloader};
use crate::artifacts::lockfile::Locator;
use crate::core::failure::{Failure, Result};

/// Downloads the missing files in parallel. The first failure stops the other downloads; the next run resumes them.
pub(super) async fn fetch(job: &FetchJob<'_>, downloader: &Downloader) -> Result<()> {
    let downloads: FuturesUnordered<_> = job
        .missing
        .iter()
        .map(|file| async move {
            let Locator::Url(url) = &file.locator else {
                return Err(Failure::failed(format!("{} has no URL in the lock", file.name)));
            };
            let request = DownloadRequest {
                artifact: &job.artifact.name,
                file,
                url,
                from: "url",
                store: job.store,
                reporter: job.reporter,
            };
            downloader.fetch(&request).await
        })
        .collect();
    downloads.try_collect().await
}
