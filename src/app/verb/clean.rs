//! `meshlab clean`

use std::fs::TryLockError;
use std::os::unix::fs::MetadataExt as _;
use std::process::ExitCode;

use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use fs_err as fs;
use serde_json::json;

use super::{Context, Output, Run};
use crate::app::diagnosis::last_failure;
use crate::app::ui::{Look, Table};
use crate::artifacts::source::{apt, go};
use crate::core::claim::any_held;
use crate::core::event::{Event, Note, SharedReporter};
use crate::core::failure::{Failure, Result};
use crate::core::model::{ByteSize, LabAddress};
use crate::core::settings::{Dirs, Settings};
use crate::labs::Progress;
use crate::machine::choose::docker_host;
use crate::machine::docker;
use crate::machine::state::RunDir;

/// Remove downloaded files, tools, images or state
#[derive(Debug, Clone, Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of its own on the command line")]
pub(crate) struct CleanArgs {
    /// Remove downloaded files
    #[arg(long)]
    cache: bool,
    /// Remove unpacked tools
    #[arg(long)]
    tools: bool,
    /// Remove container images from Docker, except those of a running lab
    #[arg(long)]
    images: bool,
    /// Remove logs and progress, except those of a running lab
    #[arg(long)]
    state: bool,
    /// Show what would be removed without removing it
    #[arg(long)]
    dry_run: bool,
}

impl Run for CleanArgs {
    async fn run(self, context: &Context) -> Result<ExitCode> {
        context.print(&run(&self, &context.settings, &context.reporter).await?)
    }
}

const SCHEMA: u32 = 1;
const CACHE: &str = "--cache";
const TOOLS: &str = "--tools";
const STATE: &str = "--state";
const IMAGES: &str = "--images";
/// The cache's folder for package managers; they say themselves whether it is in use.
const BUILD: &str = "build";

/// One thing that can be removed.
struct Candidate {
    /// The flag that asks for it.
    flag: &'static str,
    what: &'static str,
    /// What would go. Folders of running labs are not among them.
    paths: Vec<Utf8PathBuf>,
    size: u64,
}

/// Removes what the flags name, and reports the freed space.
async fn run(args: &CleanArgs, settings: &Settings, reporter: &SharedReporter) -> Result<Output> {
    let images = if args.images { Some(images(args.dry_run, settings).await?) } else { None };
    let (args, settings, reporter) = (args.clone(), settings.clone(), reporter.clone());
    tokio::task::spawn_blocking(move || clean(&args, images.as_deref(), &settings, &reporter))
        .await
        .map_err(|error| Failure::failed("cleaning was interrupted").seen(&error))?
}

/// The images that were removed, or would be. Docker itself keeps those of running containers.
async fn images(dry_run: bool, settings: &Settings) -> Result<Vec<String>> {
    let daemon = docker::require(docker_host(settings)).await?;
    let found = docker::images::all(&daemon).await?;
    if dry_run { Ok(found) } else { docker::images::remove(&daemon, found).await }
}

fn clean(
    args: &CleanArgs,
    images: Option<&[String]>,
    settings: &Settings,
    reporter: &SharedReporter,
) -> Result<Output> {
    let dirs = &settings.dirs;
    let labs = labs(&dirs.state)?;
    let running: Vec<LabAddress> =
        labs.iter().filter(|(_, runs)| *runs).map(|(run, _)| run.address()).collect();
    let candidates = candidates(dirs, &labs)?;
    if !(args.cache || args.tools || args.state || args.images) {
        return Err(nothing_named(&candidates));
    }
    if args.tools && !running.is_empty() {
        return Err(Failure::failed("a running lab uses the tools")
            .detail("running", running.iter().map(LabAddress::to_string).collect::<Vec<_>>().join(", "))
            .hint("take it down first: meshlab down --all"));
    }
    let at_work = (args.cache
        && (any_held(&dirs.cache.join("partial"))? || any_held(&dirs.cache.join("work"))?))
        || (args.tools && any_held(&dirs.data.join("tools"))?);
    if at_work {
        return Err(Failure::failed("another meshlab is fetching or installing")
            .hint("wait until it has finished, and clean up then"));
    }
    if args.state && !running.is_empty() {
        reporter.report(Event::Note(Note::StateKept { addresses: running }));
    }
    let wanted: Vec<&Candidate> = candidates
        .iter()
        .filter(|candidate| match candidate.flag {
            CACHE => args.cache,
            TOOLS => args.tools,
            _ => args.state,
        })
        .collect();
    if !args.dry_run {
        if args.cache {
            remove_build_folders(dirs, reporter)?;
        }
        if args.state {
            // Under its lock, so that a lab that starts just now is not hit.
            for (run, _) in labs.iter().filter(|(_, runs)| !runs) {
                run.remove(run.lock_now()?)?;
            }
        }
        for path in wanted.iter().flat_map(|candidate| &candidate.paths) {
            if !path.ends_with(BUILD) {
                remove(path)?;
            }
        }
    }
    Ok(output(&wanted, images, args.dry_run, settings))
}

fn candidates(dirs: &Dirs, labs: &[(RunDir, bool)]) -> Result<Vec<Candidate>> {
    // Only what meshlab creates: the folder may contain other files.
    let cache = ["sha256", "sha512", "partial", "rejected", "work", BUILD].map(|name| dirs.cache.join(name));
    let cache = cache.into_iter().filter(|path| path.exists()).collect();
    let ended = labs.iter().filter(|(_, runs)| !runs).map(|(run, _)| run.root().to_owned());
    let progress = Some(Progress::folder(&dirs.state)).filter(|folder| folder.exists());
    let failure = Some(last_failure(dirs)).filter(|file| file.exists());
    let state = ended.chain(progress).chain(failure).collect();
    let candidate = |flag, what, paths: Vec<Utf8PathBuf>| -> Result<Candidate> {
        let size = paths.iter().map(|path| disk_usage(path)).sum::<Result<u64>>()?;
        Ok(Candidate { flag, what, paths, size })
    };
    Ok(vec![
        candidate(CACHE, "downloaded files", cache)?,
        candidate(TOOLS, "unpacked tools", entries(&dirs.data.join("tools"))?)?,
        candidate(STATE, "logs and progress", state)?,
    ])
}

fn entries(folder: &Utf8Path) -> Result<Vec<Utf8PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    folder.read_dir_utf8()?.map(|entry| Ok(entry?.into_path())).collect()
}

/// Removes what package managers left, unless another meshlab uses it.
fn remove_build_folders(dirs: &Dirs, reporter: &SharedReporter) -> Result<()> {
    go::sweep(&dirs.cache)?;
    apt::sweep(&dirs.cache)?;
    let left: Vec<_> = entries(&dirs.cache.join(BUILD))?.into_iter().filter(|path| path.is_dir()).collect();
    for path in left {
        reporter.report(Event::Note(Note::BuildFolderKept { path }));
    }
    Ok(())
}

/// The labs that have a folder, and whether each runs: its lock is held, or its state says so.
fn labs(state: &Utf8Path) -> Result<Vec<(RunDir, bool)>> {
    RunDir::all(state)?
        .into_iter()
        .map(|run| {
            let runs = run.root().join("state.json").exists() || is_locked(&lock_of(&run))?;
            Ok((run, runs))
        })
        .collect()
}

/// The lock file of a lab, next to its folder.
fn lock_of(run: &RunDir) -> Utf8PathBuf {
    Utf8PathBuf::from(format!("{}.lock", run.root()))
}

/// Does not create the lock file.
fn is_locked(path: &Utf8Path) -> Result<bool> {
    match std::fs::File::open(path) {
        Ok(file) => Ok(matches!(file.try_lock(), Err(TryLockError::WouldBlock))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Failure::failed(format!("cannot look at {path}")).seen(&error)),
    }
}

fn nothing_named(candidates: &[Candidate]) -> Failure {
    let failure = Failure::usage("name what to remove: --cache, --tools, --images or --state");
    candidates
        .iter()
        .fold(failure, |failure, candidate| {
            failure.detail(candidate.flag, format!("{}, {}", candidate.what, ByteSize(candidate.size)))
        })
        .detail(IMAGES, "container images in Docker")
        .hint("add --dry-run to see what would be removed")
}

fn output(wanted: &[&Candidate], images: Option<&[String]>, dry_run: bool, settings: &Settings) -> Output {
    let mut table = Table::new(["WHAT", "ENTRIES", "SIZE"]).right(1).right(2);
    for candidate in wanted {
        let entries = candidate.paths.len().to_string();
        table.row([candidate.what.into(), entries.into(), ByteSize(candidate.size).to_string().into()]);
    }
    if let Some(images) = images {
        // They share layers; only Docker knows what each takes.
        let entries = images.len().to_string();
        table.row(["container images".into(), entries.into(), "in Docker".into()]);
    }
    let freed: u64 = wanted.iter().map(|candidate| candidate.size).sum();
    let verb = if dry_run { "would free" } else { "freed" };
    let human = format!("{}{verb} {}\n", table.render(&Look::of_stdout(settings)), ByteSize(freed));
    let mut removed: Vec<_> = wanted
        .iter()
        .map(|candidate| json!({ "flag": candidate.flag, "paths": candidate.paths, "bytes": candidate.size }))
        .collect();
    removed.extend(images.map(|images| json!({ "flag": IMAGES, "images": images })));
    Output {
        human,
        json: json!({ "schema": SCHEMA, "dry_run": dry_run, "bytes": freed, "removed": removed }),
    }
}

/// Removes a file or a folder that may have gone meanwhile.
fn remove(path: &Utf8Path) -> Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// The disk space of a path. Links are not followed; a file that disappears meanwhile counts as 0.
fn disk_usage(path: &Utf8Path) -> Result<u64> {
    let Ok(found) = fs::symlink_metadata(path) else { return Ok(0) };
    if !found.is_dir() {
        return Ok(found.blocks() * 512);
    }
    let mut size = 0;
    for entry in std::fs::read_dir(path)? {
        let Ok(path) = Utf8PathBuf::from_path_buf(entry?.path()) else { continue };
        size += disk_usage(&path)?;
    }
    Ok(size)
}
