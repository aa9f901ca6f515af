//! Starts a lab, from the choice of its backend to a session, and takes it down. All commands start labs here.

use std::sync::Arc;
use std::time::Instant;

use super::session::{Session, SessionPlace};
use super::{Components, Lab};
use crate::artifacts::lockfile::Lock;
use crate::artifacts::provision::{ProvisionRequest, provision};
use crate::artifacts::tool::Tools;
use crate::core::event::{Event, Note, RuntimeEvent, RuntimeReason, SharedReporter, Silent};
use crate::core::failure::{Failure, Result};
use crate::core::settings::Settings;
use crate::machine::choose::{self, choose};
use crate::machine::state::{RunDir, RunLock};
use crate::machine::{Backend, LabNeeds};
use crate::mesh::vm::installed_packages;

/// A lab's backend, with everything that it takes to start a lab there.
#[derive(Clone)]
pub struct Launcher<'a> {
    /// The settings, with the address that was chosen.
    pub settings: Settings,
    /// Where the lab runs.
    pub backend: Arc<dyn Backend>,
    /// Why it runs there.
    pub reason: RuntimeReason,
    lock: &'a Lock,
    reporter: &'a SharedReporter,
}

impl<'a> Launcher<'a> {
    /// Chooses the backend of the lab that these settings are about.
    pub async fn choose(
        settings: &Settings,
        lock: &'a Lock,
        reporter: &'a SharedReporter,
    ) -> Result<Launcher<'a>> {
        let choice = choose(settings).await?;
        tracing::info!(address = %choice.address, "chose the runtime {}: {:?}", choice.backend.kind(), choice.reason);
        let settings = Settings { address: choice.address, ..settings.clone() };
        Ok(Self { settings, backend: choice.backend, reason: choice.reason, lock, reporter })
    }

    /// The lab's folder, which need not exist.
    pub fn run(&self) -> RunDir {
        RunDir::of(&self.settings)
    }

    /// Creates the lab's own network namespace and executes this program again inside, if the lab needs it. What the lab
    /// needs is provisioned before: inside, nothing can be fetched. Returns if there is nothing to do.
    pub async fn enter_netns(&self, lab: &Lab) -> Result<()> {
        if !self.backend.needs_netns(lab.network())? {
            return Ok(());
        }
        if !choose::is_anything_there(&self.run(), &self.settings).await? {
            self.backend.require_free(&self.needs(lab)).await?;
        }
        let components = self.provision(lab).await?;
        let again = self.settings.re_exec(self.backend.kind())?;
        self.backend.re_exec_in_netns(&components.path, again)
    }

    /// Provisions what a lab needs that is about to start. Its ports must be free.
    pub async fn provision_to_start(&self, lab: &Lab) -> Result<Components> {
        let needs = self.needs(lab);
        // Before the tools, which may take minutes to fetch, and again after them.
        self.backend.require_free(&needs).await?;
        let components = self.provision(lab).await?;
        self.backend.require_free(&needs).await?;
        Ok(components)
    }

    /// Provisions what a lab needs.
    pub async fn provision(&self, lab: &Lab) -> Result<Components> {
        let needs = self.needs(lab);
        let runtimes = lab.environment.iter().flat_map(|environment| &environment.runtimes);
        let mut names = lab.tools.clone();
        names.extend(runtimes.clone().cloned());
        names.extend(self.backend.artifacts(&needs, self.lock)?);
        names.sort();
        names.dedup();
        let request = ProvisionRequest { names, ..ProvisionRequest::default() };
        // Nothing to provision is not worth a line, nor is what was reported before this program was executed again.
        let silent: SharedReporter = Arc::new(Silent);
        let is_reported = !request.names.is_empty() && self.backend.netns().is_none();
        let reporter = if is_reported { self.reporter } else { &silent };
        let provisioned = provision(&request, &self.settings, self.lock, reporter).await?;
        let mut components = Components::default();
        if lab.environment.is_some() {
            let path_of = |tool: &_, file| self.backend.path_of(tool, file);
            components.packages = installed_packages(provisioned.tools(), path_of)?;
        }
        for name in runtimes {
            components.runtimes.push(provisioned.tool(name.as_str())?.clone());
        }
        let mut path = Vec::new();
        for name in &lab.tools {
            let tool = provisioned.tool(name.as_str())?;
            path.push(tool.bin_dir());
            components.tools.push((name.to_string(), tool.version.clone()));
        }
        components.path = self.backend.path(path);
        let tools = Tools::new(&self.settings.dirs.data);
        components.images = self.backend.load(&needs, self.lock, &tools, self.reporter).await?;
        Ok(components)
    }

    /// Creates the lab's folder, its files and its PATH, and prepares its backend. No component runs yet.
    pub async fn start(&self, lab: Lab, components: Components) -> Result<Session> {
        Session::begin(lab, self.place(&self.run()), components).await
    }

    /// A session over a lab that an earlier meshlab left running.
    pub async fn resume(&self, lab: Lab, components: Components) -> Result<Session> {
        Session::resume(lab, self.place(&self.run()), components).await
    }

    /// A session over a running lab that only looks: nothing on disk changes, and another meshlab may use the lab.
    pub async fn observe(&self, lab: Lab, components: Components) -> Result<Session> {
        Session::observe(lab, self.place(&self.run()), components).await
    }

    /// Takes down what an interrupted run left. Fails if a lab was left running on purpose.
    pub async fn clear_leftovers(&self, run_lock: RunLock) -> Result<RunLock> {
        let run = self.run();
        let address = run.address();
        if !choose::is_anything_there(&run, &self.settings).await? {
            return Ok(run_lock);
        }
        if let Some(state) = run.load().filter(|state| state.kept) {
            return Err(Failure::failed(format!("lab {} is running on {address}", state.lab)).hint(format!(
                "`meshlab down` ends it; --address {} runs another one beside it",
                address.alternative()
            )));
        }
        self.reporter.report(Event::Note(Note::LeftoversFound { address }));
        self.take_down(run_lock).await?;
        run.lock().await
    }

    /// Takes down a lab that did not start. Without its folder, nothing of it was started.
    pub async fn undo(&self, run_lock: RunLock) -> Result<()> {
        let run = self.run();
        if run.exists() { self.take_down(run_lock).await } else { run.remove(run_lock) }
    }

    /// Takes down the lab and reports what was removed.
    pub async fn take_down(&self, run_lock: RunLock) -> Result<()> {
        take_down(self.backend.as_ref(), run_lock, self.reporter).await
    }

    fn place<'b>(&'b self, run: &'b RunDir) -> SessionPlace<'b> {
        SessionPlace { run, backend: &self.backend, dirs: &self.settings.dirs, reporter: self.reporter }
    }

    /// What a lab needs of its backend.
    fn needs(&self, lab: &Lab) -> LabNeeds {
        lab.needs(&self.settings.dirs)
    }
}

/// Takes down the lab of a backend and reports what was removed.
pub async fn take_down(backend: &dyn Backend, run_lock: RunLock, reporter: &SharedReporter) -> Result<()> {
    let started = Instant::now();
    let removed = backend.take_down(run_lock).await?;
    for what in &removed {
        tracing::info!("took down {what:?}");
    }
    reporter.report(Event::Runtime(RuntimeEvent::TakenDown { removed, took: started.elapsed() }));
    Ok(())
}

#[cfg(test)]
mod tests;
