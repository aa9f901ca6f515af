//! Telling how far a bundle is, and not too often.

use std::time::{Duration, Instant};

use crate::core::event::{BundleEvent, BundleVerb, Event, SharedReporter};
use crate::core::model::ByteSize;

use super::manifest::Manifest;

const BETWEEN: Duration = Duration::from_millis(100);

/// The bytes of all files, as they pass.
pub(super) struct Progress {
    reporter: SharedReporter,
    verb: BundleVerb,
    file: String,
    began: Instant,
    told: Instant,
    /// Bytes of files that are over.
    before: u64,
}

impl Progress {
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
        Self { reporter: reporter.clone(), verb, file: file.to_owned(), began: now, told: now, before: 0 }
    }

    /// So many bytes of the file that belongs to `artifact` have passed.
    pub(super) fn tell(&mut self, artifact: &str, done: u64) {
        let now = Instant::now();
        if now.duration_since(self.told) < BETWEEN {
            return;
        }
        self.told = now;
        self.reporter.report(Event::Bundle(BundleEvent::Progress {
            artifact: artifact.to_owned(),
            done: ByteSize(self.before.saturating_add(done)),
        }));
    }

    /// A file of this size is over.
    pub(super) fn over(&mut self, size: u64) {
        self.before = self.before.saturating_add(size);
    }

    pub(super) fn finish(self) {
        self.reporter.report(Event::Bundle(BundleEvent::Finished {
            verb: self.verb,
            file: self.file,
            size: ByteSize(self.before),
            took: self.began.elapsed(),
        }));
    }
}
