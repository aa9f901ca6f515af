//! The environment variables of what a lab runs.

use std::collections::BTreeMap;

use crate::machine::state::{RUN_DIR_VARIABLE, RunDir};

/// The width of what a lab shows with a margin. A shell that a person uses has the terminal's.
pub const WIDTH_VARIABLE: &str = "COLUMNS";

/// The environment of everything that a lab starts: these variables and nothing else.
pub type CommandEnvironment = BTreeMap<String, String>;

/// The same environment with the lab's mark, and with the lab's folders in place of the user's.
pub(super) fn at_home(environment: &CommandEnvironment, run: &RunDir) -> CommandEnvironment {
    let mut environment = environment.clone();
    environment.insert(RUN_DIR_VARIABLE.to_owned(), run.root().to_string());
    environment.insert("TMPDIR".to_owned(), run.temporary().to_string());
    environment.insert("HOME".to_owned(), run.work().to_string());
    environment
}
