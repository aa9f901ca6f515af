//! Being told to stop: everything that was started is told too, and then waited for by whoever started it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use meshlab::core::signals::interrupted;
use meshlab::core::until::{Observed, until_blocking};
use rustix::process::{Pid, Signal, kill_process};

use crate::Result;

const POLL_INTERVAL: Duration = Duration::from_millis(20);

#[derive(Default)]
struct State {
    running: Vec<Pid>,
    /// The exit code, once a signal came.
    code: Option<u8>,
}

static STATE: Mutex<State> = Mutex::new(State { running: Vec::new(), code: None });

fn with_state<T>(work: impl FnOnce(&mut State) -> T) -> T {
    work(&mut STATE.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Answers SIGINT and SIGTERM from now on.
pub(crate) fn watch() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::spawn(move || {
        loop {
            let code = runtime.block_on(interrupted()).kind().exit_code();
            with_state(|state| {
                state.code = Some(code);
                state.running.iter().for_each(|pid| ask_to_end(*pid));
            });
        }
    });
    Ok(())
}

/// The exit code that a signal asks for, if one came.
pub(crate) fn code() -> Option<u8> {
    with_state(|state| state.code)
}

/// Polls until something holds: false at the deadline, and once a signal came.
pub(crate) fn until(deadline: Duration, mut holds: impl FnMut() -> Result<bool>) -> Result<bool> {
    let outcome = until_blocking(deadline, POLL_INTERVAL, || -> Result<_> {
        Ok(match code() {
            Some(_) => Observed::Ready(false),
            None if holds()? => Observed::Ready(true),
            None => Observed::Pending(()),
        })
    })?;
    Ok(outcome.unwrap_or(false))
}

/// A child that is told to end when this process is; until this is dropped, which is before its pid is free again.
pub(crate) struct Registered(Pid);

impl Registered {
    pub(crate) fn new(pid: Pid) -> Self {
        with_state(|state| {
            state.running.push(pid);
            if state.code.is_some() {
                ask_to_end(pid);
            }
        });
        Self(pid)
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        with_state(|state| state.running.retain(|pid| *pid != self.0));
    }
}

fn ask_to_end(pid: Pid) {
    // What has ended already needs no telling.
    let _ = kill_process(pid, Signal::TERM);
}
