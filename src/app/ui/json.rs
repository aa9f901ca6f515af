//! Events for programs: one object per line, with the number of the schema.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::pace::Pace;
use super::screen::Screen;
use super::view::View;
use crate::core::event::{BundleEvent, Event, LabEvent, ProvisionEvent};

/// The schema of events and errors. It grows with a change for which programs that read them must change.
const EVENTS: u32 = 2;

/// The schema of documents that have no number of their own.
const DOCUMENTS: u32 = 1;

/// The least time between two events of progress.
const BETWEEN_PROGRESS: Duration = Duration::from_millis(200);

#[derive(Serialize)]
struct Line<'a, T> {
    schema: u32,
    #[serde(flatten)]
    content: &'a T,
}

/// An event or an error as a line.
pub(super) fn event<T: Serialize>(event: &T) -> String {
    line(EVENTS, event)
}

/// A document as a line.
pub(super) fn document<T: Serialize>(document: &T) -> String {
    line(DOCUMENTS, document)
}

fn line<T: Serialize>(schema: u32, content: &T) -> String {
    // Plain data with text keys cannot fail to serialize; an empty line would be the least harm.
    let mut line = serde_json::to_string(&Line { schema, content }).unwrap_or_default();
    line.push('\n');
    line
}

/// Writes each event as it is.
pub(super) struct Json {
    pace: Pace,
}

impl Default for Json {
    fn default() -> Self {
        Self { pace: Pace::new(BETWEEN_PROGRESS) }
    }
}

impl View for Json {
    fn show(&mut self, event: &Event, screen: &mut Screen) {
        // These are the lines that a person sees; reports have all of them.
        if matches!(event, Event::Lab(LabEvent::OutputBeyond { .. })) {
            return;
        }
        let progress_of = match event {
            Event::Provision(ProvisionEvent::FetchProgress { file, .. }) => Some(file.as_str()),
            // No file has this name.
            Event::Bundle(BundleEvent::Progress { .. }) => Some("/"),
            _ => None,
        };
        if progress_of.is_some_and(|what| !self.pace.is_due(what, Instant::now())) {
            return;
        }
        screen.text(&self::event(event));
    }
}
