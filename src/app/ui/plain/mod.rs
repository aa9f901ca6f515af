//! The view for files, pipes and CI logs: a line per event, without live lines.

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
use super::wording::{self, Stage};
use crate::core::event::Event;
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
        match wording::stage(event) {
            Some(Stage::Done { what, details, took }) => {
                let details =
                    if details.is_empty() { String::new() } else { format!(": {}", details.join(", ")) };
                let took = words::duration(took);
                return screen.line(&format!("{} ({took})", one_line(&format!("{what}{details}"))));
            }
            // A log has a line for what is done only.
            Some(Stage::Working(_)) => return,
            None => {}
        }
        match event {
            Event::Note(note) => screen.line(&format!("note: {}", one_line(&wording::note(note)))),
            Event::Warning(warning) => {
                let text = one_line(&wording::warning(warning));
                screen.line(&format!("{} {text}", screen.look.paint.warn("warning:")));
            }
            Event::Log(line) => {
                let text = format!("{}: {}", line.level, one_line(&line.text));
                screen.line(&screen.look.paint.dim(&text));
            }
            Event::Provision(event) => self.provision.show(event, screen),
            Event::Lab(event) => self.lab.show(event, screen),
            Event::Repo(event) => served::show(event, screen),
            Event::Bench(event) => bench::show(event, screen),
            Event::Bundle(event) => self.bundle.show(event, screen),
            Event::Runtime(_) | Event::Jobs(_) | Event::Image(_) => {}
        }
    }
}

/// Text from elsewhere, on one line.
fn one_line(said: &str) -> String {
    text::clean(said).trim_end().replace('\n', " ")
}
