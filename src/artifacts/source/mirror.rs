//! Fetches files from the mirror (`MESHLAB_MIRROR`). A mirror may have the files of any source, under their digest (as
//! `meshlab repo serve`) or under the path of their upstream URL.

use futures_util::future::join_all;
use url::Url;

use super::{FetchJob, most_severe};
use crate::artifacts::download::{DownloadRequest, Downloader};
use crate::artifacts::lockfile::{Locator, LockedFile};
use crate::core::failure::{Failure, Result};

/// The name of the mirror in events and summaries.
pub(crate) const NAME: &str = "mirror";

/// Fetches every missing file. Files that were fetched are stored even if others failed.
pub(crate) async fn fetch(mirror: &Url, job: &FetchJob<'_>, downloader: &Downloader) -> Result<()> {
    if !matches!(mirror.scheme(), "http" | "https") {
        return Err(Failure::usage(format!("MESHLAB_MIRROR has the scheme {:?}", mirror.scheme()))
            .hint("set it to an http or https URL"));
    }
    let results = join_all(job.missing.iter().map(|file| fetch_one(mirror, job, downloader, file))).await;
    most_severe(results.into_iter().filter_map(Result::err).collect()).map_or(Ok(()), Err)
}

async fn fetch_one(
    mirror: &Url,
    job: &FetchJob<'_>,
    downloader: &Downloader,
    file: &LockedFile,
) -> Result<()> {
    let mut failures = Vec::new();
    for url in candidates(mirror, file) {
        let request = DownloadRequest {
            artifact: &job.artifact.name,
            file,
            url: &url,
            from: NAME,
            store: job.store,
            reporter: job.reporter,
        };
        match downloader.fetch(&request).await {
            Ok(()) => return Ok(()),
            Err(failure) => failures.push(failure),
        }
    }
    most_severe(failures).map_or(Ok(()), Err)
}

/// The URLs at which a mirror may have a file, most likely first.
fn candidates(mirror: &Url, file: &LockedFile) -> Vec<Url> {
    let base = mirror.path().trim_end_matches('/');
    let at = |path: &str| {
        let mut url = mirror.clone();
        url.set_path(&format!("{base}{path}"));
        url
    };
    let mut urls = vec![at(&format!("/{}/{}", file.digest.algorithm().name(), file.digest.hex()))];
    if let Locator::Url(upstream) = &file.locator {
        urls.push(at(upstream.path()));
    }
    urls
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifacts::lockfile::{FileContent, SizeBound};
    use crate::core::model::{ByteSize, Digest};

    #[test]
    fn a_file_is_looked_up_by_digest_and_by_upstream_path() {
        let mut file = LockedFile {
            name: "a.zip".parse().unwrap(),
            locator: Locator::Url(Url::parse("https://up.test/a/1%2B2/a.zip").unwrap()),
            digest: Digest::sha256_of(b""),
            size: SizeBound::Exact(ByteSize(1)),
            content: FileContent::Raw { install: "a".parse().unwrap() },
        };
        let shown = |mirror: &str, file: &LockedFile| {
            let urls = candidates(&Url::parse(mirror).unwrap(), file);
            urls.iter().map(Url::to_string).collect::<Vec<_>>()
        };
        let hex = Digest::sha256_of(b"").hex();
        let expected = [format!("http://m.test/sub/sha256/{hex}"), "http://m.test/sub/a/1%2B2/a.zip".into()];
        assert_eq!(shown("http://m.test/sub", &file), expected);
        assert_eq!(shown("http://m.test/sub/", &file), expected);
        file.locator = Locator::GoPackage("x.test/y".into());
        assert_eq!(shown("http://m.test", &file), [format!("http://m.test/sha256/{hex}")]);
    }
}
