//! How this program was called, so that it can be called again.
//!
//! Invariant: what is called again has the same settings, with the runtime and the address that were chosen here.

use std::ffi::OsString;
use std::process::Command;

use super::Settings;
use crate::core::failure::{Failure, Result};
use crate::core::model::RuntimeKind;

/// What this program was called with.
#[derive(Debug, Clone)]
pub struct Call {
    /// All arguments, as they were typed.
    pub arguments: Vec<OsString>,
    /// The global flags alone, without runtime and address.
    pub flags: Vec<String>,
}

impl Settings {
    /// This program with the arguments that it has, in the folder where it is.
    pub fn call_again(&self) -> Result<Command> {
        let mut command = program()?;
        // By its name: what is there may be another folder, once this process has moved to other mounts.
        command.current_dir(std::env::current_dir()?);
        // Not as flags: one may stand there already. What is there goes before, and is how the choice was come to.
        command
            .args(&self.call.arguments)
            .env("MESHLAB_RUNTIME", RuntimeKind::of(self.address).name())
            .env("MESHLAB_ADDRESS", self.address.to_string());
        Ok(command)
    }

    /// This program with the flags that it has, to do something else.
    pub fn call_to(&self, verb: &[&str]) -> Result<Command> {
        let mut command = program()?;
        command
            .args(&self.call.flags)
            .arg(format!("--runtime={}", RuntimeKind::of(self.address)))
            .arg(format!("--address={}", self.address))
            .args(verb);
        Ok(command)
    }
}

fn program() -> Result<Command> {
    let program = std::env::current_exe();
    program
        .map(Command::new)
        .map_err(|error| Failure::failed("cannot tell where this program lies").seen(&error))
}
