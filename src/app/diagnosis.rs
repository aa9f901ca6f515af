//! The debug log of this process, and its lines on standard error with `-v`, `-vv` or `MESHLAB_LOG`.

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::{FilterExt as _, LevelFilter, Targets};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use url::Url;

use crate::app::ui::Console;
use crate::core::debug_log::{DebugLog, attach};
use crate::core::event::{Event, LogLine, Reporter as _};
use crate::core::failure::{Failure, FailureKind, Result};
use crate::core::settings::{Dirs, Settings};
use crate::machine::state::RunDir;

const OWN: &str = "meshlab";

/// The debug log of this process.
pub(super) struct Diagnosis {
    log: DebugLog,
    /// Where the log of a command goes that fails and leaves no lab.
    kept: Option<Utf8PathBuf>,
}

impl Diagnosis {
    /// Writes what happens to the debug log of the lab that these settings are about, and reports as much of it as they ask
    /// for. With `keeps_log`, the lines are kept when the command fails and leaves no lab.
    pub(super) fn start(settings: &Settings, console: &Arc<Console>, keeps_log: bool) -> Result<Self> {
        let asked = asked(settings)?;
        let log = DebugLog::install();
        let file = fmt::layer()
            .with_ansi(false)
            .with_timer(TimeAndProcess)
            .with_writer(LogFile(log.clone()))
            // What is asked for on the console is worth keeping as well.
            .with_filter(Targets::new().with_target(OWN, LevelFilter::DEBUG).or(asked.clone()));
        let console = fmt::layer()
            .with_ansi(false)
            .without_time()
            .with_level(false)
            .with_target(false)
            .with_writer(Lines(Arc::clone(console)))
            .with_filter(asked);
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(file).with(console))
            .map_err(|error| Failure::failed("cannot begin the debug log").seen(&error))?;
        attach(RunDir::of(settings).root());
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            arguments = ?settings.invocation.arguments,
            address = %settings.address,
            runtime = ?settings.runtime,
            offline = settings.offline,
            locked = settings.locked,
            jobs = settings.jobs,
            mirror = settings.mirror.as_ref().map(Url::as_str),
            cache = %settings.dirs.cache,
            data = %settings.dirs.data,
            state = %settings.dirs.state,
            folder = %settings.work_dir,
            "starts"
        );
        Ok(Self { log, kept: keeps_log.then(|| last_failure(&settings.dirs)) })
    }

    /// Ends the log. One of a command that starts or fetches something, fails and leaves no lab is kept in the state folder
    /// until such a command ends well, or until `clean --state`.
    pub(super) fn end(&self, outcome: std::result::Result<(), &Failure>) {
        match outcome {
            Ok(()) => tracing::info!("ends well"),
            Err(failure) => tracing::error!(exit = failure.kind().exit_code(), "fails: {}", whole(failure)),
        }
        let Some(kept) = &self.kept else { return };
        match outcome {
            Ok(()) => drop(std::fs::remove_file(kept)),
            Err(failure) if failure.kind() == FailureKind::Usage => {}
            // Where this cannot be written, the failure itself has to do.
            Err(_) if !self.log.is_in_place() => drop(keep(&self.log, kept)),
            Err(_) => {}
        }
    }
}

fn keep(log: &DebugLog, path: &Utf8Path) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    io::Write::write_all(&mut file, &log.lines())
}

/// A failure with its facts, on one line.
fn whole(failure: &Failure) -> String {
    let facts = failure.details().iter().map(|fact| format!("; {}: {}", fact.label, fact.text));
    std::iter::once(failure.message().to_owned()).chain(facts).collect()
}

/// The debug log of the last command that failed and left no lab.
pub(super) fn last_failure(dirs: &Dirs) -> Utf8PathBuf {
    dirs.state.join("last-failure.log")
}

/// What the console is to show: `MESHLAB_LOG`, else what `-v` means.
fn asked(settings: &Settings) -> Result<Targets> {
    if let Some(text) = settings.environment.var("MESHLAB_LOG") {
        return text.parse().map_err(|error: tracing_subscriber::filter::ParseError| {
            Failure::usage(format!("MESHLAB_LOG is {text:?}"))
                .seen(&error)
                .hint("set it to a level such as debug, or to levels of modules such as meshlab::core=trace")
        });
    }
    let level = match settings.verbose {
        0 => LevelFilter::OFF,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    Ok(Targets::new().with_target(OWN, level))
}

struct TimeAndProcess;

impl FormatTime for TimeAndProcess {
    fn format_time(&self, writer: &mut Writer<'_>) -> std::fmt::Result {
        write!(writer, "{} {}", humantime::format_rfc3339_millis(SystemTime::now()), std::process::id())
    }
}

/// Takes whole lines.
struct LogFile(DebugLog);

impl io::Write for &LogFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.write(&format!("{}\n", one_line(line)));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogFile {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

/// Reports lines as events.
struct Lines(Arc<Console>);

struct Line<'a> {
    console: &'a Console,
    level: &'static str,
    target: String,
}

impl io::Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = crate::core::mask::mask(&one_line(line)).into_owned();
        let (level, target) = (self.level, self.target.clone());
        self.console.report(Event::Log(LogLine { level, target, text }));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        Line { console: &self.0, level: "info", target: OWN.to_owned() }
    }

    fn make_writer_for(&'a self, about: &Metadata<'_>) -> Self::Writer {
        Line { level: word(*about.level()), target: about.target().to_owned(), console: &self.0 }
    }
}

fn word(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

fn one_line(line: &[u8]) -> String {
    String::from_utf8_lossy(line).trim_end().replace('\n', "\\n")
}
