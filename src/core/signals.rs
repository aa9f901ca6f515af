//! Being told to stop: SIGINT, SIGTERM, and SIGHUP (the terminal was closed), answered with an orderly take-down.

use tokio::signal::unix::{SignalKind, signal};

use crate::core::failure::{Failure, FailureKind};

/// Waits for one of the three and says how the run then ends. Never returns if signals cannot be watched.
pub async fn interrupted() -> Failure {
    let watch = |kind| signal(kind).ok();
    // Asked before it is watched: a run under `nohup` is to outlive its terminal.
    let mut hang_up = if is_hang_up_ignored() { None } else { watch(SignalKind::hangup()) };
    let (Some(mut interrupt), Some(mut terminate)) =
        (watch(SignalKind::interrupt()), watch(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    let closed = async {
        match &mut hang_up {
            Some(hang_up) => drop(hang_up.recv().await),
            None => std::future::pending().await,
        }
    };
    let (number, name) = tokio::select! {
        _ = interrupt.recv() => (2, "SIGINT"),
        _ = terminate.recv() => (15, "SIGTERM"),
        () = closed => (1, "SIGHUP"),
    };
    Failure::new(FailureKind::Interrupted(number), format!("interrupted by {name}"))
}

/// Whether this process was started with SIGHUP ignored.
fn is_hang_up_ignored() -> bool {
    let status = procfs::process::Process::myself().and_then(|process| process.status());
    // Bit 0 is signal 1.
    status.is_ok_and(|status| status.sigign & 1 != 0)
}
