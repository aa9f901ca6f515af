//! Errors of the daemon as failures with hints.

use bollard::errors::Error;

use crate::core::failure::{Failure, cause_chain};

/// The daemon's message, without the client's text around it.
pub(super) fn words(error: &Error) -> String {
    match error {
        Error::DockerResponseServerError { message, .. } => message.trim().to_owned(),
        Error::DockerStreamError { error } => error.trim().to_owned(),
        other => cause_chain(other),
    }
}

/// Adds the daemon's message, and a hint for the common causes.
pub(super) fn with_reply(failure: Failure, error: &Error) -> Failure {
    let words = words(error);
    let failure = failure.detail("Docker says", words.clone());
    if words.contains("no space left on device") {
        return failure.hint(
            "free some space where Docker keeps its data (`docker system df`), or give --runtime host",
        );
    }
    // It was free when it was checked.
    if words.contains("address already in use") {
        return failure.hint(
            "another process took that port in between: `meshlab doctor` shows it; --address 10.10.20.150 has other published ports",
        );
    }
    if is_gone(error) {
        return failure.hint(
            "Docker seems to have stopped: start it, then run `meshlab down` and the same command again",
        );
    }
    failure
}

/// For `map_err`: `what` is the action that failed, in the infinitive.
pub(super) fn cannot(what: impl Into<String>) -> impl FnOnce(Error) -> Failure {
    move |error| with_reply(Failure::failed(format!("cannot {}", what.into())), &error)
}

/// Whether the daemon has no such object.
pub(super) fn is_unknown(error: &Error) -> bool {
    status(error) == Some(404)
}

/// Whether there is an object of the same name, or it is being removed already.
pub(super) fn is_conflict(error: &Error) -> bool {
    status(error) == Some(409)
}

fn status(error: &Error) -> Option<u16> {
    match error {
        Error::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}

/// Whether the daemon did not answer.
fn is_gone(error: &Error) -> bool {
    matches!(
        error,
        Error::HyperResponseError { .. }
            | Error::HyperLegacyError { .. }
            | Error::IOError { .. }
            | Error::SocketNotFoundError(_)
    )
}
