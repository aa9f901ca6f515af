//! Reports the progress of an export or import, at most ten times a second.

use std::time::{Duration, Instant};

use crate::core::event::{BundleEvent, BundleVerb, Event, SharedReporter};
use crate::core::model::ByteSize;

use super::manifest::Manifest;

const REPORT_INTERVAL: Duration = Duration::from_millis(100);

/// Counts the bytes of all files.
pub(super) struct BundleProgress {
    reporter: SharedReporter,
    verb: BundleVerb,
    file: String,
    started: Instant,
    last_report: Instant,
    /// The bytes of completed files.
    completed: u64,
}

impl BundleProgress {
    pub(super) fn start(
        reporter: &SharedReporter,
        verb: BundleVerb,
        file: &str,
        manifest: &Manifest,
    ) -> Self {
        let now = Instant::now();
        reporter.report(Event::Bundle(BundleEvent::Started {
            verb,
            file: file.to_owned(),
            artifacts: manifest.artifacts.len(),
            platforms: manifest.platforms(),
            size: ByteSize(manifest.bytes()),
        }));
        Self {
            reporter: reporter.clone(),
            verb,
            file: file.to_owned(),
            started: now,
            last_report: now,
            completed: 0,
        }
    }

    /// Reports that `done` bytes of a file of `artifact` are processed.
    pub(super) fn report(&mut self, artifact: &str, done: u64) {
        let now = Instant::now();
        if now.duration_since(self.last_report) < REPORT_INTERVAL {
            return;
        }
        self.last_report = now;
        self.reporter.report(Event::Bundle(BundleEvent::Progress {
            artifact: artifact.to_owned(),
            done: ByteSize(self.completed.saturating_add(done)),
        }));
    }

    /// Counts a completed file.
    pub(super) fn complete_file(&mut self, size: u64) {
        self.completed = self.completed.saturating_add(size);
    }

    pub(super) fn finish(self) {
        self.reporter.report(Event::Bundle(BundleEvent::Finished {
            verb: self.verb,
            file: self.file,
            size: ByteSize(self.completed),
            took: self.started.elapsed(),
        }));
    }
}
