//! How a verb runs, and what it needs from the program around it.

use std::process::ExitCode;

use futures_util::future::LocalBoxFuture;

use super::Context;
use crate::core::failure::Result;
use crate::core::signals::interrupted;

/// A verb with its arguments. Its own file states what it needs.
pub(crate) trait Run {
    /// Whether it runs in the network namespace of the running lab, where that lab has its own.
    const IN_LAB_NETNS: bool = false;
    /// Whether it fails where no folder for meshlab's files can be derived from HOME or other variables.
    const NEEDS_HOME: bool = true;
    /// Whether its debug log is kept when it fails and leaves no lab: it starts a lab or fetches something.
    const KEEPS_LOG: bool = false;
    /// Where it runs, and what SIGINT and SIGTERM do to it.
    const EXECUTION: Execution = Execution::Cancellable;

    /// Runs to the end. `Ok` holds the exit status, for verbs that have one of their own.
    async fn run(self, context: &Context) -> Result<ExitCode>;
}

/// Where a verb runs, and what SIGINT and SIGTERM do to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Execution {
    /// In the async runtime; a signal cancels it.
    Cancellable,
    /// In the async runtime; it handles signals itself, for instance because it has a lab to take down.
    HandlesSignals,
    /// Without timers, sockets, other threads and signal handlers of the async runtime.
    Blocking,
}

/// A [`Run`] as a trait object.
pub(crate) trait Runnable {
    /// See [`Run::IN_LAB_NETNS`].
    fn in_lab_netns(&self) -> bool;
    /// See [`Run::NEEDS_HOME`].
    fn needs_home(&self) -> bool;
    /// See [`Run::KEEPS_LOG`].
    fn keeps_log(&self) -> bool;
    /// See [`Run::EXECUTION`].
    fn execution(&self) -> Execution;
    /// See [`Run::run`]; a signal cancels it where [`Run::EXECUTION`] says so.
    fn run(self: Box<Self>, context: &Context) -> LocalBoxFuture<'_, Result<ExitCode>>;
}

impl<T: Run + 'static> Runnable for T {
    fn in_lab_netns(&self) -> bool {
        T::IN_LAB_NETNS
    }

    fn needs_home(&self) -> bool {
        T::NEEDS_HOME
    }

    fn keeps_log(&self) -> bool {
        T::KEEPS_LOG
    }

    fn execution(&self) -> Execution {
        T::EXECUTION
    }

    fn run(self: Box<Self>, context: &Context) -> LocalBoxFuture<'_, Result<ExitCode>> {
        let work = Box::pin(Run::run(*self, context));
        match T::EXECUTION {
            Execution::HandlesSignals | Execution::Blocking => work,
            Execution::Cancellable => Box::pin(async {
                tokio::select! {
                    outcome = work => outcome,
                    interruption = interrupted() => Err(interruption),
                }
            }),
        }
    }
}
