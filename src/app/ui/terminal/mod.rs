//! The view for a person at a terminal.

mod bench;
mod bundle;
mod lab;
mod lines;
mod provision;
mod runtime;
mod summary;
mod task;
mod tested;

use self::bench::Bench;
use self::bundle::Bundle;
use self::lab::Lab;
use self::provision::Provision;
use self::runtime::Runtime;
use super::failure::labelled;
use super::screen::Screen;
use super::served;
use super::view::View;
use crate::core::event::Event;

/// Everything stands this far from the left edge, but for rules.
const MARGIN: &str = "  ";

/// Draws events for a person.
#[derive(Default)]
pub(super) struct Terminal {
    provision: Provision,
    lab: Lab,
    runtime: Runtime,
    bench: Bench,
    bundle: Bundle,
}

impl View for Terminal {
    fn show(&mut self, event: &Event, screen: &mut Screen) {
        let paint = screen.look.paint;
        match event {
            Event::Note { text } => screen.lines(labelled(&paint.strong("note:"), text, &screen.look)),
            Event::Warning { text } => screen.lines(labelled(&paint.warn("warning:"), text, &screen.look)),
            Event::Provision(event) => self.provision.show(event, screen),
            Event::Lab(event) => self.lab.show(event, screen),
            Event::Repo(event) => served::show(event, screen),
            Event::Bench(event) => self.bench.show(event, screen),
            Event::Runtime(event) => self.runtime.show(event, screen),
            Event::Bundle(event) => self.bundle.show(event, screen),
        }
    }

    fn hold(&mut self) {
        self.provision.hold();
        self.lab.hold();
        self.runtime.hold();
        self.bench.hold();
        self.bundle.hold();
    }

    fn go_on(&mut self, screen: &Screen) {
        self.lab.go_on(screen);
    }
}
