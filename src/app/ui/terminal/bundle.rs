//! Export or import of a bundle: a live line with a bar, and a permanent line.

use std::sync::{Arc, Mutex, PoisonError};

use super::MARGIN;
use super::task::{self, Doing};
use crate::app::ui::screen::{LiveLine, Screen};
use crate::app::ui::text;
use crate::core::event::{BundleEvent, BundleVerb};
use crate::core::model::Platform;
use crate::core::numbers::words;

#[derive(Default)]
pub(super) struct Bundle {
    live: Option<Live>,
}

struct Live {
    line: LiveLine,
    doing: Arc<Mutex<Doing>>,
    size: u64,
}

impl Bundle {
    pub(super) fn show(&mut self, event: &BundleEvent, screen: &mut Screen) {
        match event {
            BundleEvent::Started { verb, file, artifacts, platforms, size } => {
                let platforms: Vec<&str> = platforms.iter().copied().map(Platform::name).collect();
                let look = screen.look;
                let (title, name) = match verb {
                    BundleVerb::Export => ("Exporting", "export"),
                    BundleVerb::Import => ("Importing", "import"),
                };
                let what = format!("{title} {}", words::count(*artifacts, "artifact"));
                let rest = format!(" for {}, {size}: {}", platforms.join(", "), text::clean(file));
                screen.blank();
                let heading = format!("{}{}", look.paint.title(&what), look.paint.dim(&rest));
                let columns = look.columns().unwrap_or(80).saturating_sub(1);
                screen.line(&text::clip(&format!("{MARGIN}{heading}"), columns, look.symbols.ellipsis));
                screen.blank();
                let doing = Arc::new(Mutex::new(Doing::Fetching { from: String::new() }));
                let shared = Arc::clone(&doing);
                let line = screen.live(move |progress| {
                    let doing = shared.lock().unwrap_or_else(PoisonError::into_inner).clone();
                    task::draw(name, text::width(name), &doing, progress, &look)
                });
                line.count_from(0, Some(size.0));
                self.live = Some(Live { line, doing, size: size.0 });
            }
            BundleEvent::Progress { artifact, done } => {
                if let Some(live) = &self.live {
                    let from = text::clean(artifact);
                    *live.doing.lock().unwrap_or_else(PoisonError::into_inner) = Doing::Fetching { from };
                    live.line.advance(done.0, Some(live.size));
                }
            }
            BundleEvent::Finished { verb, size, took, .. } => {
                self.suspend();
                let look = screen.look;
                let done = match verb {
                    BundleVerb::Export => "exported and verified",
                    BundleVerb::Import => "verified",
                };
                let verdict = format!("{MARGIN}{} {done}", look.paint.good(look.symbols.pass));
                let effort = format!("{size} in {}", words::duration(*took));
                screen.line(&text::spread(&verdict, &look.paint.dim(&effort), look.prose()));
                screen.blank();
            }
        }
    }

    pub(super) fn suspend(&mut self) {
        self.live = None;
    }
}
