//! How meshlab was called, so that it can run itself with the same settings.
//!
//! Invariant: the child has this process's settings, with the runtime and address that this process chose.

use std::ffi::OsString;
use std::process::Command;

use super::Settings;
use crate::core::failure::{Failure, Result};
use crate::core::model::RuntimeKind;

/// The command line of this process.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// All arguments, as typed.
    pub arguments: Vec<OsString>,
    /// The global flags, without `--runtime` and `--address`.
    pub flags: Vec<String>,
}

impl Settings {
    /// The command that runs meshlab again with the same arguments in the same folder.
    pub fn re_exec(&self, runtime: RuntimeKind) -> Result<Command> {
        let mut command = program()?;
        // By path: in another mount namespace the path may refer to another folder.
        command.current_dir(std::env::current_dir()?);
        // As variables: the arguments may contain these flags already, and a flag wins with the same result.
        command
            .args(&self.invocation.arguments)
            .env("MESHLAB_RUNTIME", runtime.name())
            .env("MESHLAB_ADDRESS", self.address.to_string());
        Ok(command)
    }

    /// The command that runs another meshlab subcommand with the same global flags.
    pub fn subcommand(&self, runtime: RuntimeKind, arguments: &[&str]) -> Result<Command> {
        let mut command = program()?;
        command
            .args(&self.invocation.flags)
            .arg(format!("--runtime={runtime}"))
            .arg(format!("--address={}", self.address))
            .args(arguments);
        Ok(command)
    }
}

fn program() -> Result<Command> {
    let program = std::env::current_exe();
    program
        .map(Command::new)
        .map_err(|error| Failure::failed("cannot find the path of the meshlab executable").seen(&error))
}
