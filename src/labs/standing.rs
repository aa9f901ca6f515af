//! Which steps are done in the lab that is running on an address. A reader's progress with a lab outlives it and is the same
//! everywhere; this is about what is there now, and goes when that goes.

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::Lab;
use super::progress::{Progress, write_state_file};
use crate::core::failure::{Failure, Result};
use crate::core::model::StepId;
use crate::machine::state::RunDir;

/// The steps of a running lab that are done, on disk; and its reader's progress, which is told of them as well.
#[derive(Debug)]
pub struct Standing {
    run: RunDir,
    /// None before any step has ended.
    done: Option<BTreeSet<StepId>>,
    progress: Progress,
}

impl Standing {
    /// What is known of the lab in this folder; none of its steps is done where there is nothing.
    pub fn load(run: &RunDir, progress: Progress) -> Self {
        Self { done: read(&file(run)), run: run.clone(), progress }
    }

    /// Looks again: another meshlab may be at work here.
    pub fn refresh(&mut self) {
        self.done = read(&file(&self.run));
    }

    /// The reader's progress with the lab, wherever it ran.
    pub fn progress(&mut self) -> &mut Progress {
        &mut self.progress
    }

    /// Whether any step has ended here, well or not: what is running is a lab at work.
    pub fn is_begun(&self) -> bool {
        self.done.is_some()
    }

    /// Whether a step is done here.
    pub fn is_done(&self, step: &StepId) -> bool {
        self.done.as_ref().is_some_and(|done| done.contains(step))
    }

    /// The first step that is not done here, from 0; `None` once all are.
    pub fn current(&self, lab: &Lab) -> Option<usize> {
        lab.steps.iter().position(|step| !self.is_done(&step.id))
    }

    /// Whether any step is done here, of those from this one on.
    pub fn is_any_done(&self, lab: &Lab, from: usize) -> bool {
        lab.steps.iter().skip(from).any(|step| self.is_done(&step.id))
    }

    /// Records how a step ended. Of a lab that has been taken down meanwhile, only its reader's progress is left.
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
            .map_err(|error| Failure::failed("cannot record which steps are done").seen(&error))?;
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
    fn what_is_done_here_is_not_what_was_done_elsewhere() {
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
        let load = || Standing::load(&run, Progress::load(folder, &lab.id));
        let mut standing = load();
        assert!(!standing.is_begun());
        assert_eq!((standing.current(&lab), standing.is_any_done(&lab, 0)), (Some(0), false));
        let mut beside = load();
        for (step, from) in [(&lab.steps[0].id, &mut standing), (&lab.steps[1].id, &mut beside)] {
            from.mark(&lab, step, true).unwrap();
        }
        assert_eq!((beside.current(&lab), beside.is_any_done(&lab, 2)), (Some(2), false));
        standing.mark(&lab, &lab.steps[0].id, false).unwrap();
        assert_eq!((standing.current(&lab), standing.is_any_done(&lab, 1)), (Some(0), true));
        assert_eq!(standing.progress().current(&lab), Some(0));
        std::fs::write(run.root().join("steps.json"), "{").unwrap();
        assert_eq!((load().current(&lab), load().is_begun()), (Some(0), true));
        // It was taken down, and another one may be there.
        std::fs::remove_dir_all(run.root()).unwrap();
        standing.mark(&lab, &lab.steps[0].id, true).unwrap();
        assert!(!load().is_begun());
        assert!(Progress::load(folder, &lab.id).is_done(&lab.steps[0].id));
    }
}
