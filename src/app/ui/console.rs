//! Passes events to the view that draws them, one at a time.

use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;

use super::json::Json;
use super::look::{Look, Surface};
use super::pause::{self, Answer};
use super::plain::Plain;
use super::screen::Screen;
use super::terminal::Terminal;
use super::view::View;
use crate::core::event::{Event, Reporter};
use crate::core::failure::Failure;
use crate::core::settings::Settings;
use crate::labs::{Reader, Turn};

/// Standard error of a run.
pub struct Console {
    stage: Mutex<Stage>,
    asks: bool,
}

struct Stage {
    screen: Screen,
    view: Box<dyn View>,
    /// The question below everything else, until it is answered.
    question: Option<String>,
}

impl Console {
    /// Chooses the view by the settings and by what standard error is.
    pub fn new(settings: &Settings) -> Self {
        let look = Look::of_stderr(settings);
        let asks =
            look.surface == Surface::Terminal && !look.quiet && !settings.yes && pause::stdin_answers();
        Self::on(Screen::stderr(look), asks)
    }

    pub(super) fn on(screen: Screen, asks: bool) -> Self {
        let view: Box<dyn View> = match (screen.look.quiet, screen.look.surface) {
            (true, _) => Box::new(Quiet),
            (_, Surface::Json) => Box::new(Json::default()),
            (_, Surface::Plain) => Box::new(Plain::default()),
            (_, Surface::Terminal) => Box::new(Terminal::default()),
        };
        Self { stage: Mutex::new(Stage { screen, view, question: None }), asks }
    }

    /// Prints the failure that ends the run.
    pub fn failure(&self, failure: &Failure) {
        let mut stage = self.stage();
        stage.view.suspend();
        let text = super::failure::draw(failure, &stage.screen.look);
        if stage.screen.look.surface == Surface::Terminal {
            stage.screen.blank();
        }
        stage.screen.text(&text);
    }

    /// Asks for Enter or another answer. Without a terminal, with `-y` and with `-q`, returns at once. Events are drawn above
    /// the question. The question disappears when the future is dropped, for example by Ctrl-C.
    pub async fn pause(&self, prompt: &str) -> Answer {
        if !self.asks {
            return Answer::GoOn;
        }
        let mut asking = Asking::start(self, prompt);
        let reply = pause::reply().await;
        asking.answered_by_line = reply.is_line;
        reply.answer
    }

    /// The reader of a lab, if questions can be asked.
    pub fn reader(&self) -> Option<&dyn Reader> {
        self.asks.then_some(self as &dyn Reader)
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        // A view that panicked left half a line at worst.
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reporter for Console {
    fn report(&self, event: Event) {
        let mut stage = self.stage();
        let Stage { screen, view, question } = &mut *stage;
        match question {
            None => view.show(&event, screen),
            Some(question) => {
                screen.take_back(false);
                view.show(&event, screen);
                view.suspend();
                screen.ask(question);
            }
        }
    }
}

impl Reader for Console {
    fn turn(&self) -> BoxFuture<'_, Turn> {
        Box::pin(async {
            match self.pause("Your turn: Enter when it is done, h hint, s solution, q stop").await {
                Answer::GoOn => Turn::Done,
                Answer::Hint => Turn::Hint,
                Answer::Solve => Turn::Solve,
                Answer::Quit => Turn::Quit,
            }
        })
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        self.stage().view.suspend();
    }
}

/// A question on the screen; removed on drop.
struct Asking<'a> {
    console: &'a Console,
    /// Whether Enter moved the cursor to the next line.
    answered_by_line: bool,
}

impl<'a> Asking<'a> {
    fn start(console: &'a Console, prompt: &str) -> Self {
        let mut stage = console.stage();
        let Stage { screen, view, question } = &mut *stage;
        view.suspend();
        // Before the question is shown: what is typed from then on is an answer.
        pause::forget_what_was_typed();
        screen.ask(prompt);
        *question = Some(prompt.to_owned());
        Self { console, answered_by_line: false }
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        let mut stage = self.console.stage();
        let Stage { screen, view, question } = &mut *stage;
        *question = None;
        screen.take_back(self.answered_by_line);
        view.resume(screen);
    }
}

/// With `-q`: only errors, and data on standard output.
struct Quiet;

impl View for Quiet {
    fn show(&mut self, _: &Event, _: &mut Screen) {}
}

#[cfg(test)]
mod tests {
    use indicatif::ProgressDrawTarget;

    use super::*;
    use crate::app::ui::testing::{Paper, look, pipe};
    use crate::core::event::Note;

    #[test]
    fn a_question_stays_below_what_happens_meanwhile_and_is_gone_at_the_end() {
        let paper = Paper::default();
        let screen = Screen::new(look(80), Box::new(paper.clone()), ProgressDrawTarget::hidden());
        let console = Console::on(screen, true);
        let mut asking = Asking::start(&console, "Enter runs it");
        console.report(Event::Note(Note::NoMoreHints));
        asking.answered_by_line = true;
        drop(asking);
        console.report(Event::Note(Note::NothingRuns { address: None }));
        assert_eq!(
            paper.text(),
            concat!(
                "  Enter runs it \r\u{1b}[2Knote: there are no more hints\n",
                "  Enter runs it \u{1b}[1A\r\u{1b}[2Knote: nothing is running on any address\n"
            )
        );
    }

    #[tokio::test]
    async fn without_a_terminal_nothing_is_asked() {
        let paper = Paper::default();
        let screen = Screen::new(pipe(), Box::new(paper.clone()), ProgressDrawTarget::hidden());
        assert_eq!(Console::on(screen, false).pause("Enter runs it").await, Answer::GoOn);
        assert_eq!(paper.text(), "");
    }
}
