//! The terminal in raw mode, for another program.

use std::io::Write as _;

use rustix::stdio::{stdin, stdout};
use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr};

use crate::core::failure::Result;

/// A terminal in raw mode; restored on drop.
#[derive(Debug)]
pub struct RawTerminal {
    before: Termios,
}

impl RawTerminal {
    /// Sets raw mode, if standard input and output are a terminal.
    pub fn enter() -> Option<Self> {
        if !isatty(stdin()) || !isatty(stdout()) {
            return None;
        }
        let before = tcgetattr(stdin()).ok()?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(stdin(), OptionalActions::Now, &raw).ok()?;
        Some(Self { before })
    }

    /// Its columns and rows.
    pub fn size() -> Option<(u16, u16)> {
        let size = tcgetwinsize(stdout()).ok()?;
        Some((size.ws_col, size.ws_row))
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        let _ = tcsetattr(stdin(), OptionalActions::Drain, &self.before);
    }
}

/// Writes another program's output to standard output or standard error. Returns `false` once the pipe is closed.
pub fn print_bytes(bytes: &[u8], error: bool) -> Result<bool> {
    if !error {
        return super::print_while_read(bytes);
    }
    let mut out = std::io::stderr().lock();
    // An error is ignored: it cannot be reported.
    let _ = out.write_all(bytes).and_then(|()| out.flush());
    Ok(true)
}
