//! Being told to stop: SIGINT and SIGTERM, answered with an orderly take-down.

use tokio::signal::unix::{SignalKind, signal};

use crate::failure::{Failure, FailureKind};

/// Waits for SIGINT or SIGTERM and says how the run then ends. Never returns if signals cannot be watched.
pub async fn interrupted() -> Failure {
    let watch = |kind| signal(kind).ok();
    let (Some(mut interrupt), Some(mut terminate)) =
        (watch(SignalKind::interrupt()), watch(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    let (number, name) = tokio::select! {
        _ = interrupt.recv() => (2, "SIGINT"),
        _ = terminate.recv() => (15, "SIGTERM"),
    };
    Failure::new(FailureKind::Interrupted(number), format!("interrupted by {name}"))
}
