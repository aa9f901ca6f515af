//! Where components run: as processes of this machine (`host`) or as containers of one machine of their own (`docker`).
//!
//! [`Machine`] is what a lab works with. It records what is started before it starts, and asks one [`Runtime`] to do it.

mod await_ready;
pub mod docker;
pub mod host;
pub mod inside;
pub mod logs;
mod output;
pub mod ports;
pub mod process;
mod running;
#[cfg(test)]
mod scripted;
pub mod state;

use std::collections::BTreeMap;
use std::fmt;
use std::process::ExitStatus;

use futures_util::future::BoxFuture;

use crate::core::failure::Result;
use crate::machine::state::{ProcessRecord, RUN_DIR_VARIABLE, RunDir, ServiceRecord};

pub use output::OutputLine;
pub use running::{Finished, Machine};
use state::readiness::Readiness;

/// A component to start, in plain words: nothing here depends on where it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceSpec {
    /// Its name, unique in the lab.
    pub name: String,
    /// The command line, as a person would type it.
    pub command: String,
    /// Where it answers, for `status`.
    pub listens: Vec<String>,
    /// What makes it ready.
    pub ready: Readiness,
}

/// The program that a command line runs, past `env` and the variables that it sets. `consul connect envoy` runs Envoy: it
/// replaces itself by it.
pub fn program_of(command: &str) -> &str {
    let words = command.split_whitespace().skip_while(|word| *word == "env" || word.contains('='));
    let words: Vec<&str> = words.take(3).collect();
    match words.as_slice() {
        ["consul", "connect", "envoy"] => "envoy",
        [program, ..] => program,
        [] => "",
    }
}

/// A short name for the folder of Nomad's allocations, where tasks have networks of their own.
pub const ALLOCATIONS: &str = "/run/alloc";

/// The bridge that such tasks are on, as Nomad calls it.
pub const BRIDGE: &str = "nomad";

/// The width of what a lab shows with a margin. A shell that a person uses has the terminal's.
pub const WIDTH_VARIABLE: &str = "COLUMNS";

/// The environment of everything that a lab starts: clean, then this.
pub type CommandEnvironment = BTreeMap<String, String>;

/// The same with the lab's mark, and with its folders in place of the user's.
pub fn at_home(mut environment: CommandEnvironment, run: &RunDir) -> CommandEnvironment {
    environment.insert(RUN_DIR_VARIABLE.to_owned(), run.root().to_string());
    environment.insert("TMPDIR".to_owned(), run.temporary().to_string());
    environment.insert("HOME".to_owned(), run.work().to_string());
    environment
}

/// Takes each line that a command writes.
pub type OnLine<'a> = &'a mut (dyn FnMut(OutputLine) + Send);

/// What a lab needs of the place where its components run.
pub trait Runtime: fmt::Debug + Send + Sync {
    /// Starts a component in the background; its output is appended to its log. `None` if it was gone at once.
    fn start<'a>(&'a self, spec: &'a ServiceSpec) -> BoxFuture<'a, Result<Option<ProcessRecord>>>;

    /// Ends a component, whoever started it, and returns once nothing of it is left.
    fn stop<'a>(&'a self, service: &'a ServiceRecord) -> BoxFuture<'a, Result<()>>;

    /// How a component ended, if it has.
    fn ended<'a>(&'a self, service: &'a ServiceRecord) -> BoxFuture<'a, Option<String>>;

    /// Runs a command line to its end, with `secrets` beside the lab's environment. Dropped before that, it ends the
    /// command and all that the command started.
    fn execute<'a>(
        &'a self,
        line: &'a str,
        secrets: &'a CommandEnvironment,
        on_line: OnLine<'a>,
    ) -> BoxFuture<'a, Result<ExitStatus>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_of_a_command_line() {
        assert_eq!(program_of("env A=1 B=2 nomad agent -dev"), "nomad");
        assert_eq!(program_of("consul agent -dev"), "consul");
        assert_eq!(program_of("consul connect envoy -sidecar-for echo"), "envoy");
        assert_eq!(program_of(""), "");
    }
}
