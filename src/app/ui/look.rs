//! The look of a stream's output, chosen once by the settings and by what the stream is.

use std::io::IsTerminal;

use super::paint::{Paint, Symbols};
use crate::core::settings::{ColorChoice, Environment, Settings};

/// The widest line of text, for readability.
const MOST_PROSE: usize = 80;
const LEAST_WIDTH: usize = 20;

/// What kind of reader a stream has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surface {
    /// A person at a terminal.
    Terminal,
    /// A file, a pipe or a CI log: one line per event.
    Plain,
    /// A program: one JSON object per event and line.
    Json,
}

/// What a stream is connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    /// No terminal.
    Pipe,
    /// A terminal of a size that stays (for tests).
    #[cfg(test)]
    Fixed { rows: usize, columns: usize },
    /// A terminal; its size is read at each use, since it can be resized.
    Stdout,
    /// The same for standard error.
    Stderr,
}

impl Stream {
    fn is_terminal(self) -> bool {
        self != Self::Pipe
    }

    fn size(self) -> Option<(usize, usize)> {
        let term = match self {
            Self::Pipe => return None,
            #[cfg(test)]
            Self::Fixed { rows, columns } => return Some((rows, columns)),
            Self::Stdout => console::Term::stdout(),
            Self::Stderr => console::Term::stderr(),
        };
        // A terminal of unknown size reports nothing or zero.
        let (rows, columns) = term.size_checked().filter(|(_, columns)| *columns > 0).unwrap_or((24, 80));
        Some((usize::from(rows), usize::from(columns)))
    }
}

/// How one stream's output looks.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    pub(super) surface: Surface,
    pub(super) paint: Paint,
    pub(super) symbols: &'static Symbols,
    pub(super) quiet: bool,
    pub(super) verbose: bool,
    stream: Stream,
    /// The width without a terminal: `COLUMNS`.
    page: usize,
}

impl Look {
    /// For data on standard output.
    pub fn of_stdout(settings: &Settings) -> Self {
        let stream = if std::io::stdout().is_terminal() { Stream::Stdout } else { Stream::Pipe };
        Self::decide(settings, stream)
    }

    /// For everything else, on standard error.
    pub fn of_stderr(settings: &Settings) -> Self {
        let stream = if std::io::stderr().is_terminal() { Stream::Stderr } else { Stream::Pipe };
        Self::decide(settings, stream)
    }

    pub(super) fn decide(settings: &Settings, stream: Stream) -> Self {
        let Settings { json, quiet, verbose, color, environment, .. } = settings;
        Self {
            quiet: *quiet,
            verbose: *verbose > 0,
            ..Self::before_settings(environment, *json, *color, stream)
        }
    }

    /// For output from before the settings are known.
    pub(super) fn before_settings(
        environment: &Environment,
        json: bool,
        color: ColorChoice,
        stream: Stream,
    ) -> Self {
        let capable = stream.is_terminal() && environment.var("TERM") != Some("dumb") && !is_ci(environment);
        let colored = match color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => capable && environment.var("NO_COLOR").is_none(),
        };
        Self {
            surface: match (json, capable) {
                (true, _) => Surface::Json,
                (false, true) => Surface::Terminal,
                (false, false) => Surface::Plain,
            },
            paint: Paint::new(colored),
            symbols: if speaks_utf8(environment) { &Symbols::UNICODE } else { &Symbols::ASCII },
            quiet: false,
            verbose: false,
            stream,
            page: environment.var("COLUMNS").and_then(|columns| columns.parse().ok()).unwrap_or(MOST_PROSE),
        }
    }

    /// Columns of the terminal; `None` if lines are not limited.
    pub(super) fn columns(&self) -> Option<usize> {
        self.stream.size().map(|(_, columns)| columns.max(LEAST_WIDTH))
    }

    /// Rows of the terminal.
    pub(super) fn rows(&self) -> usize {
        self.stream.size().map_or(usize::MAX, |(rows, _)| rows)
    }

    /// The width of running text, rules and summaries.
    pub(super) fn prose(&self) -> usize {
        self.columns().unwrap_or(self.page.max(LEAST_WIDTH)).min(MOST_PROSE)
    }
}

/// Every CI system sets it; `false` means no CI.
fn is_ci(environment: &Environment) -> bool {
    environment.var("CI").is_some_and(|value| !matches!(value, "0" | "false"))
}

fn speaks_utf8(environment: &Environment) -> bool {
    ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|name| environment.var(name)).is_some_and(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(color: ColorChoice, stream: Stream, variables: &[(&str, &str)]) -> Look {
        let environment = Environment::from_pairs(variables.iter().copied());
        Look::before_settings(&environment, false, color, stream)
    }

    #[test]
    fn surface_and_colour_follow_stream_flags_and_variables() {
        use ColorChoice::{Always, Auto, Never};
        use Surface::{Plain, Terminal};
        type Case<'a> = (ColorChoice, Stream, &'a [(&'a str, &'a str)], Surface, bool);
        let tty = Stream::Fixed { rows: 24, columns: 80 };
        let cases: [Case; 10] = [
            (Auto, tty, &[], Terminal, true),
            (Auto, Stream::Pipe, &[], Plain, false),
            (Auto, tty, &[("TERM", "dumb")], Plain, false),
            (Auto, tty, &[("CI", "true")], Plain, false),
            (Auto, tty, &[("CI", "false")], Terminal, true),
            (Auto, tty, &[("NO_COLOR", "1")], Terminal, false),
            (Auto, Stream::Pipe, &[("CLICOLOR_FORCE", "1")], Plain, false),
            (Always, tty, &[("NO_COLOR", "1")], Terminal, true),
            (Always, Stream::Pipe, &[("CI", "1")], Plain, true),
            (Never, tty, &[], Terminal, false),
        ];
        for (color, stream, variables, surface, painted) in cases {
            let look = look(color, stream, variables);
            assert_eq!(
                (look.surface, look.paint.is_on()),
                (surface, painted),
                "{color:?} {stream:?} {variables:?}"
            );
        }
    }

    #[test]
    fn symbols_follow_the_first_locale_variable_that_is_set() {
        let cases: [(&[(&str, &str)], bool); 5] = [
            (&[], false),
            (&[("LANG", "en_GB.UTF-8")], true),
            (&[("LANG", "de_DE.utf8")], true),
            (&[("LANG", "en_GB.UTF-8"), ("LC_ALL", "C")], false),
            (&[("LANG", "C"), ("LC_CTYPE", "C.UTF-8")], true),
        ];
        for (variables, unicode) in cases {
            let found = look(ColorChoice::Auto, Stream::Pipe, variables).symbols;
            assert_eq!(found.pass == Symbols::UNICODE.pass, unicode, "{variables:?}");
        }
    }

    #[test]
    fn prose_stays_readable_on_wide_terminals() {
        let wide = look(ColorChoice::Auto, Stream::Fixed { rows: 50, columns: 200 }, &[]);
        assert_eq!((wide.columns(), wide.prose()), (Some(200), 80));
        let narrow = look(ColorChoice::Auto, Stream::Fixed { rows: 50, columns: 44 }, &[]);
        assert_eq!((narrow.columns(), narrow.prose()), (Some(44), 44));
        let pipe = look(ColorChoice::Auto, Stream::Pipe, &[]);
        assert_eq!((pipe.columns(), pipe.prose()), (None, 80));
    }
}
