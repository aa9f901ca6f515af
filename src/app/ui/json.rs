//! Events for programs: one object per line, with the number of the schema.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::pace::Pace;
use super::screen::Screen;
use super::view::View;
use crate::core::event::{BundleEvent, Event, LabEvent, ProvisionEvent};

/// Grows when a program that reads the objects would have to change.
const SCHEMA: u32 = 1;

/// Often enough for any display, and few enough for any reader.
const BETWEEN_PROGRESS: Duration = Duration::from_millis(200);

#[derive(Serialize)]
struct Line<'a, T> {
    schema: u32,
    #[serde(flatten)]
    content: &'a T,
}

/// An object as a line, with the schema's number.
pub(super) fn line<T: Serialize>(content: &T) -> String {
    // Plain data with text keys cannot fail to serialize; an empty line would be the least harm.
    let mut line = serde_json::to_string(&Line { schema: SCHEMA, content }).unwrap_or_default();
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
        // Whoever reads these wants what a person would see; `--report` writes it all.
        if matches!(event, Event::Lab(LabEvent::OutputBeyond { .. })) {
            return;
        }
        let progress_of = match event {
            Event::Provision(ProvisionEvent::FetchProgress { file, .. }) => Some(file.as_str()),
            // No file is called so.
            Event::Bundle(BundleEvent::Progress { .. }) => Some("/"),
            _ => None,
        };
        if progress_of.is_some_and(|what| !self.pace.is_due(what, Instant::now())) {
            return;
        }
        screen.text(&line(event));
    }
}
