//! What a verb works with.

use std::process::ExitCode;
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;

use crate::app::ui::{self, Console};
use crate::artifacts::lockfile::{EMBEDDED, Lock};
use crate::core::event::SharedReporter;
use crate::core::failure::{Failure, Result};
use crate::core::settings::Settings;

/// What a verb prints on standard output: one of the two.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Output {
    /// For people; empty if the events have said everything.
    pub(crate) human: String,
    /// For programs, with a `schema` number.
    pub(crate) json: Value,
}

/// What a verb works with.
pub(crate) struct Context {
    /// Flags, variables and the settings file, joined.
    pub(crate) settings: Settings,
    /// Standard error.
    pub(crate) console: Arc<Console>,
    /// The console, for events.
    pub(crate) reporter: SharedReporter,
    /// The definition of the whole command line.
    pub(crate) command_line: fn() -> clap::Command,
}

impl Context {
    /// A context whose events go to `console`.
    pub(crate) fn new(
        settings: Settings,
        console: Arc<Console>,
        command_line: fn() -> clap::Command,
    ) -> Self {
        let reporter = Arc::clone(&console) as SharedReporter;
        Self { settings, console, reporter, command_line }
    }

    /// Reads the lock: `--lock`, else `deps.lock` in the working directory, else the built-in one.
    pub(crate) fn lock(&self) -> Result<Lock> {
        match self.lock_path() {
            Some(path) => read_lock(&path),
            None => Lock::parse(EMBEDDED, "built in"),
        }
    }

    /// The file of the lock; `None` for the built-in one.
    pub(crate) fn lock_path(&self) -> Option<Utf8PathBuf> {
        let in_work_dir = || Some(self.settings.work_dir.join("deps.lock")).filter(|path| path.is_file());
        self.settings.lock.clone().or_else(in_work_dir)
    }

    /// Prints to standard output.
    pub(crate) fn print(&self, output: &Output) -> Result<ExitCode> {
        ui::print_data(&output.human, &output.json, &self.settings)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// In bytes; the one in the source folder has some 25,000.
const MAX_LOCK_SIZE: u64 = 16 << 20;

fn read_lock(path: &Utf8Path) -> Result<Lock> {
    use std::io::Read as _;
    let cannot = || Failure::usage(format!("cannot read the lock {path}"));
    let file = fs_err::File::open(path).map_err(|error| cannot().seen(&error))?;
    let mut text = String::new();
    file.take(MAX_LOCK_SIZE + 1).read_to_string(&mut text).map_err(|error| cannot().seen(&error))?;
    if text.len() as u64 > MAX_LOCK_SIZE {
        return Err(cannot().seen_text(format!("more than {MAX_LOCK_SIZE} bytes; no lock is that long")));
    }
    Lock::parse(&text, path.as_str())
}
