//! Components and jobs starting and stopping.

use super::MARGIN;
use crate::app::ui::screen::{LiveLine, Screen};
use crate::app::ui::text;
use crate::core::event::RuntimeEvent;
use crate::core::numbers::words;

#[derive(Default)]
pub(super) struct Runtime {
    working: Option<LiveLine>,
}

impl Runtime {
    pub(super) fn show(&mut self, event: &RuntimeEvent, screen: &mut Screen) {
        let look = screen.look;
        match event {
            RuntimeEvent::Working { what } => {
                let doing = text::clean(what).replace('\n', " ");
                self.working = None;
                self.working = Some(screen.live(move |progress| {
                    let spinner = look.paint.code(progress.frame(look.symbols.spinner));
                    format!("{MARGIN}{spinner} {doing}")
                }));
            }
            RuntimeEvent::Done { what, detail, took } => {
                self.hold();
                let done = format!("{MARGIN}{} {}", look.paint.good(look.symbols.pass), text::clean(what));
                screen.line(&text::spread(&done, &look.paint.dim(&words::duration(*took)), look.prose()));
                if !detail.is_empty() {
                    for line in text::wrap(&text::clean(detail), Some(look.prose().saturating_sub(4))) {
                        screen.line(&format!("{MARGIN}  {}", look.paint.dim(&line)));
                    }
                }
            }
            RuntimeEvent::TakenDown { removed, took } => {
                self.hold();
                screen.blank();
                if removed.is_empty() {
                    screen.line(&format!(
                        "{MARGIN}{} nothing was left to take down",
                        look.paint.good(look.symbols.pass)
                    ));
                    return;
                }
                let verdict = format!("{MARGIN}{} taken down", look.paint.good(look.symbols.pass));
                screen.line(&text::spread(&verdict, &look.paint.dim(&words::duration(*took)), look.prose()));
                for thing in removed {
                    for line in text::wrap(&text::clean(thing), Some(look.prose().saturating_sub(4))) {
                        screen.line(&format!("{MARGIN}  {}", look.paint.dim(&line)));
                    }
                }
            }
        }
    }

    pub(super) fn hold(&mut self) {
        self.working = None;
    }
}
