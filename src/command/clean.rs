//! `meshlab clean`

use std::fs::TryLockError;
use std::os::unix::fs::MetadataExt as _;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use serde_json::json;

use super::Output;
use super::table::table;
use crate::cli::{CleanArgs, Settings};
use crate::event::{Event, SharedReporter};
use crate::failure::{Failure, Result};
use crate::model::ByteSize;

const SCHEMA: u32 = 1;

/// One thing that can be removed.
struct Candidate {
    /// The flag that asks for it.
    flag: &'static str,
    what: &'static str,
    /// What would go. Folders of running labs are not among them.
    paths: Vec<Utf8PathBuf>,
    size: u64,
}

/// Removes what was asked for and says what that freed.
pub async fn run(args: &CleanArgs, settings: &Settings, reporter: &SharedReporter) -> Result<Output> {
    let (args, dirs, reporter) = (args.clone(), settings.dirs.clone(), reporter.clone());
    tokio::task::spawn_blocking(move || clean(&args, &dirs, &reporter))
        .await
        .map_err(|error| Failure::failed("cleaning was cut short").seen(&error))?
}

fn clean(args: &CleanArgs, dirs: &crate::cli::Dirs, reporter: &SharedReporter) -> Result<Output> {
    let labs = labs(&dirs.state)?;
    let running: Vec<&str> = labs.iter().filter_map(|(path, runs)| runs.then(|| path.file_name())?).collect();
    let candidates = candidates(dirs, &labs)?;
    if !(args.cache || args.tools || args.state) {
        return Err(nothing_named(&candidates));
    }
    if args.tools && !running.is_empty() {
        return Err(Failure::failed("a running lab uses the tools")
            .detail("running", running.join(", "))
            .hint("take it down first: meshlab down --all"));
    }
    if args.state && !running.is_empty() {
        let text = format!("the state of running labs is kept: {}", running.join(", "));
        reporter.report(Event::Note { text });
    }
    let wanted: Vec<&Candidate> = candidates
        .iter()
        .filter(|candidate| match candidate.flag {
            "--cache" => args.cache,
            "--tools" => args.tools,
            _ => args.state,
        })
        .collect();
    if !args.dry_run {
        for path in wanted.iter().flat_map(|candidate| &candidate.paths) {
            remove(path)?;
        }
    }
    Ok(output(&wanted, args.dry_run))
}

fn candidates(dirs: &crate::cli::Dirs, labs: &[(Utf8PathBuf, bool)]) -> Result<Vec<Candidate>> {
    let entries = |folder: &Utf8Path| -> Result<Vec<Utf8PathBuf>> {
        if !folder.is_dir() {
            return Ok(Vec::new());
        }
        folder.read_dir_utf8()?.map(|entry| Ok(entry?.into_path())).collect()
    };
    // Only what meshlab makes: the folder may have been pointed at something that holds more.
    let cache = ["sha256", "sha512", "partial", "rejected", "work", "images"]
        .map(|name| dirs.cache.join(name))
        .into_iter()
        .filter(|path| path.exists())
        .collect();
    let mut state = labs.iter().filter(|(_, runs)| !runs).map(|(path, _)| path.clone()).collect::<Vec<_>>();
    for name in ["logs", "progress"] {
        state.extend(entries(&dirs.state.join(name))?);
    }
    let candidate = |flag, what, paths: Vec<Utf8PathBuf>| -> Result<Candidate> {
        let size = paths.iter().map(|path| disk_usage(path)).sum::<Result<u64>>()?;
        Ok(Candidate { flag, what, paths, size })
    };
    Ok(vec![
        candidate("--cache", "downloaded files", cache)?,
        candidate("--tools", "unpacked tools", entries(&dirs.data.join("tools"))?)?,
        candidate("--state", "logs and progress", state)?,
    ])
}

/// The folders of labs, and whether each lab runs: somebody holds its lock, or its state says that it is up.
fn labs(state: &Utf8Path) -> Result<Vec<(Utf8PathBuf, bool)>> {
    let run = state.join("run");
    if !run.is_dir() {
        return Ok(Vec::new());
    }
    let mut labs = Vec::new();
    for entry in run.read_dir_utf8()? {
        let path = entry?.into_path();
        let runs = path.join("state.json").exists() || is_locked(&path)?;
        labs.push((path, runs));
    }
    Ok(labs)
}

fn is_locked(folder: &Utf8Path) -> Result<bool> {
    if !folder.is_dir() {
        return Ok(false);
    }
    for entry in folder.read_dir_utf8()? {
        let entry = entry?;
        if !entry.file_name().ends_with("lock") || !entry.file_type()?.is_file() {
            continue;
        }
        let file = fs::File::open(entry.path())?;
        if let Err(TryLockError::WouldBlock) = file.file().try_lock() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn nothing_named(candidates: &[Candidate]) -> Failure {
    let failure = Failure::usage("say what is to be removed: --cache, --tools or --state");
    candidates
        .iter()
        .fold(failure, |failure, candidate| {
            failure.detail(candidate.flag, format!("{}, {}", candidate.what, ByteSize(candidate.size)))
        })
        .hint("add --dry-run to see what would go")
}

fn output(wanted: &[&Candidate], dry_run: bool) -> Output {
    let rows: Vec<[String; 3]> = wanted
        .iter()
        .map(|candidate| {
            [
                candidate.what.to_owned(),
                candidate.paths.len().to_string(),
                ByteSize(candidate.size).to_string(),
            ]
        })
        .collect();
    let freed: u64 = wanted.iter().map(|candidate| candidate.size).sum();
    let verb = if dry_run { "would free" } else { "freed" };
    let human = format!("{}{verb} {}\n", table(["what", "entries", "size"], &rows), ByteSize(freed));
    let removed: Vec<_> = wanted
        .iter()
        .map(|candidate| json!({ "flag": candidate.flag, "paths": candidate.paths, "bytes": candidate.size }))
        .collect();
    Output {
        human,
        json: json!({ "schema": SCHEMA, "dry_run": dry_run, "bytes": freed, "removed": removed }),
    }
}

fn remove(path: &Utf8Path) -> Result<()> {
    let is_dir = fs::symlink_metadata(path)?.is_dir();
    if is_dir {
        fs::remove_dir_all(path)?
    } else {
        fs::remove_file(path)?
    }
    Ok(())
}

/// What the disk gets back; links are not followed, and a file that goes away meanwhile counts nothing.
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
