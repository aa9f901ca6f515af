//! Writes permanent lines, and live lines below them.
//!
//! Invariant: permanent lines go through one `Write`; only this file uses the library that draws live lines.

use std::io::Write;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::look::{Look, Surface};
use super::text;

const TICK: Duration = Duration::from_millis(100);
/// Shorter work shows no live line.
const UNNOTICED: Duration = Duration::from_millis(150);

/// The output stream.
pub(super) struct Screen {
    pub(super) look: Look,
    out: Box<dyn Write + Send>,
    live: MultiProgress,
    ends_blank: bool,
    began: Instant,
}

/// The progress of a live line's work.
#[derive(Debug, Clone, Copy)]
pub(super) struct Progress {
    pub(super) done: u64,
    pub(super) total: Option<u64>,
    /// Per second.
    pub(super) rate: f64,
    pub(super) left: Duration,
    pub(super) elapsed: Duration,
    /// Since the screen was opened, so that all spinners turn together.
    pub(super) clock: Duration,
}

impl Screen {
    /// Standard error.
    pub(super) fn stderr(look: Look) -> Self {
        let target = match look.surface {
            Surface::Terminal if !look.quiet => ProgressDrawTarget::stderr(),
            _ => ProgressDrawTarget::hidden(),
        };
        Self::new(look, Box::new(std::io::stderr()), target)
    }

    pub(super) fn new(look: Look, out: Box<dyn Write + Send>, target: ProgressDrawTarget) -> Self {
        Self {
            look,
            out,
            live: MultiProgress::with_draw_target(target),
            ends_blank: true,
            began: Instant::now(),
        }
    }

    /// Writes a permanent line.
    pub(super) fn line(&mut self, line: &str) {
        self.text(&format!("{line}\n"));
    }

    /// Writes permanent lines.
    pub(super) fn lines<T: AsRef<str>>(&mut self, lines: impl IntoIterator<Item = T>) {
        self.text(&text::ended(lines));
    }

    /// Writes permanent lines, each with its end.
    pub(super) fn text(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        self.ends_blank = text == "\n" || text.ends_with("\n\n");
        let out = &mut self.out;
        // One write, so that lines of other processes do not get between. An error is ignored: it cannot be reported.
        self.live.suspend(|| drop(out.write_all(text.as_bytes()).and_then(|()| out.flush())));
    }

    /// Writes a blank line, unless the last line is blank.
    pub(super) fn blank(&mut self) {
        if !self.ends_blank {
            self.text("\n");
        }
    }

    /// Writes a question on one line, without an end of line.
    pub(super) fn ask(&mut self, question: &str) {
        let columns = self.look.columns().unwrap_or(usize::MAX).saturating_sub(4);
        let question = text::clip(question, columns, self.look.symbols.ellipsis);
        self.raw(&format!("  {} ", self.look.paint.dim(&question)));
    }

    /// Removes the question. After Enter the cursor is one line below it.
    pub(super) fn take_back(&mut self, after_enter: bool) {
        self.raw(if after_enter { "\u{1b}[1A\r\u{1b}[2K" } else { "\r\u{1b}[2K" });
    }

    fn raw(&mut self, text: &str) {
        drop(self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush()));
    }

    /// Adds a live line at the bottom.
    pub(super) fn live<D>(&self, draw: D) -> LiveLine
    where
        D: Fn(&Progress) -> String + Clone + Send + Sync + 'static,
    {
        LiveLine::start(&self.live.add(ProgressBar::no_length()), self.began, draw)
    }

    /// Adds a live line above another.
    pub(super) fn live_above<D>(&self, below: &LiveLine, draw: D) -> LiveLine
    where
        D: Fn(&Progress) -> String + Clone + Send + Sync + 'static,
    {
        LiveLine::start(&self.live.insert_before(&below.bar, ProgressBar::no_length()), self.began, draw)
    }
}

/// A line that is redrawn continuously, and removed on drop.
pub(super) struct LiveLine {
    bar: ProgressBar,
}

impl LiveLine {
    fn start<D>(bar: &ProgressBar, began: Instant, draw: D) -> Self
    where
        D: Fn(&Progress) -> String + Clone + Send + Sync + 'static,
    {
        let write = move |state: &ProgressState, out: &mut dyn std::fmt::Write| {
            if state.elapsed() >= UNNOTICED {
                // Formatting into indicatif's own string cannot fail.
                let _ = out.write_str(&draw(&Progress::of(state, began)));
            }
        };
        let style = ProgressStyle::with_template("{line}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).with_key("line", write));
        bar.enable_steady_tick(TICK);
        Self { bar: bar.clone() }
    }

    /// Sets the start of the count and of the rate.
    pub(super) fn count_from(&self, done: u64, total: Option<u64>) {
        match total {
            Some(total) => self.bar.set_length(total),
            None => self.bar.unset_length(),
        }
        self.bar.set_position(done);
        self.bar.reset_eta();
    }

    /// Corrects the time that is shown.
    pub(super) fn has_run_for(&self, elapsed: Duration) {
        self.bar.set_elapsed(elapsed);
    }

    pub(super) fn advance(&self, done: u64, total: Option<u64>) {
        if let Some(total) = total {
            self.bar.set_length(total);
        }
        self.bar.set_position(done);
    }
}

impl Drop for LiveLine {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

impl Progress {
    fn of(state: &ProgressState, began: Instant) -> Self {
        Self {
            done: state.pos(),
            total: state.len(),
            rate: state.per_sec(),
            left: state.eta(),
            elapsed: state.elapsed(),
            clock: began.elapsed(),
        }
    }

    /// The frame of a spinner that turns ten times a second.
    pub(super) fn frame<'a>(&self, frames: &[&'a str]) -> &'a str {
        let tick = usize::try_from(self.clock.as_millis() / TICK.as_millis()).unwrap_or(0);
        frames.get(tick % frames.len().max(1)).copied().unwrap_or(" ")
    }
}
