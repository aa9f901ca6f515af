//! A runtime that follows a script, for tests of what stands on one.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;

use super::{CommandEnvironment, OnLine, OutputLine, Runtime, ServiceSpec};
use crate::core::failure::{Failure, Result};
use crate::machine::state::{ProcessRecord, RunDir, ServiceRecord};

/// What happens when something is asked for.
#[derive(Debug, Default, Clone)]
pub(super) struct Fake {
    /// Components that do not start, with what is said then.
    pub(super) broken: BTreeMap<String, String>,
    /// Components that have ended, with how.
    pub(super) ended: BTreeMap<String, String>,
    /// Command lines with what they write; all others never end.
    pub(super) commands: BTreeMap<String, Vec<String>>,
    /// If set, the state on disk is looked at whenever something starts.
    pub(super) run: Option<RunDir>,
    /// What was asked for, in order.
    pub(super) asked: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    fn note(&self, what: String) {
        self.asked.lock().unwrap().push(what);
    }
}

impl Runtime for Fake {
    fn start<'a>(&'a self, spec: &'a ServiceSpec) -> BoxFuture<'a, Result<Option<ProcessRecord>>> {
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
        line: &'a str,
        secrets: &'a CommandEnvironment,
        on_line: OnLine<'a>,
    ) -> BoxFuture<'a, Result<ExitStatus>> {
        Box::pin(async move {
            let names: Vec<&str> = secrets.keys().map(String::as_str).collect();
            self.note(format!("run {line} with {}", names.join(", ")));
            let Some(lines) = self.commands.get(line) else {
                on_line(OutputLine { text: "still at it".into(), error: false });
                return std::future::pending().await;
            };
            for text in lines {
                on_line(OutputLine { text: text.clone(), error: false });
            }
            Ok(ExitStatus::from_raw(0))
        })
    }
}
