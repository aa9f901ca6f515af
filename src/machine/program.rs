//! This program, as a lab runs it.

use camino::Utf8PathBuf;
use fs_err as fs;

use crate::core::failure::{Failure, Result};
use crate::machine::state::RunDir;

/// This program's own file.
pub(super) fn own_file() -> Result<Utf8PathBuf> {
    let cannot = || Failure::failed("cannot find this program");
    let own = std::env::current_exe().map_err(|error| cannot().seen(&error))?;
    Utf8PathBuf::from_path_buf(own)
        .map_err(|path| cannot().seen_text(format!("{} is not UTF-8", path.display())))
}

/// A copy of this program in the lab's folder: the lab keeps the program that it started with, also when the original
/// is replaced.
pub fn copy_of_this_program(run: &RunDir) -> Result<Utf8PathBuf> {
    let path = run.program();
    if !path.exists() {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let beside = path.with_extension("new");
        fs::copy(own_file()?, &beside)?;
        fs::rename(&beside, &path)?;
    }
    Ok(path)
}

/// The program that a command line runs, past `env` and the variables that it sets. `consul connect envoy` runs Envoy: it
/// replaces itself by it. For people to read; no right follows from it.
pub fn program_of(command: &str) -> &str {
    let words = command.split_whitespace().skip_while(|word| *word == "env" || word.contains('='));
    let words: Vec<&str> = words.take(3).collect();
    match words.as_slice() {
        ["consul", "connect", "envoy"] => "envoy",
        [program, ..] => program,
        [] => "",
    }
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
