//! The scripted backend: it follows a script and starts no process. Tests of labs run on it.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex};

use camino::Utf8PathBuf;
use futures_util::future::BoxFuture;

use super::backend::{Backend, LabNeeds, OnLine, ServiceSpec, Site, Visit};
use super::images::LoadedImages;
use super::output::OutputLine;
use super::placement::Placement;
use super::variables::CommandEnvironment;
use crate::artifacts::lockfile::Lock;
use crate::artifacts::tool::{InstalledTool, Tools};
use crate::core::event::{Removed, SharedReporter};
use crate::core::failure::{Failure, Result};
use crate::core::model::{ArtifactName, LabAddress, Network, RuntimeKind};
use crate::machine::state::{ProcessRecord, RunDir, RunLock, ServiceRecord};

/// What happens, and what happened.
#[derive(Debug, Default, Clone)]
pub(crate) struct Scripted {
    /// Components that do not start, each with its error.
    pub(crate) broken: BTreeMap<String, String>,
    /// Components that have ended, each with how.
    pub(crate) ended: BTreeMap<String, String>,
    /// Command lines with what they print; all others never end.
    pub(crate) commands: BTreeMap<String, Vec<String>>,
    /// The lab's folder. Without one, nothing on disk is read or removed.
    pub(crate) run: Option<RunDir>,
    /// Every call, in order.
    pub(crate) calls: Arc<Mutex<Vec<String>>>,
}

/// The site of a lab that needs nothing.
pub(crate) fn site(lab: &str) -> Site {
    let needs = LabNeeds {
        lab: lab.parse().unwrap(),
        tools: Vec::new(),
        components: Vec::new(),
        ports: Vec::new(),
        network: Network::Machine,
        store: Utf8PathBuf::new(),
    };
    Site { needs, images: LoadedImages::default(), environment: CommandEnvironment::new() }
}

impl Scripted {
    fn note(&self, call: String) {
        self.calls.lock().unwrap().push(call);
    }

    /// Prints what the script has for a command line.
    fn play(&self, line: &str, on_line: OnLine<'_>) -> bool {
        let Some(lines) = self.commands.get(line) else { return false };
        for text in lines {
            on_line(OutputLine { text: text.clone(), error: false });
        }
        true
    }
}

impl Backend for Scripted {
    fn kind(&self) -> RuntimeKind {
        RuntimeKind::Host
    }

    fn version(&self) -> Option<&str> {
        None
    }

    fn placement(&self) -> Placement {
        let address = self.run.as_ref().map_or(LabAddress::DEFAULT, RunDir::address);
        Placement { shares_ports: false, ..Placement::of(self.kind(), address) }
    }

    fn artifacts(&self, _needs: &LabNeeds, _lock: &Lock) -> Result<Vec<ArtifactName>> {
        Ok(Vec::new())
    }

    fn path(&self, installed: Vec<Utf8PathBuf>) -> Vec<Utf8PathBuf> {
        installed
    }

    fn path_of(&self, _tool: &InstalledTool, file: Utf8PathBuf) -> Utf8PathBuf {
        file
    }

    fn program(&self) -> Result<Utf8PathBuf> {
        Ok("/nonexistent/meshlab".into())
    }

    fn require_free<'a>(&'a self, needs: &'a LabNeeds) -> BoxFuture<'a, Result<()>> {
        Box::pin(async {
            self.note(format!("require {} free ports", needs.ports.len()));
            Ok(())
        })
    }

    fn load<'a>(
        &'a self,
        needs: &'a LabNeeds,
        _lock: &'a Lock,
        _tools: &'a Tools,
        _reporter: &'a SharedReporter,
    ) -> BoxFuture<'a, Result<LoadedImages>> {
        Box::pin(async {
            self.note(format!("load images of {}", needs.lab));
            Ok(LoadedImages::default())
        })
    }

    fn prepare<'a>(&'a self, site: &'a Site) -> BoxFuture<'a, Result<()>> {
        Box::pin(async {
            self.note(format!("prepare {}", site.needs.lab));
            Ok(())
        })
    }

    fn start<'a>(
        &'a self,
        _site: &'a Site,
        spec: &'a ServiceSpec,
    ) -> BoxFuture<'a, Result<Option<ProcessRecord>>> {
        Box::pin(async {
            let recorded = self.run.as_ref().and_then(RunDir::load).is_some_and(|state| {
                state.services.iter().any(|known| known.name == spec.name && known.process.is_none())
            });
            self.note(format!("start {} (recorded: {recorded})", spec.name));
            match self.broken.get(&spec.name) {
                Some(why) => Err(Failure::failed(why.clone())),
                None => Ok(Some(ProcessRecord { pid: i32::MAX, start_ticks: 1, started: 1, inside: None })),
            }
        })
    }

    fn stop<'a>(&'a self, service: &'a ServiceRecord) -> BoxFuture<'a, Result<()>> {
        Box::pin(async {
            self.note(format!("stop {}", service.name));
            Ok(())
        })
    }

    fn ended<'a>(&'a self, service: &'a ServiceRecord) -> BoxFuture<'a, Option<String>> {
        Box::pin(async { self.ended.get(&service.name).cloned() })
    }

    fn execute<'a>(
        &'a self,
        _site: &'a Site,
        line: &'a str,
        secrets: &'a CommandEnvironment,
        on_line: OnLine<'a>,
    ) -> BoxFuture<'a, Result<ExitStatus>> {
        Box::pin(async move {
            let names: Vec<&str> = secrets.keys().map(String::as_str).collect();
            self.note(format!("run {line} with {}", names.join(", ")));
            if self.play(line, on_line) {
                return Ok(ExitStatus::from_raw(0));
            }
            on_line(OutputLine { text: "still at it".into(), error: false });
            std::future::pending().await
        })
    }

    fn enter<'a>(&'a self, visit: Visit<'a>) -> BoxFuture<'a, Result<u8>> {
        Box::pin(async move {
            let line = visit.command.join(" ");
            self.note(format!("enter with {line}"));
            let Some(lines) = self.commands.get(&line) else { return Ok(127) };
            for text in lines {
                (visit.on_output)(format!("{text}\n").as_bytes(), false)?;
            }
            Ok(0)
        })
    }

    fn is_there(&self) -> BoxFuture<'_, Result<bool>> {
        Box::pin(async { Ok(false) })
    }

    fn take_down(&self, lock: RunLock) -> BoxFuture<'_, Result<Vec<Removed>>> {
        Box::pin(async {
            self.note("take down".to_owned());
            match &self.run {
                Some(run) => run.remove(lock).map(|()| vec![Removed::Folder { path: run.root().to_owned() }]),
                None => Ok(Vec::new()),
            }
        })
    }
}
