//! Provisioning as a log: a line at each start and end, and some in between.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::one_line;
use crate::app::ui::pace::Pace;
use crate::app::ui::provisioned;
use crate::app::ui::screen::Screen;
use crate::app::ui::wording::provision as wording;
use crate::core::event::ProvisionEvent;
use crate::core::model::ByteSize;
use crate::core::numbers::words;

/// The time between two lines of progress.
const BETWEEN_TICKS: Duration = Duration::from_secs(10);

pub(super) struct Provision {
    ticks: Pace,
    sizes: HashMap<String, u64>,
}

impl Default for Provision {
    fn default() -> Self {
        Self { ticks: Pace::new(BETWEEN_TICKS), sizes: HashMap::new() }
    }
}

impl Provision {
    pub(super) fn show(&mut self, event: &ProvisionEvent, screen: &mut Screen) {
        if let Some(line) = self.line(event, Instant::now()) {
            screen.line(&line);
        }
        if let ProvisionEvent::Finished { rows, took } = event {
            screen.lines(provisioned::summary(rows, *took, "", &screen.look));
        }
    }

    fn line(&mut self, event: &ProvisionEvent, now: Instant) -> Option<String> {
        Some(match event {
            ProvisionEvent::Planned { wanted, .. } if wanted.is_empty() => return None,
            ProvisionEvent::Planned { platform, ready, wanted } => {
                let names: Vec<&str> = wanted.iter().map(crate::core::model::ArtifactName::as_str).collect();
                let tools = words::count(wanted.len(), "tool");
                format!("getting {tools} for {platform}, {ready} in place: {}", names.join(", "))
            }
            ProvisionEvent::FetchStarted { artifact, file, from, size, resumed } => {
                self.ticks.start(file.as_str(), now);
                let mut facts = Vec::new();
                if let Some(size) = size {
                    self.sizes.insert(file.to_string(), size.0);
                    facts.push(size.to_string());
                }
                if resumed.0 > 0 {
                    facts.push(format!("resumed at {resumed}"));
                }
                let facts = if facts.is_empty() { String::new() } else { format!(" ({})", facts.join(", ")) };
                format!("{artifact}: fetching {file} from {from}{facts}")
            }
            ProvisionEvent::FetchProgress { artifact, file, done } => {
                if !self.ticks.is_due(file.as_str(), now) {
                    return None;
                }
                let of = self
                    .sizes
                    .get(file.as_str())
                    .map(|size| format!(" of {}", ByteSize(*size)))
                    .unwrap_or_default();
                format!("{artifact}: {done}{of}")
            }
            ProvisionEvent::FetchFinished { artifact, size, .. } => {
                format!("{artifact}: fetched and verified {size}")
            }
            ProvisionEvent::BuildProgress { artifact, build } => {
                if !self.ticks.is_due(artifact.as_str(), now) {
                    return None;
                }
                let doing = one_line(&wording::build(build));
                match wording::packages(build) {
                    None => format!("{artifact}: {doing}"),
                    Some((done, of)) => format!("{artifact}: building, {done} of {of} packages: {doing}"),
                }
            }
            ProvisionEvent::Waiting { artifact, claim, pid } => {
                format!("{artifact}: {}", one_line(&wording::waiting(artifact, claim, *pid)))
            }
            ProvisionEvent::SourceFailed { artifact, from, failure } => {
                format!("{artifact}: {}", one_line(&wording::source_failed(from, failure)))
            }
            ProvisionEvent::Unpacking { artifact } => format!("{artifact}: unpacking"),
            ProvisionEvent::Installed { artifact, version, from, took } => {
                format!(
                    "{artifact}: installed {} from {from} ({})",
                    one_line(version),
                    words::duration(*took)
                )
            }
            ProvisionEvent::Stored { artifact, version, from, took } => {
                format!("{artifact}: stored {} from {from} ({})", one_line(version), words::duration(*took))
            }
            ProvisionEvent::Failed { artifact, failure } => {
                format!("{artifact}: FAILED: {}", one_line(&failure.one_line()))
            }
            ProvisionEvent::Finished { .. } => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_a_line_every_ten_seconds_at_most() {
        let mut view = Provision::default();
        let start = Instant::now();
        let artifact: crate::core::model::ArtifactName = "consul".parse().unwrap();
        let file: crate::core::model::FileName = "consul.zip".parse().unwrap();
        let started = ProvisionEvent::FetchStarted {
            artifact: artifact.clone(),
            file: file.clone(),
            from: "url".into(),
            size: Some(ByteSize(2000)),
            resumed: ByteSize(500),
        };
        assert_eq!(
            view.line(&started, start).as_deref(),
            Some("consul: fetching consul.zip from url (2.0 kB, resumed at 500 B)")
        );
        let mut at = |seconds| {
            let (artifact, file) = (artifact.clone(), file.clone());
            let event = ProvisionEvent::FetchProgress { artifact, file, done: ByteSize(1000) };
            view.line(&event, start + Duration::from_secs(seconds))
        };
        assert_eq!(at(9), None);
        assert_eq!(at(11).as_deref(), Some("consul: 1.0 kB of 2.0 kB"));
        assert_eq!(at(12), None);
    }
}
