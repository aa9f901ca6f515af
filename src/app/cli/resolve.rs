//! Joins flags, variables and the settings file into [`Settings`]: flag before variable before file.

use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;
use url::Url;

use super::{GlobalArgs, call};
use crate::core::failure::{Failure, Result};
use crate::core::model::LabAddress;
use crate::core::settings::{Dirs, Environment, INSIDE_VARIABLE, RuntimeChoice, Settings};
use crate::machine::choose;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    offline: Option<bool>,
    locked: Option<bool>,
    jobs: Option<usize>,
    mirror: Option<Url>,
    runtime: Option<RuntimeChoice>,
    address: Option<LabAddress>,
}

/// Joins flags, variables and the settings file. With `needs_home`, fails where HOME is needed and missing.
pub(crate) fn resolve(flags: &GlobalArgs, environment: Environment, needs_home: bool) -> Result<Settings> {
    let start = current_dir()?;
    let work_dir = flags.directory.as_ref().map_or_else(|| start.clone(), |given| start.join(given));
    if !work_dir.is_dir() {
        return Err(Failure::usage(format!("-C {work_dir}: no such folder")));
    }
    let mut dirs = match Dirs::of(&environment, &start) {
        Err(failure) if needs_home => return Err(failure),
        Err(_) => Dirs::without_home(&environment, &start),
        Ok(dirs) => dirs,
    };
    // The kernel reports processes and mounts under the real path, not under that of a link.
    dirs.state = without_links(&dirs.state);
    let file = read_file(&dirs.config.join("config.toml"))?;
    let jobs = match (flags.jobs, environment.var("MESHLAB_JOBS")) {
        (Some(jobs), _) => Some(jobs),
        (None, Some(text)) => Some(text.parse().map_err(|_| {
            Failure::usage(format!("MESHLAB_JOBS is {text:?}")).hint("set it to a number from 1 to 64")
        })?),
        (None, None) => file.jobs,
    };
    let jobs = jobs.unwrap_or(DEFAULT_JOBS);
    if !(1..=MOST_JOBS).contains(&jobs) {
        return Err(Failure::usage(format!("{jobs} jobs at once are not possible"))
            .hint(format!("give a number from 1 to {MOST_JOBS}")));
    }
    let runtime = match (flags.runtime, environment.var("MESHLAB_RUNTIME")) {
        (Some(runtime), _) => Some(runtime),
        (None, Some(text)) => Some(RuntimeChoice::parse(text)?),
        (None, None) => file.runtime,
    };
    let address = match environment.var("MESHLAB_ADDRESS") {
        Some(text) => Some(text.parse().map_err(|error: crate::core::model::Invalid| {
            Failure::usage(format!("MESHLAB_ADDRESS is {text:?}"))
                .seen(&error)
                .hint("set it to a loopback address such as 127.0.0.2, or for containers to one such as 10.10.20.150")
        })?),
        None => None,
    };
    let mirror = match environment.var("MESHLAB_MIRROR") {
        Some(text) => Some(Url::parse(text).map_err(|error| {
            Failure::usage(format!("MESHLAB_MIRROR is {text:?}")).seen(&error).hint("set it to a base URL")
        })?),
        None => file.mirror,
    };
    let runtime = runtime.unwrap_or(RuntimeChoice::Auto);
    let given = flags.address.or(address).or(file.address);
    let address = given.unwrap_or_else(|| choose::usual_address(runtime, &dirs.state));
    choose::require_address(runtime, address)?;
    Ok(Settings {
        dirs,
        offline: flags.offline || environment.flag("MESHLAB_OFFLINE")?.or(file.offline).unwrap_or(false),
        locked: flags.locked || environment.flag("MESHLAB_LOCKED")?.or(file.locked).unwrap_or(false),
        json: flags.json,
        quiet: flags.quiet,
        verbose: flags.verbose,
        yes: flags.yes,
        jobs,
        address,
        is_address_set: given.is_some(),
        inside: environment.flag(INSIDE_VARIABLE)?.unwrap_or(false),
        color: flags.color,
        runtime,
        lock: flags.lock.as_ref().map(|path| start.join(path)),
        mirror,
        work_dir,
        environment,
        invocation: call::of_process(flags),
    })
}

const DEFAULT_JOBS: usize = 4;
const MOST_JOBS: usize = 64;

fn current_dir() -> Result<Utf8PathBuf> {
    let path = std::env::current_dir()
        .map_err(|error| Failure::failed("cannot read the working directory").seen(&error))?;
    Utf8PathBuf::from_path_buf(path).map_err(|path| {
        Failure::usage(format!("the working directory's name is not UTF-8: {}", path.display()))
    })
}

/// The same path without symbolic links, as far as it exists.
fn without_links(path: &Utf8Path) -> Utf8PathBuf {
    let resolved = path.ancestors().find_map(|parent| {
        let rest = path.strip_prefix(parent).ok()?;
        let real = parent.canonicalize_utf8().ok()?;
        Some(if rest.as_str().is_empty() { real } else { real.join(rest) })
    });
    resolved.unwrap_or_else(|| path.to_owned())
}

fn read_file(path: &Utf8Path) -> Result<File> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(File::default()),
        Err(error) => return Err(Failure::usage(format!("cannot read {path}")).seen(&error)),
    };
    toml::from_str(&text).map_err(|error| {
        let (line, column) =
            crate::artifacts::lockfile::position(&text, error.span().map_or(0, |span| span.start));
        Failure::usage(format!("{path}:{line}:{column}: {}", error.message().trim()))
            .hint("known settings: offline, locked, jobs, mirror, runtime, address")
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::app::cli::Cli;

    #[test]
    fn links_are_followed_as_far_as_there_is_something() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Utf8Path::from_path(temporary.path()).unwrap().canonicalize_utf8().unwrap();
        std::fs::create_dir(folder.join("real")).unwrap();
        std::os::unix::fs::symlink("real", folder.join("link")).unwrap();
        assert_eq!(without_links(&folder.join("link/not/yet")), folder.join("real/not/yet"));
        assert_eq!(without_links(&folder.join("real/../link")), folder.join("real"));
    }

    #[test]
    fn another_verb_is_called_where_this_one_runs() {
        let environment =
            Environment::from_pairs([("HOME", "/nonexistent"), ("MESHLAB_ADDRESS", "127.0.0.3")]);
        let settings = resolve(
            &Cli::try_parse_from(["meshlab", "-j", "3", "lab", "test", "1", "3"]).unwrap().global,
            environment,
            true,
        )
        .unwrap();
        let command =
            settings.subcommand(RuntimeChoice::Host.kind().unwrap(), &["lab", "test", "3-x"]).unwrap();
        let words: Vec<&str> = command.get_args().filter_map(|word| word.to_str()).collect();
        assert_eq!(
            words,
            ["--jobs=3", "--color=auto", "--runtime=host", "--address=127.0.0.3", "lab", "test", "3-x"]
        );
    }
}
