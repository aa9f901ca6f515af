//! Failures that speak of several artifacts, sources or files.

use super::{Plan, State};
use crate::artifacts::lockfile::{Artifact, LockedFile, SizeBound};
use crate::artifacts::source::gravest;
use crate::core::event::SourceFailure;
use crate::core::failure::{Failure, FailureKind};

/// Everything that is missing, if anything is, for a run that may not fetch it.
pub(super) fn offline(plan: &Plan<'_>) -> Option<Failure> {
    let missing: Vec<(&Artifact, &LockedFile)> = plan
        .artifacts
        .iter()
        .filter_map(|planned| match &planned.state {
            State::Missing(_, files) => Some(files.iter().map(|file| (planned.artifact, *file))),
            _ => None,
        })
        .flatten()
        .collect();
    (!missing.is_empty()).then(|| not_cached(&missing))
}

/// These files are needed and not stored, and this run is offline.
pub(super) fn not_cached(missing: &[(&Artifact, &LockedFile)]) -> Failure {
    let count = match missing.len() {
        1 => "1 file is".to_owned(),
        count => format!("{count} files are"),
    };
    let failure =
        Failure::new(FailureKind::NotCached, format!("{count} not in the cache, and this run is offline"));
    let failure = missing.iter().fold(failure, |failure, (artifact, file)| {
        let size = match file.size {
            SizeBound::Exact(size) => size.to_string(),
            SizeBound::AtMost(limit) => format!("at most {limit}"),
        };
        failure.detail(
            "missing",
            format!("{} {}: {}, {size}, {}", artifact.name, artifact.version, file.name, file.digest),
        )
    });
    failure
        .hint("run it once without --offline where the network is (MESHLAB_MIRROR names a server near you)")
}

/// No source could deliver an artifact.
pub(super) fn no_source(artifact: &Artifact, earlier: &[SourceFailure], failures: Vec<Failure>) -> Failure {
    let what = format!("{} {} could not be had", artifact.name, artifact.version);
    let Some(gravest) = gravest(failures) else { return Failure::failed(what) };
    let failure = earlier.iter().fold(Failure::new(gravest.kind(), what), |failure, tried| {
        failure.detail(&tried.from, tried.failure.one_line())
    });
    let failure = if gravest.kind() == FailureKind::Untrusted {
        gravest.details().iter().fold(failure, |failure, fact| failure.detail(&fact.label, &fact.text))
    } else {
        failure
    };
    failure.hint(
        gravest.hint_text().unwrap_or(
            "check the network and HTTPS_PROXY, or name a server you can reach with MESHLAB_MIRROR",
        ),
    )
}

/// One failure for all.
pub(super) fn of_several(failures: Vec<Failure>) -> Option<Failure> {
    if failures.len() < 2 {
        return failures.into_iter().next();
    }
    let count = failures.len();
    let facts: Vec<(String, String)> =
        failures.iter().map(|failure| (failure.message().to_owned(), facts(failure))).collect();
    let gravest = gravest(failures)?;
    let failure = Failure::new(gravest.kind(), format!("{count} artifacts could not be had"));
    let failure = facts.into_iter().fold(failure, |failure, (message, facts)| {
        failure.detail("failed", if facts.is_empty() { message } else { format!("{message}\n{facts}") })
    });
    Some(match gravest.hint_text() {
        Some(hint) => failure.hint(hint),
        None => failure,
    })
}

fn facts(failure: &Failure) -> String {
    let lines: Vec<String> =
        failure.details().iter().map(|fact| format!("{}: {}", fact.label, fact.text)).collect();
    lines.join("\n")
}
