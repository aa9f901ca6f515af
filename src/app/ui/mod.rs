//! Everything a person or a program sees: events and failures become text here, and nowhere else.
//!
//! [`Console`] takes events and has one of three views draw them: for a terminal, as plain lines, or as JSON. Data goes
//! to standard output through [`print_data`], everything else to standard error.
//!
//! Invariant: only this module writes to the standard streams, and it never asks the engine anything.

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

/// A reporter that draws on standard error as the settings say. Where a person is asked as well, keep the [`Console`].
pub fn reporter(settings: &Settings) -> SharedReporter {
    Arc::new(Console::new(settings))
}

/// Draws a failure on standard error. While a [`Console`] is in use, let it do that ([`Console::failure`]).
pub fn print_failure(failure: &Failure, settings: &Settings) {
    write_failure(failure, &Look::of_stderr(settings));
}

/// Draws a failure that came before the settings were known.
pub fn print_early_failure(failure: &Failure, json: bool, environment: &Environment) {
    let stream = if std::io::stderr().is_terminal() { look::Stream::Stderr } else { look::Stream::Pipe };
    write_failure(failure, &Look::before_settings(environment, json, ColorChoice::Auto, stream));
}

fn write_failure(failure: &Failure, look: &Look) {
    // Where standard error is gone, the exit code has to do.
    drop(std::io::stderr().lock().write_all(failure::draw(failure, look).as_bytes()));
}

/// Renders Markdown for a stream, for instance for `lab show`.
pub fn markdown(text: &str, look: &Look) -> String {
    text::ended(markdown::render(text, look.prose(), look))
}

/// Findings, a line or more each, for a stream.
pub fn notes(findings: &[Note], look: &Look) -> String {
    notes::draw(findings, look)
}

/// A call through the mesh, hop by hop, for a stream.
pub fn trace(call: &Trace, expression: &str, result: Option<&str>, look: &Look) -> String {
    trace::draw(call, expression, result, look)
}

/// The way from one service to another, hop by hop, for a stream.
pub fn why(way: &CallPath, look: &Look) -> String {
    why::draw(way, look)
}

/// A load test as a person reads it.
pub fn load_test(
    report: &crate::labs::bench::report::BenchReport,
    written: &[camino::Utf8PathBuf],
    look: &Look,
) -> String {
    bench::draw(report, written, look)
}

/// What came of a load, with answers told apart by a header.
pub fn load(tally: &crate::samples::load::Tally, by: Option<&str>, look: &Look) -> String {
    load::draw(tally, by, look)
}

/// What services in several languages cost.
pub fn costs(
    costs: &[crate::labs::bench::service::Cost],
    load: &crate::labs::bench::plan::WrkLoad,
    look: &Look,
) -> String {
    costs::draw(costs, load, look)
}
