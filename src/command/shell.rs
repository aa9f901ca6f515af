//! `meshlab shell`: a shell, or one command, that finds the lab's tools and addresses.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use camino::Utf8PathBuf;

use crate::artifact::tool::Tools;
use crate::cli::{Settings, ShellArgs};
use crate::event::{Event, SharedReporter};
use crate::failure::{Failure, Result};
use crate::lab::{environment, secret_environment};
use crate::lockfile::Lock;
use crate::model::Platform;

/// Takes this process's place. Returns only if the command cannot be started.
pub fn run(args: &ShellArgs, settings: &Settings, lock: &Lock, reporter: &SharedReporter) -> Result<()> {
    let run = settings.run_dir();
    let state = run.load();
    let path = match &state {
        Some(state) => state.path.clone(),
        None => installed(settings, lock)?,
    };
    let path = [path, own_folder()].concat();
    let user = &settings.environment;
    let (program, arguments) = match args.command.split_first() {
        Some((program, arguments)) => (program.clone(), arguments.to_vec()),
        None => (user.var("SHELL").unwrap_or("/bin/sh").to_owned(), Vec::new()),
    };
    let mut variables = environment(&run, &path, &settings.dirs);
    variables.extend(secret_environment(&run));
    // The user's own programs stay within reach, behind the lab's.
    if let (Some(lab), Some(own)) = (variables.remove("PATH"), user.var("PATH")) {
        variables.insert("PATH".to_owned(), format!("{lab}:{own}"));
    }
    variables.remove("LANG");
    if args.command.is_empty() {
        let what = match &state {
            Some(state) => format!("lab {} on {}", state.lab, state.address),
            None => "no lab is running; the installed tools are on the PATH".to_owned(),
        };
        reporter.report(Event::Note { text: format!("{what}; `exit` leaves this shell") });
    }
    let error = Command::new(&program).args(arguments).envs(&variables).exec();
    let failure = Failure::failed(format!("cannot run {program}")).seen(&error);
    Err(match error.kind() {
        std::io::ErrorKind::NotFound => failure.hint("`meshlab provision` installs consul, nomad and envoy"),
        _ => failure,
    })
}

/// Where this program lies: in the shell it calls itself `meshlab` too.
fn own_folder() -> Vec<Utf8PathBuf> {
    let own = std::env::current_exe().ok().and_then(|path| Utf8PathBuf::from_path_buf(path).ok());
    own.iter().filter_map(|path| path.parent()).map(ToOwned::to_owned).collect()
}

fn installed(settings: &Settings, lock: &Lock) -> Result<Vec<Utf8PathBuf>> {
    let tools = Tools::new(&settings.dirs.data);
    let platform = Platform::current()?;
    let found = lock.artifacts.iter().filter_map(|artifact| tools.find(artifact, platform));
    Ok(found.map(|tool| tool.bin_dir()).collect())
}
