//! `lab test`: for each step the trials, and what was observed.

use super::MARGIN;
use super::lines::marked;
use crate::app::ui::screen::Screen;
use crate::app::ui::text;
use crate::core::event::LabEvent;
use crate::core::numbers::words;

#[derive(Default)]
pub(super) struct Tested {
    /// The step of the last trial.
    step: usize,
}

impl Tested {
    pub(super) fn show(&mut self, event: &LabEvent, screen: &mut Screen) {
        let look = screen.look;
        match event {
            LabEvent::Tried { number, of, title, trial, passed, observed, took, .. } => {
                if self.step != *number {
                    self.step = *number;
                    screen.blank();
                    let title = format!("{number}/{of}  {}", text::clean(title));
                    screen.line(&format!("{MARGIN}{}", look.paint.strong(&title)));
                }
                let symbol = if *passed {
                    look.paint.good(look.symbols.pass)
                } else {
                    look.paint.bad(look.symbols.fail)
                };
                let observed = text::clean(observed).replace('\n', " ");
                let room = look.prose().saturating_sub(24);
                let observed = text::clip(&observed, room, look.symbols.ellipsis);
                let said = format!("{}  {observed}", text::pad(trial.name(), 6));
                screen.lines(marked(&symbol, &said, &look.paint.dim(&words::duration(*took)), &look));
            }
            LabEvent::Tested { id, steps, of, trials, wrong, passed, took } => {
                self.step = 0;
                let of = words::count(*of, "step");
                let trials = match wrong {
                    0 => format!("{} passed", words::count(*trials, "trial")),
                    wrong => format!("{wrong} of {} failed", words::count(*trials, "trial")),
                };
                let sentence = format!("lab {id} tested: {steps} of {of}, {trials}");
                let verdict = if *passed {
                    look.paint.good(&format!("{} {sentence}", look.symbols.pass))
                } else {
                    look.paint.bad(&format!("{} {sentence}", look.symbols.fail))
                };
                screen.blank();
                let time = look.paint.dim(&words::duration(*took));
                screen.line(&text::spread(&format!("{MARGIN}{verdict}"), &time, look.prose()));
            }
            _ => {}
        }
    }
}
