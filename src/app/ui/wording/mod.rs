//! The words for events, one place for each kind. Terminal and plain lines share them; `--json` has the fields instead.

mod image;
mod jobs;
mod note;
pub(super) mod provision;
mod runtime;

use std::time::Duration;

pub(super) use note::{note, warning};
pub(crate) use runtime::{ready, runtime_reason};

use crate::core::event::{Event, LabEvent};

/// Work in progress or done, which all views draw in the same way.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// In progress; the next stage replaces it.
    Working(String),
    /// Done.
    Done {
        what: String,
        /// Each on a line of its own.
        details: Vec<String>,
        took: Duration,
    },
}

/// The words for an event of components, jobs or images, and for what a lab does between the steps that it shows.
pub(super) fn stage(event: &Event) -> Option<Stage> {
    match event {
        Event::Runtime(event) => Some(runtime::stage(event)),
        Event::Jobs(event) => Some(jobs::stage(event)),
        Event::Image(event) => Some(image::stage(event)),
        Event::Lab(LabEvent::Preceding { number, .. }) => {
            Some(Stage::Working(format!("running step {number} first")))
        }
        Event::Lab(LabEvent::Trying { number, of, trial, .. }) => {
            Some(Stage::Working(format!("step {number} of {of}: {}", trial.name())))
        }
        _ => None,
    }
}
