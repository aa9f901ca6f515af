//! Export or import of a bundle, as a log.

use std::time::{Duration, Instant};

use super::one_line;
use crate::app::ui::pace::Pace;
use crate::app::ui::screen::Screen;
use crate::core::event::{BundleEvent, BundleVerb};
use crate::core::model::{ByteSize, Platform};
use crate::core::numbers::words;

const BETWEEN_TICKS: Duration = Duration::from_secs(10);

pub(super) struct Bundle {
    ticks: Pace,
    size: ByteSize,
}

impl Default for Bundle {
    fn default() -> Self {
        Self { ticks: Pace::new(BETWEEN_TICKS), size: ByteSize(0) }
    }
}

impl Bundle {
    pub(super) fn show(&mut self, event: &BundleEvent, screen: &mut Screen) {
        if let Some(line) = self.line(event, Instant::now()) {
            screen.line(&line);
        }
    }

    fn line(&mut self, event: &BundleEvent, now: Instant) -> Option<String> {
        Some(match event {
            BundleEvent::Started { verb, file, artifacts, platforms, size } => {
                self.ticks.start("", now);
                self.size = *size;
                let platforms: Vec<&str> = platforms.iter().copied().map(Platform::name).collect();
                let (doing, way) = match verb {
                    BundleVerb::Export => ("exporting", "to"),
                    BundleVerb::Import => ("importing", "from"),
                };
                let what = words::count(*artifacts, "artifact");
                let file = one_line(file);
                format!("{doing} {what} for {} ({size}) {way} {file}", platforms.join(", "))
            }
            BundleEvent::Progress { artifact, done } => {
                if !self.ticks.is_due("", now) {
                    return None;
                }
                format!("{done} of {}: {}", self.size, one_line(artifact))
            }
            BundleEvent::Finished { verb, size, took, .. } => {
                let done = match verb {
                    BundleVerb::Export => "exported",
                    BundleVerb::Import => "imported",
                };
                format!("{done} and verified {size} ({})", words::duration(*took))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_a_line_every_ten_seconds_at_most() {
        let mut view = Bundle::default();
        let start = Instant::now();
        let started = BundleEvent::Started {
            verb: BundleVerb::Export,
            file: "lab.tar".into(),
            artifacts: 2,
            platforms: Platform::ALL.into(),
            size: ByteSize(2000),
        };
        assert_eq!(
            view.line(&started, start).as_deref(),
            Some("exporting 2 artifacts for linux-x86_64, linux-arm64 (2.0 kB) to lab.tar")
        );
        let mut at = |seconds| {
            let event = BundleEvent::Progress { artifact: "consul".into(), done: ByteSize(1000) };
            view.line(&event, start + Duration::from_secs(seconds))
        };
        assert_eq!(at(9), None);
        assert_eq!(at(11).as_deref(), Some("1.0 kB of 2.0 kB: consul"));
        assert_eq!(at(12), None);
    }
}
