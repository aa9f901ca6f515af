//! The view for a person at a terminal.

mod bench;
mod bundle;
mod lab;
mod lines;
mod provision;
mod stage;
mod summary;
mod task;
mod tested;

use self::bench::Bench;
use self::bundle::Bundle;
use self::lab::Lab;
use self::provision::Provision;
use self::stage::Stages;
use super::failure::labelled;
use super::screen::Screen;
use super::served;
use super::text;
use super::view::View;
use super::wording;
use crate::core::event::{Event, RuntimeEvent};

/// The left margin of everything except rules.
const MARGIN: &str = "  ";

/// Draws events for a person at a terminal.
#[derive(Default)]
pub(super) struct Terminal {
    provision: Provision,
    lab: Lab,
    stages: Stages,
    bench: Bench,
    bundle: Bundle,
}

impl View for Terminal {
    fn show(&mut self, event: &Event, screen: &mut Screen) {
        if let Some(stage) = wording::stage(event) {
            if matches!(event, Event::Runtime(RuntimeEvent::TakenDown { .. })) {
                screen.blank();
            }
            return self.stages.show(&stage, screen);
        }
        let paint = screen.look.paint;
        match event {
            Event::Note(note) => {
                screen.lines(labelled(&paint.strong("note:"), &wording::note(note), &screen.look));
            }
            Event::Warning(warning) => {
                screen.lines(labelled(&paint.warn("warning:"), &wording::warning(warning), &screen.look));
            }
            Event::Log(line) => {
                let text = format!("{MARGIN}{}: {}", line.level, text::clean(&line.text).trim_end());
                screen.line(&paint.dim(&text));
            }
            Event::Provision(event) => self.provision.show(event, screen),
            Event::Lab(event) => {
                self.stages.suspend();
                self.lab.show(event, screen);
            }
            Event::Repo(event) => served::show(event, screen),
            Event::Bench(event) => self.bench.show(event, screen),
            Event::Bundle(event) => self.bundle.show(event, screen),
            Event::Runtime(_) | Event::Jobs(_) | Event::Image(_) => {}
        }
    }

    fn suspend(&mut self) {
        self.provision.suspend();
        self.lab.suspend();
        self.stages.suspend();
        self.bench.suspend();
        self.bundle.suspend();
    }

    fn resume(&mut self, screen: &Screen) {
        self.lab.resume(screen);
    }
}
