//! How far a reader has come with a lab: kept from run to run, and when the lab is taken down.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::Lab;
use crate::core::atomic_file;
use crate::core::failure::{Failure, Result};
use crate::core::model::{LabId, StepId};

const SCHEMA: u32 = 1;

/// The progress with one lab, on disk.
#[derive(Debug)]
pub struct Progress {
    path: Utf8PathBuf,
    record: Record,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Record {
    schema: u32,
    /// Whether all of it has passed once.
    completed: bool,
    steps: BTreeMap<StepId, StepRecord>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct StepRecord {
    /// Whether its checks held the last time.
    done: bool,
    /// How many hints were shown.
    hints: usize,
}

impl Record {
    fn read(path: &Utf8Path) -> Self {
        let text = fs::read_to_string(path).unwrap_or_default();
        let record = serde_json::from_str::<Self>(&text).ok().filter(|record| record.schema == SCHEMA);
        record.unwrap_or_default()
    }
}

impl Progress {
    /// The folder of all labs' progress.
    pub fn folder(state_dir: &Utf8Path) -> Utf8PathBuf {
        state_dir.join("progress")
    }

    /// What is known of a lab; a file that cannot be read counts as none.
    pub fn load(state_dir: &Utf8Path, lab: &LabId) -> Self {
        let path = Self::folder(state_dir).join(format!("{lab}.json"));
        Self { record: Record::read(&path), path }
    }

    /// Whether a step's checks held the last time.
    pub fn is_done(&self, step: &StepId) -> bool {
        self.record.steps.get(step).is_some_and(|record| record.done)
    }

    /// Whether the whole lab has passed once.
    pub fn is_completed(&self) -> bool {
        self.record.completed
    }

    /// How many of a lab's steps are done.
    pub fn done(&self, lab: &Lab) -> usize {
        lab.steps.iter().filter(|step| self.is_done(&step.id)).count()
    }

    /// The first step that is not done, from 0; `None` once all are.
    pub fn current(&self, lab: &Lab) -> Option<usize> {
        lab.steps.iter().position(|step| !self.is_done(&step.id))
    }

    /// Records how a step ended.
    pub fn mark(&mut self, lab: &Lab, step: &StepId, done: bool) -> Result<()> {
        self.refresh();
        self.record.steps.entry(step.clone()).or_default().done = done;
        self.record.completed |= self.current(lab).is_none();
        self.save()
    }

    /// Begins anew: no step is done. Hints that were shown stay known.
    pub fn begin(&mut self) -> Result<()> {
        self.refresh();
        if self.record.steps.values().any(|step| step.done) {
            self.record.steps.values_mut().for_each(|step| step.done = false);
            self.save()?;
        }
        Ok(())
    }

    /// Shows one more of a step's `available` hints; says how many are shown then.
    pub fn reveal_hint(&mut self, step: &StepId, available: usize) -> Result<usize> {
        self.refresh();
        let shown = &mut self.record.steps.entry(step.clone()).or_default().hints;
        *shown = (*shown + 1).min(available);
        let shown = *shown;
        self.save()?;
        Ok(shown)
    }

    /// Forgets all of it.
    pub fn forget(&mut self) -> Result<()> {
        self.record = Record::default();
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => {
                // Other labs may have theirs there: only an empty folder goes.
                let _ = self.path.parent().map(std::fs::remove_dir);
                Ok(())
            }
        }
    }

    /// A reader may have asked for a hint, or had a step checked, beside the lab that is running.
    fn refresh(&mut self) {
        self.record = Record::read(&self.path);
    }

    fn save(&mut self) -> Result<()> {
        self.record.schema = SCHEMA;
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder)?;
        }
        let text = serde_json::to_string_pretty(&self.record)
            .map_err(|error| Failure::failed("cannot record the progress").seen(&error))?;
        record(&self.path, &text)
    }
}

/// Writes a file of the state folder.
pub(super) fn record(path: &Utf8Path, text: &str) -> Result<()> {
    atomic_file::write(path, text).map_err(|error| {
        Failure::failed(format!("cannot write {path}"))
            .seen(&error)
            .hint("free some space, or point MESHLAB_STATE_DIR elsewhere")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::LabAddress;
    use crate::labs::Catalog;

    #[test]
    fn progress_is_kept_and_hints_come_one_by_one() {
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
        // In another terminal.
        let mut beside = Progress::load(folder, &lab.id);
        assert_eq!(beside.reveal_hint(&lab.steps[3].id, 2).unwrap(), 1);
        progress.mark(&lab, &lab.steps[2].id, true).unwrap();
        assert_eq!(beside.reveal_hint(&lab.steps[3].id, 2).unwrap(), 2);
        assert!(beside.is_done(&lab.steps[2].id));
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
    fn a_damaged_record_counts_as_none() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Utf8Path::from_path(temporary.path()).unwrap();
        std::fs::create_dir(Progress::folder(folder)).unwrap();
        std::fs::write(Progress::folder(folder).join("1-x.json"), "{").unwrap();
        let progress = Progress::load(folder, &"1-x".parse().unwrap());
        assert!(!progress.is_completed());
    }
}
