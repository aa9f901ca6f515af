//! The `meshlab` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    meshlab::app::run(std::env::args_os())
}
