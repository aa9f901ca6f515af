//! Shutdown signals: SIGINT, SIGTERM, and SIGHUP (the terminal was closed).

use tokio::signal::unix::{SignalKind, signal};

use crate::core::failure::{Failure, FailureKind};

/// Waits for a shutdown signal and returns the failure to exit with. Never returns if no signal handler can be
/// installed.
pub async fn interrupted() -> Failure {
    let watch = |kind| signal(kind).ok();
    // Checked before the handler is installed: under `nohup` meshlab ignores SIGHUP.
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
    tracing::info!("interrupted by {name}");
    Failure::new(FailureKind::Interrupted(number), format!("interrupted by {name}"))
}

/// Whether this process was started with SIGHUP ignored, as by `nohup`.
fn is_hang_up_ignored() -> bool {
    let status = procfs::process::Process::myself().and_then(|process| process.status());
    // Bit 0 is signal 1.
    status.is_ok_and(|status| status.sigign & 1 != 0)
}
