//! What every client has in common: files it brought go from the work folder into the store, and their growth is told.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use tokio::time::MissedTickBehavior;

use super::Job;
use crate::artifacts::lockfile::LockedFile;
use crate::core::event::{Event, ProvisionEvent};
use crate::core::failure::{Failure, Result};
use crate::core::model::ByteSize;

/// How often the growth of files is looked at.
const LOOK: Duration = Duration::from_millis(200);
/// Folders deeper than this are not looked into: clients unpack nothing while they download.
const DEEPEST: usize = 4;

/// Whether the digests of the lock are known to be what is wanted, or are being found out (`deps lock`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pins {
    /// The client may use them to choose and to refuse.
    Known,
    /// They may be out of date: take what the registry has for the name and version.
    Sought,
}

/// A file that a client brought. Nothing about its bytes is known yet.
pub(crate) struct Brought<'a> {
    pub(crate) file: &'a LockedFile,
    pub(crate) path: Utf8PathBuf,
}

/// Takes what was brought into the store, verified.
pub(crate) async fn admit(job: &Job<'_>, brought: Vec<Brought<'_>>) -> Result<()> {
    for Brought { file, path } in brought {
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

/// The file that was asked for in a client's output folder: by its name, or the only one `other` could mean.
pub(crate) fn pick(
    folder: &Utf8Path,
    file: &LockedFile,
    other: impl Fn(&str) -> bool,
) -> Result<Utf8PathBuf> {
    let exact = folder.join(file.name.as_str());
    if exact.is_file() {
        return Ok(exact);
    }
    let names = names_in(folder)?;
    let mut near = names.iter().filter(|name| other(name));
    match (near.next(), near.next()) {
        (Some(name), None) => Ok(folder.join(name)),
        _ => Err(Failure::failed(format!("{} was not among what was downloaded", file.name))
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

/// Tells that a file's bytes begin to arrive.
pub(crate) fn started(job: &Job<'_>, file: &LockedFile) {
    job.reporter.report(Event::Provision(ProvisionEvent::FetchStarted {
        artifact: job.artifact.name.clone(),
        file: file.name.clone(),
        from: job.source.kind.name().to_owned(),
        size: file.size.exact().map(ByteSize),
        resumed: ByteSize(0),
    }));
}

/// Waits for `work` and tells meanwhile how much of `file` lies below `folder`.
pub(crate) async fn watched<T>(
    job: &Job<'_>,
    file: &LockedFile,
    folder: &Utf8Path,
    work: impl Future<Output = T>,
) -> T {
    let mut work = std::pin::pin!(work);
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = 0;
    loop {
        tokio::select! {
            done = &mut work => return done,
            _ = look.tick() => {
                // Clients move and copy at the end, so the sum may fall, or count bytes twice.
                let sum = bytes_below(folder.as_std_path(), DEEPEST).min(file.size.limit());
                if sum > told {
                    told = sum;
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

/// The sum of file sizes. What vanishes or can't be read meanwhile does not count.
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
