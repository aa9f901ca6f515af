//! Files that a client delivered: reports their progress, finds them, and moves them into the store.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use tokio::time::MissedTickBehavior;

use super::FetchJob;
use crate::artifacts::lockfile::LockedFile;
use crate::core::event::{Event, ProvisionEvent};
use crate::core::failure::{Failure, Result};
use crate::core::model::ByteSize;

/// How often the size of growing files is read.
const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// How deep to look for growing files. Clients unpack nothing while they download.
const MAX_DEPTH: usize = 4;

/// Whether a client must deliver the files with the digests of the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pins {
    /// The client may use the digests to select a file and to refuse one.
    Enforced,
    /// Accept any file with the name and version: the digests may be out of date (`deps lock`).
    Ignored,
}

/// A file that a client delivered. Its content is not verified yet.
pub(crate) struct Delivered<'a> {
    pub(crate) file: &'a LockedFile,
    pub(crate) path: Utf8PathBuf,
}

/// Verifies the delivered files and moves them into the store.
pub(crate) async fn admit(job: &FetchJob<'_>, delivered: Vec<Delivered<'_>>) -> Result<()> {
    for Delivered { file, path } in delivered {
        let size = ByteSize(fs::metadata(&path)?.len());
        let (store, locked) = (job.store.clone(), file.clone());
        tokio::task::spawn_blocking(move || store.admit(&path, &locked))
            .await
            .map_err(|error| Failure::failed(format!("cannot store {}", file.name)).seen(&error))??;
        job.reporter.report(Event::Provision(ProvisionEvent::FetchFinished {
            artifact: job.artifact.name.clone(),
            file: file.name.clone(),
            size,
        }));
    }
    Ok(())
}

/// Finds `file` in a client's output folder: by its name, or as the only file whose name `matches` accepts.
pub(crate) fn find_delivered(
    folder: &Utf8Path,
    file: &LockedFile,
    matches: impl Fn(&str) -> bool,
) -> Result<Utf8PathBuf> {
    let exact = folder.join(file.name.as_str());
    if exact.is_file() {
        return Ok(exact);
    }
    let names = names_in(folder)?;
    let mut matching = names.iter().filter(|name| matches(name));
    match (matching.next(), matching.next()) {
        (Some(name), None) => Ok(folder.join(name)),
        _ => Err(Failure::failed(format!("{} is not among the downloaded files", file.name))
            .seen_text(if names.is_empty() { "no file".to_owned() } else { names.join(", ") })),
    }
}

fn names_in(folder: &Utf8Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort_unstable();
    Ok(names)
}

/// Reports that the download of a file starts.
pub(crate) fn report_started(job: &FetchJob<'_>, file: &LockedFile) {
    job.reporter.report(Event::Provision(ProvisionEvent::FetchStarted {
        artifact: job.artifact.name.clone(),
        file: file.name.clone(),
        from: job.source.kind.name().to_owned(),
        size: file.size.exact().map(ByteSize),
        resumed: ByteSize(0),
    }));
}

/// Waits for `work`, and reports the size of the files in `folder` as the progress of `file`.
pub(crate) async fn with_progress<T>(
    job: &FetchJob<'_>,
    file: &LockedFile,
    folder: &Utf8Path,
    work: impl Future<Output = T>,
) -> T {
    let mut work = std::pin::pin!(work);
    let mut ticks = tokio::time::interval(POLL_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut reported = 0;
    loop {
        tokio::select! {
            done = &mut work => return done,
            _ = ticks.tick() => {
                // The sum may fall or count bytes twice: clients move and copy files at the end.
                let sum = bytes_below(folder.as_std_path(), MAX_DEPTH).min(file.size.limit());
                if sum > reported {
                    reported = sum;
                    job.reporter.report(Event::Provision(ProvisionEvent::FetchProgress {
                        artifact: job.artifact.name.clone(),
                        file: file.name.clone(),
                        done: ByteSize(sum),
                    }));
                }
            }
        }
    }
}

/// The sum of file sizes in bytes, down to `depth` folders. Ignores files that disappear or cannot be read.
fn bytes_below(folder: &std::path::Path, depth: usize) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(found) if found.is_file() => found.len(),
            Ok(found) if found.is_dir() && depth > 0 => bytes_below(&entry.path(), depth - 1),
            _ => 0,
        })
        .sum()
}
