//! The text for persons and programs: only this module words events and failures.
//!
//! [`Console`] takes events, and one of three views draws them: for a terminal, as plain lines, or as JSON. Data goes
//! to standard output through [`print_data`], everything else to standard error.
//!
//! Invariant: only this module writes to the standard streams, and it never calls the engine.

mod bench;
mod console;
mod costs;
mod failure;
mod json;
mod load;
mod look;
mod markdown;
mod notes;
mod output;
mod pace;
mod paint;
mod pause;
mod plain;
mod provisioned;
mod raw;
mod screen;
mod served;
mod table;
mod terminal;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
pub(crate) mod tests;
mod text;
mod trace;
mod view;
mod why;
mod wording;

use std::io::{IsTerminal, Write};
use std::sync::Arc;

pub use console::Console;
pub use look::{Look, Surface};
pub use notes::{Note, Weight};
pub use output::{print_data, print_raw, print_while_read};
pub use pause::Answer;
pub use raw::{RawTerminal, print_bytes};
pub use table::{Align, Cell, Table};
pub(crate) use wording::{ready, runtime_reason};

use crate::core::event::SharedReporter;
use crate::core::failure::Failure;
use crate::core::model::call_path::CallPath;
use crate::core::settings::{ColorChoice, Environment, Settings};
use crate::mesh::trace::Trace;

/// A reporter that draws on standard error. To ask a person as well, use [`Console`].
pub fn reporter(settings: &Settings) -> SharedReporter {
    Arc::new(Console::new(settings))
}

/// Prints a failure on standard error. While a [`Console`] is in use, call [`Console::failure`] instead.
pub fn print_failure(failure: &Failure, settings: &Settings) {
    write_failure(failure, &Look::of_stderr(settings));
}

/// Prints a failure from before the settings are known.
pub fn print_early_failure(failure: &Failure, json: bool, environment: &Environment) {
    let stream = if std::io::stderr().is_terminal() { look::Stream::Stderr } else { look::Stream::Pipe };
    write_failure(failure, &Look::before_settings(environment, json, ColorChoice::Auto, stream));
}

fn write_failure(failure: &Failure, look: &Look) {
    // An error is ignored: it cannot be reported, and the exit code remains.
    drop(std::io::stderr().lock().write_all(failure::draw(failure, look).as_bytes()));
}

/// Renders Markdown, for example for `lab show`.
pub fn markdown(text: &str, look: &Look) -> String {
    text::ended(markdown::render(text, look.prose(), look))
}

/// Findings, one or more lines each.
pub fn notes(findings: &[Note], look: &Look) -> String {
    notes::draw(findings, look)
}

/// A call through the mesh, hop by hop.
pub fn trace(call: &Trace, expression: &str, result: Option<&str>, look: &Look) -> String {
    trace::draw(call, expression, result, look)
}

/// A call path, hop by hop.
pub fn why(way: &CallPath, look: &Look) -> String {
    why::draw(way, look)
}

/// The result of a load test.
pub fn load_test(
    report: &crate::labs::bench::report::BenchReport,
    written: &[camino::Utf8PathBuf],
    look: &Look,
) -> String {
    bench::draw(report, written, look)
}

/// The result of `svc load`, with answers grouped by a header.
pub fn load(tally: &crate::samples::load::Tally, by: Option<&str>, look: &Look) -> String {
    load::draw(tally, by, look)
}

/// The costs of services in several languages.
pub fn costs(
    costs: &[crate::labs::bench::service::Cost],
    load: &crate::labs::bench::plan::WrkLoad,
    look: &Look,
) -> String {
    costs::draw(costs, load, look)
}
