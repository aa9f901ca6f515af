//! A lab that a reader does step by step.

use crate::artifacts::lockfile::Lock;
use crate::core::event::SharedReporter;
use crate::core::failure::{Failure, Result};
use crate::core::model::LabAddress;
use crate::core::settings::Settings;
use crate::labs::{Catalog, Lab, Launcher, Progress, RunProgress};
use crate::machine::state::{RunDir, RunState};

/// A named lab with its progress.
pub(super) struct Practised<'a> {
    pub(super) lab: Lab,
    pub(super) run: RunDir,
    pub(super) standing: RunProgress,
    pub(super) launcher: Launcher<'a>,
}

impl<'a> Practised<'a> {
    pub(super) async fn find(
        name: &str,
        settings: &Settings,
        lock: &'a Lock,
        reporter: &'a SharedReporter,
    ) -> Result<Self> {
        // An unknown name is the first error.
        let named = lab(name, settings.address, settings)?;
        let launcher = Launcher::choose(settings, lock, reporter).await?;
        let settings = &launcher.settings;
        let lab = lab(named.id.as_str(), settings.address, settings)?;
        let run = RunDir::of(settings);
        let standing = RunProgress::load(&run, Progress::load(&settings.dirs.state, &lab.id));
        Ok(Self { lab, run, standing, launcher })
    }

    pub(super) fn require_running(&self) -> Result<()> {
        let (id, address) = (&self.lab.id, self.run.address());
        match self.run.load() {
            Some(RunState { lab, .. }) if lab == *id => Ok(()),
            Some(RunState { lab, .. }) => {
                Err(Failure::failed(format!("lab {lab} is running on {address}, not {id}"))
                    .hint(format!("`meshlab down` ends it; then `meshlab lab solve {id}` starts this one")))
            }
            None => Err(Failure::failed(format!("lab {id} is not running on {address}")).hint(format!(
                "`meshlab lab solve {id}` starts it with its first step; `meshlab lab {id} --keep` runs all of it"
            ))),
        }
    }
}

pub(super) fn lab(name: &str, address: LabAddress, settings: &Settings) -> Result<Lab> {
    Catalog::find(&settings.work_dir)?.lab(name, address)
}

/// The named step, else the first open one.
pub(super) fn step(lab: &Lab, current: Option<usize>, named: Option<&str>) -> Result<usize> {
    match named {
        Some(named) => lab.position(named),
        None => current.ok_or_else(|| {
            Failure::usage(format!("all {} steps of lab {} are done", lab.steps.len(), lab.id))
                .hint(format!("name a step, or start from zero: `meshlab lab reset {}`", lab.id))
        }),
    }
}
