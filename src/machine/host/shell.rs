//! A shell, or one command, that replaces this process.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use crate::core::failure::Failure;
use crate::machine::backend::Visit;
use crate::machine::state::RunDir;
use crate::machine::variables::WIDTH_VARIABLE;

/// Replaces this process. Returns only if the program cannot be started.
pub(super) fn replace_this_process(run: &RunDir, visit: Visit<'_>) -> Failure {
    let (program, arguments) = match visit.command.split_first() {
        Some((program, arguments)) => (program.clone(), arguments.to_vec()),
        None => (visit.user.var("SHELL").unwrap_or("/bin/sh").to_owned(), Vec::new()),
    };
    let mut variables = visit.environment;
    // The user's own programs stay within reach, behind the lab's.
    if let (Some(lab), Some(own)) = (variables.remove("PATH"), visit.user.var("PATH")) {
        variables.insert("PATH".to_owned(), format!("{lab}:{own}"));
    }
    variables.remove("LANG");
    variables.remove(WIDTH_VARIABLE);
    let mut command = Command::new(&program);
    command.args(arguments).envs(&variables);
    // The folder of the lab's files, as in containers.
    if run.work().is_dir() {
        command.current_dir(run.work());
    }
    let error = command.exec();
    let failure = Failure::failed(format!("cannot run {program}")).seen(&error);
    match error.kind() {
        std::io::ErrorKind::NotFound => failure.hint("`meshlab provision` installs consul, nomad and envoy"),
        _ => failure,
    }
}
