//! Components, jobs and images: a live line for what is in progress, and a permanent line for what is done.

use super::MARGIN;
use crate::app::ui::screen::{LiveLine, Screen};
use crate::app::ui::text;
use crate::app::ui::wording::Stage;
use crate::core::numbers::words;

#[derive(Default)]
pub(super) struct Stages {
    working: Option<LiveLine>,
}

impl Stages {
    pub(super) fn show(&mut self, stage: &Stage, screen: &mut Screen) {
        let look = screen.look;
        self.suspend();
        match stage {
            Stage::Working(what) => {
                let doing = text::clean(what).replace('\n', " ");
                self.working = Some(screen.live(move |progress| {
                    let spinner = look.paint.code(progress.frame(look.symbols.spinner));
                    format!("{MARGIN}{spinner} {doing}")
                }));
            }
            Stage::Done { what, details, took } => {
                let done = format!("{MARGIN}{} {}", look.paint.good(look.symbols.pass), text::clean(what));
                screen.line(&text::spread(&done, &look.paint.dim(&words::duration(*took)), look.prose()));
                for detail in details {
                    for line in text::wrap(&text::clean(detail), Some(look.prose().saturating_sub(4))) {
                        screen.line(&format!("{MARGIN}  {}", look.paint.dim(&line)));
                    }
                }
            }
        }
    }

    pub(super) fn suspend(&mut self) {
        self.working = None;
    }
}
