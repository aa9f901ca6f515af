//! How this program was called, so that it can be called again.
//!
//! Invariant: what is called again has the same settings, with the runtime and the address that were chosen here.

use std::ffi::OsString;
use std::process::Command;

use clap::ValueEnum as _;

use super::{GlobalArgs, RuntimeChoice, Settings};
use crate::failure::{Failure, Result};
use crate::runtime::RuntimeKind;

/// What this program was called with.
#[derive(Debug, Clone)]
pub struct Call {
    flags: GlobalArgs,
    /// All of it, as it was typed.
    arguments: Vec<OsString>,
}

impl Call {
    pub(super) fn of_process(flags: &GlobalArgs) -> Self {
        Self { flags: flags.clone(), arguments: std::env::args_os().skip(1).collect() }
    }
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
        let runtime = match RuntimeKind::of(self.address) {
            RuntimeKind::Docker => RuntimeChoice::Docker,
            RuntimeKind::Host => RuntimeChoice::Host,
        };
        let chosen =
            GlobalArgs { runtime: Some(runtime), address: Some(self.address), ..self.call.flags.clone() };
        let mut command = program()?;
        command.args(chosen.to_arguments()).args(verb);
        Ok(command)
    }
}

fn program() -> Result<Command> {
    let program = std::env::current_exe();
    program
        .map(Command::new)
        .map_err(|error| Failure::failed("cannot tell where this program lies").seen(&error))
}

impl GlobalArgs {
    /// As they may be typed: parsed, they are the same.
    fn to_arguments(&self) -> Vec<String> {
        // All by name: one that is added is not forgotten here.
        let Self {
            offline,
            locked,
            json,
            quiet,
            verbose,
            yes,
            jobs,
            directory,
            address,
            color,
            lock,
            runtime,
        } = self;
        let switches =
            [("offline", offline), ("locked", locked), ("json", json), ("quiet", quiet), ("yes", yes)];
        let switches = switches.into_iter().filter(|(_, is_on)| **is_on).map(|(name, _)| format!("--{name}"));
        let name_of =
            |value: Option<clap::builder::PossibleValue>| value.map(|value| value.get_name().to_owned());
        let values = [
            ("jobs", jobs.map(|jobs| jobs.to_string())),
            ("directory", directory.as_ref().map(ToString::to_string)),
            ("address", address.map(|address| address.to_string())),
            ("color", name_of(color.to_possible_value())),
            ("lock", lock.as_ref().map(ToString::to_string)),
            ("runtime", name_of(runtime.and_then(|runtime| runtime.to_possible_value()))),
        ];
        let values = values.into_iter().filter_map(|(name, value)| Some(format!("--{name}={}", value?)));
        let verbose = std::iter::repeat_n("--verbose".to_owned(), usize::from(*verbose));
        switches.chain(verbose).chain(values).collect()
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Environment};

    fn flags(line: &[&str]) -> GlobalArgs {
        Cli::try_parse_from([&["meshlab"], line].concat()).unwrap().global
    }

    #[test]
    fn flags_that_are_typed_again_are_the_same() {
        for line in [
            &["lab", "test", "1", "3"][..],
            &["-j", "3", "lab", "test", "1", "3"],
            &["lab", "test", "--offline", "3", "--locked", "--json", "-y", "-vv", "--color", "never"],
            &[
                "-q",
                "--directory=-a folder",
                "--lock=3",
                "--address",
                "127.0.0.3",
                "lab",
                "list",
                "--runtime",
                "host",
            ],
        ] {
            let typed = flags(line);
            let again = typed.to_arguments();
            let words: Vec<&str> = again.iter().map(String::as_str).collect();
            assert_eq!(flags(&[&words[..], &["status"]].concat()), typed, "{words:?}");
        }
    }

    #[test]
    fn another_verb_is_called_where_this_one_runs() {
        let environment =
            Environment::from_pairs([("HOME", "/nonexistent"), ("MESHLAB_ADDRESS", "127.0.0.3")]);
        let settings = Settings::resolve(&flags(&["-j", "3", "lab", "test", "1", "3"]), environment).unwrap();
        let command = settings.call_to(&["lab", "test", "3-x"]).unwrap();
        let words: Vec<&str> = command.get_args().filter_map(|word| word.to_str()).collect();
        assert_eq!(
            words,
            ["--jobs=3", "--address=127.0.0.3", "--color=auto", "--runtime=host", "lab", "test", "3-x"]
        );
    }
}
