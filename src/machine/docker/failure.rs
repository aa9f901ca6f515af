//! What the daemon says, as failures that tell what to do.

use bollard::errors::Error;

use crate::core::failure::{Failure, cause_chain};

/// The daemon's own words, without the client's around them.
pub(super) fn words(error: &Error) -> String {
    match error {
        Error::DockerResponseServerError { message, .. } => message.trim().to_owned(),
        Error::DockerStreamError { error } => error.trim().to_owned(),
        other => cause_chain(other),
    }
}

/// Adds the daemon's words, and what to do where that is plain.
pub(super) fn told(failure: Failure, error: &Error) -> Failure {
    let words = words(error);
    let failure = failure.detail("Docker says", words.clone());
    if words.contains("no space left on device") {
        return failure.hint(
            "free some space where Docker keeps its data (`docker system df`), or give --runtime host",
        );
    }
    // It was free a moment ago: that is looked at before.
    if words.contains("address already in use") {
        return failure.hint(
            "something else took that port meanwhile: `meshlab doctor` names who; --address 10.10.20.150 has doors of its own",
        );
    }
    if is_gone(error) {
        return failure
            .hint("Docker seems to have stopped: start it, then `meshlab down` and the same command again");
    }
    failure
}

/// For `map_err`: what could not be done, on what.
pub(super) fn cannot(what: impl Into<String>) -> impl FnOnce(Error) -> Failure {
    move |error| told(Failure::failed(format!("cannot {}", what.into())), &error)
}

/// Whether the daemon does not know what it was asked about.
pub(super) fn is_unknown(error: &Error) -> bool {
    status(error) == Some(404)
}

/// Whether something else of that name, or the same removal, is in the way.
pub(super) fn is_conflict(error: &Error) -> bool {
    status(error) == Some(409)
}

fn status(error: &Error) -> Option<u16> {
    match error {
        Error::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}

/// Whether nobody answered.
fn is_gone(error: &Error) -> bool {
    matches!(
        error,
        Error::HyperResponseError { .. }
            | Error::HyperLegacyError { .. }
            | Error::IOError { .. }
            | Error::SocketNotFoundError(_)
    )
}
