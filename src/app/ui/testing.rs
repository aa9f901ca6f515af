//! For tests: looks, a buffer to write to, and readable escape codes.

use std::io::Write;
use std::sync::{Arc, Mutex};

use super::look::{Look, Stream, Surface};
use super::paint::{Paint, Symbols};
use crate::core::settings::{ColorChoice, Environment};

/// A terminal without colour, with Unicode.
pub(crate) fn look(columns: usize) -> Look {
    let environment = Environment::from_pairs([("LANG", "C.UTF-8")]);
    Look::before_settings(&environment, false, ColorChoice::Never, Stream::Fixed { rows: 24, columns })
}

/// No terminal.
pub(crate) fn pipe() -> Look {
    let environment = Environment::from_pairs([("LANG", "C.UTF-8")]);
    Look::before_settings(&environment, false, ColorChoice::Auto, Stream::Pipe)
}

impl Look {
    pub(crate) fn colored(mut self) -> Self {
        self.paint = Paint::new(true);
        self
    }

    pub(crate) fn ascii(mut self) -> Self {
        self.symbols = &Symbols::ASCII;
        self
    }

    pub(super) fn json(mut self) -> Self {
        self.surface = Surface::Json;
        self
    }

    pub(super) fn quiet(mut self) -> Self {
        self.quiet = true;
        self
    }

    pub(super) fn verbose(mut self) -> Self {
        self.verbose = true;
        self
    }
}

/// Escape codes as words, so that a snapshot can be read and reviewed.
pub(crate) fn shown(text: &str) -> String {
    const CODES: [(&str, &str); 9] = [
        ("\u{1b}[0m", "⟨/⟩"),
        ("\u{1b}[1m", "⟨bold⟩"),
        ("\u{1b}[2m", "⟨dim⟩"),
        ("\u{1b}[3m", "⟨italic⟩"),
        ("\u{1b}[4m", "⟨underlined⟩"),
        ("\u{1b}[31m", "⟨red⟩"),
        ("\u{1b}[32m", "⟨green⟩"),
        ("\u{1b}[33m", "⟨yellow⟩"),
        ("\u{1b}[36m", "⟨cyan⟩"),
    ];
    let shown = CODES.iter().fold(text.to_owned(), |text, (code, name)| text.replace(code, name));
    assert!(!shown.contains('\u{1b}'), "an escape code without a name in {shown:?}");
    shown
}

/// What was written.
#[derive(Clone, Default)]
pub(super) struct Paper(Arc<Mutex<Vec<u8>>>);

impl Paper {
    pub(super) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
