//! The done steps of a running lab. They are stored in the lab's folder and removed with it, unlike the reader's
//! [`Progress`], which outlives the lab.

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::Lab;
use super::progress::{Progress, write_state_file};
use crate::core::failure::{Failure, Result};
use crate::core::model::StepId;
use crate::machine::state::RunDir;

/// The done steps of a running lab, together with the reader's progress: both are updated.
#[derive(Debug)]
pub struct RunProgress {
    run: RunDir,
    /// `None` until the first step has ended.
    done: Option<BTreeSet<StepId>>,
    progress: Progress,
}

impl RunProgress {
    /// Loads the done steps of the lab in this folder. A missing file is no done step.
    pub fn load(run: &RunDir, progress: Progress) -> Self {
        Self { done: read(&file(run)), run: run.clone(), progress }
    }

    /// Reads the file again: another meshlab may have changed it.
    pub fn refresh(&mut self) {
        self.done = read(&file(&self.run));
    }

    /// The reader's progress with the lab.
    pub fn progress(&mut self) -> &mut Progress {
        &mut self.progress
    }

    /// Whether a step of the running lab has ended, passed or not.
    pub fn is_begun(&self) -> bool {
        self.done.is_some()
    }

    /// Whether a step is done in the running lab.
    pub fn is_done(&self, step: &StepId) -> bool {
        self.done.as_ref().is_some_and(|done| done.contains(step))
    }

    /// The index of the first step that is not done, from 0. `None` if all are done.
    pub fn current(&self, lab: &Lab) -> Option<usize> {
        lab.steps.iter().position(|step| !self.is_done(&step.id))
    }

    /// Whether a step with this index or a later one is done.
    pub fn is_any_done(&self, lab: &Lab, from: usize) -> bool {
        lab.steps.iter().skip(from).any(|step| self.is_done(&step.id))
    }

    /// Records whether a step is done. If the lab has been taken down meanwhile, only the reader's progress is updated.
    pub fn mark(&mut self, lab: &Lab, step: &StepId, done: bool) -> Result<()> {
        self.progress.mark(lab, step, done)?;
        if self.run.load().is_none_or(|state| state.lab != lab.id) {
            return Ok(());
        }
        self.refresh();
        let steps = self.done.get_or_insert_default();
        if done {
            steps.insert(step.clone());
        } else {
            steps.remove(step);
        }
        let text = serde_json::to_string(steps)
            .map_err(|error| Failure::failed("cannot save the done steps").seen(&error))?;
        write_state_file(&file(&self.run), &text)
    }
}

fn file(run: &RunDir) -> Utf8PathBuf {
    run.root().join("steps.json")
}

fn read(path: &Utf8Path) -> Option<BTreeSet<StepId>> {
    let text = fs::read_to_string(path).ok()?;
    Some(serde_json::from_str(&text).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::LabAddress;
    use crate::labs::Catalog;
    use crate::machine::state::RunState;

    #[test]
    fn done_steps_of_a_run_are_independent_of_the_readers_progress() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Utf8Path::from_path(temporary.path()).unwrap();
        let lab =
            Catalog::find(Utf8Path::new("/nonexistent")).unwrap().lab("1", LabAddress::DEFAULT).unwrap();
        let mut progress = Progress::load(folder, &lab.id);
        for step in &lab.steps {
            progress.mark(&lab, &step.id, true).unwrap();
        }
        let run = RunDir::new(folder, LabAddress::DEFAULT);
        run.create().unwrap();
        run.save(&RunState::on_host(lab.id.as_str(), run.address(), &[])).unwrap();
        let load = || RunProgress::load(&run, Progress::load(folder, &lab.id));
        let mut run_progress = load();
        assert!(!run_progress.is_begun());
        assert_eq!((run_progress.current(&lab), run_progress.is_any_done(&lab, 0)), (Some(0), false));
        let mut other = load();
        for (step, from) in [(&lab.steps[0].id, &mut run_progress), (&lab.steps[1].id, &mut other)] {
            from.mark(&lab, step, true).unwrap();
        }
        assert_eq!((other.current(&lab), other.is_any_done(&lab, 2)), (Some(2), false));
        run_progress.mark(&lab, &lab.steps[0].id, false).unwrap();
        assert_eq!((run_progress.current(&lab), run_progress.is_any_done(&lab, 1)), (Some(0), true));
        assert_eq!(run_progress.progress().current(&lab), Some(0));
        std::fs::write(run.root().join("steps.json"), "{").unwrap();
        assert_eq!((load().current(&lab), load().is_begun()), (Some(0), true));
        // The lab was taken down.
        std::fs::remove_dir_all(run.root()).unwrap();
        run_progress.mark(&lab, &lab.steps[0].id, true).unwrap();
        assert!(!load().is_begun());
        assert!(Progress::load(folder, &lab.id).is_done(&lab.steps[0].id));
    }
}
