//! The global flags as they may be typed again.

use clap::ValueEnum as _;

use super::GlobalArgs;
use crate::core::settings::Invocation;

/// The command line of this process.
pub(super) fn of_process(flags: &GlobalArgs) -> Invocation {
    Invocation { arguments: std::env::args_os().skip(1).collect(), flags: flags.to_arguments() }
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
            address: _,
            color,
            lock,
            runtime: _,
        } = self;
        let switches =
            [("offline", offline), ("locked", locked), ("json", json), ("quiet", quiet), ("yes", yes)];
        let switches = switches.into_iter().filter(|(_, is_on)| **is_on).map(|(name, _)| format!("--{name}"));
        let name_of =
            |value: Option<clap::builder::PossibleValue>| value.map(|value| value.get_name().to_owned());
        let values = [
            ("jobs", jobs.map(|jobs| jobs.to_string())),
            ("directory", directory.as_ref().map(ToString::to_string)),
            ("color", name_of(color.to_possible_value())),
            ("lock", lock.as_ref().map(ToString::to_string)),
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
    use crate::app::cli::Cli;

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
            let parsed = flags(&[&words[..], &["status"]].concat());
            // The caller adds these two as they were resolved.
            let expected = GlobalArgs { address: None, runtime: None, ..typed };
            assert_eq!(parsed, expected, "{words:?}");
        }
    }
}
