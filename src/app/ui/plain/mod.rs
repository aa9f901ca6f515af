//! The view for files, pipes and CI logs: nothing moves, each event is a line that can be searched for.

mod bench;
mod bundle;
mod lab;
mod provision;

use self::bundle::Bundle;
use self::lab::Lab;
use self::provision::Provision;
use super::screen::Screen;
use super::served;
use super::text;
use super::view::View;
use crate::core::event::{Event, RuntimeEvent};
use crate::core::numbers::words;

/// Draws events as plain lines.
#[derive(Default)]
pub(super) struct Plain {
    provision: Provision,
    lab: Lab,
    bundle: Bundle,
}

impl View for Plain {
    fn show(&mut self, event: &Event, screen: &mut Screen) {
        match event {
            Event::Note { text } => screen.line(&format!("note: {}", one_line(text))),
            Event::Warning { text } => {
                screen.line(&format!("{} {}", screen.look.paint.warn("warning:"), one_line(text)));
            }
            Event::Provision(event) => self.provision.show(event, screen),
            Event::Lab(event) => self.lab.show(event, screen),
            Event::Repo(event) => served::show(event, screen),
            Event::Bench(event) => bench::show(event, screen),
            Event::Bundle(event) => self.bundle.show(event, screen),
            // Only what has come about is worth a line of a log.
            Event::Runtime(RuntimeEvent::Working { .. }) => {}
            Event::Runtime(RuntimeEvent::Done { what, detail, took }) => {
                let detail =
                    if detail.is_empty() { String::new() } else { format!(": {}", one_line(detail)) };
                screen.line(&format!("{}{detail} ({})", one_line(what), words::duration(*took)));
            }
            Event::Runtime(RuntimeEvent::TakenDown { removed, took }) => {
                let what: Vec<String> = removed.iter().map(|thing| one_line(thing)).collect();
                let what = if what.is_empty() { "nothing was left".to_owned() } else { what.join(", ") };
                screen.line(&format!("taken down ({}): {what}", words::duration(*took)));
            }
        }
    }
}

/// Text of others on one line.
fn one_line(said: &str) -> String {
    text::clean(said).trim_end().replace('\n', " ")
}
