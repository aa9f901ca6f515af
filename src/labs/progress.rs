//! A reader's progress with a lab, which outlives the running lab: done steps, and hints that were shown.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::Lab;
use crate::core::atomic_file;
use crate::core::failure::{Failure, Result};
use crate::core::model::{LabId, StepId};

const SCHEMA: u32 = 1;

/// A reader's progress with one lab, stored in the state folder.
#[derive(Debug)]
pub struct Progress {
    path: Utf8PathBuf,
    file: ProgressFile,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct ProgressFile {
    schema: u32,
    /// Whether all steps have been done at the same time.
    completed: bool,
    steps: BTreeMap<StepId, StepProgress>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct StepProgress {
    /// Whether its checks passed the last time.
    done: bool,
    /// How many of its hints were shown.
    hints: usize,
}

impl ProgressFile {
    fn read(path: &Utf8Path) -> Self {
        let text = fs::read_to_string(path).unwrap_or_default();
        let file = serde_json::from_str::<Self>(&text).ok().filter(|file| file.schema == SCHEMA);
        file.unwrap_or_default()
    }
}

impl Progress {
    /// The folder of all progress files.
    pub fn folder(state_dir: &Utf8Path) -> Utf8PathBuf {
        state_dir.join("progress")
    }

    /// Loads the progress with a lab. A missing or unreadable file is no progress.
    pub fn load(state_dir: &Utf8Path, lab: &LabId) -> Self {
        let path = Self::folder(state_dir).join(format!("{lab}.json"));
        Self { file: ProgressFile::read(&path), path }
    }

    /// Whether a step is done: its checks passed the last time.
    pub fn is_done(&self, step: &StepId) -> bool {
        self.file.steps.get(step).is_some_and(|record| record.done)
    }

    /// Whether the reader has completed the lab at least once.
    pub fn is_completed(&self) -> bool {
        self.file.completed
    }

    /// The number of done steps.
    pub fn done(&self, lab: &Lab) -> usize {
        lab.steps.iter().filter(|step| self.is_done(&step.id)).count()
    }

    /// The index of the first step that is not done, from 0. `None` if all are done.
    pub fn current(&self, lab: &Lab) -> Option<usize> {
        lab.steps.iter().position(|step| !self.is_done(&step.id))
    }

    /// Records whether a step is done, and saves the file.
    pub fn mark(&mut self, lab: &Lab, step: &StepId, done: bool) -> Result<()> {
        self.refresh();
        self.file.steps.entry(step.clone()).or_default().done = done;
        self.file.completed |= self.current(lab).is_none();
        self.save()
    }

    /// Marks all steps as not done. Hints that were shown are kept.
    pub fn begin(&mut self) -> Result<()> {
        self.refresh();
        if self.file.steps.values().any(|step| step.done) {
            self.file.steps.values_mut().for_each(|step| step.done = false);
            self.save()?;
        }
        Ok(())
    }

    /// Counts one more of a step's `available` hints as shown. Returns how many are shown now.
    pub fn reveal_hint(&mut self, step: &StepId, available: usize) -> Result<usize> {
        self.refresh();
        let shown = &mut self.file.steps.entry(step.clone()).or_default().hints;
        *shown = (*shown + 1).min(available);
        let shown = *shown;
        self.save()?;
        Ok(shown)
    }

    /// Deletes the progress.
    pub fn forget(&mut self) -> Result<()> {
        self.file = ProgressFile::default();
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => {
                // Only an empty folder is removed: other labs may have their files there.
                let _ = self.path.parent().map(std::fs::remove_dir);
                Ok(())
            }
        }
    }

    /// Reads the file again: another meshlab may have changed it, for example `lab hint`.
    fn refresh(&mut self) {
        self.file = ProgressFile::read(&self.path);
    }

    fn save(&mut self) -> Result<()> {
        self.file.schema = SCHEMA;
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder)?;
        }
        let text = serde_json::to_string_pretty(&self.file)
            .map_err(|error| Failure::failed("cannot save the progress").seen(&error))?;
        write_state_file(&self.path, &text)
    }
}

/// Writes a file of the state folder atomically.
pub(super) fn write_state_file(path: &Utf8Path, text: &str) -> Result<()> {
    atomic_file::write(path, text).map_err(|error| {
        Failure::failed(format!("cannot write {path}"))
            .seen(&error)
            .hint("free some disk space, or set MESHLAB_STATE_DIR to another folder")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::LabAddress;
    use crate::labs::Catalog;

    #[test]
    fn progress_is_saved_and_hints_are_shown_one_by_one() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Utf8Path::from_path(temporary.path()).unwrap();
        let catalog = Catalog::find(Utf8Path::new("/nonexistent")).unwrap();
        let lab = catalog.lab("1", LabAddress::DEFAULT).unwrap();
        let mut progress = Progress::load(folder, &lab.id);
        assert_eq!((progress.current(&lab), progress.done(&lab)), (Some(0), 0));
        for step in &lab.steps[..2] {
            progress.mark(&lab, &step.id, true).unwrap();
        }
        let hints: Vec<_> = (0..3).map(|_| progress.reveal_hint(&lab.steps[2].id, 2).unwrap()).collect();
        assert_eq!(hints, [1, 2, 2]);

        let mut progress = Progress::load(folder, &lab.id);
        assert_eq!((progress.current(&lab), progress.is_completed()), (Some(2), false));
        // Another meshlab.
        let mut other = Progress::load(folder, &lab.id);
        assert_eq!(other.reveal_hint(&lab.steps[3].id, 2).unwrap(), 1);
        progress.mark(&lab, &lab.steps[2].id, true).unwrap();
        assert_eq!(other.reveal_hint(&lab.steps[3].id, 2).unwrap(), 2);
        assert!(other.is_done(&lab.steps[2].id));
        for step in &lab.steps {
            progress.mark(&lab, &step.id, true).unwrap();
        }
        assert_eq!((progress.current(&lab), progress.is_completed()), (None, true));
        progress.begin().unwrap();
        let mut progress = Progress::load(folder, &lab.id);
        assert_eq!((progress.current(&lab), progress.is_completed()), (Some(0), true));
        progress.forget().unwrap();
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), 0);
    }

    #[test]
    fn a_damaged_file_is_no_progress() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Utf8Path::from_path(temporary.path()).unwrap();
        std::fs::create_dir(Progress::folder(folder)).unwrap();
        std::fs::write(Progress::folder(folder).join("1-x.json"), "{").unwrap();
        let progress = Progress::load(folder, &"1-x".parse().unwrap());
        assert!(!progress.is_completed());
    }
}
