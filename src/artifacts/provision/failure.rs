//! Failures about several artifacts, sources or files.

use super::{ArtifactState, ProvisionPlan};
use crate::artifacts::lockfile::{Artifact, LockedFile, SizeBound};
use crate::artifacts::source::most_severe;
use crate::core::event::SourceFailure;
use crate::core::failure::{Failure, FailureKind};

/// The failure that lists all missing files of a plan, for an offline run. `None` if no file is missing.
pub(super) fn offline(plan: &ProvisionPlan<'_>) -> Option<Failure> {
    let missing: Vec<(&Artifact, &LockedFile)> = plan
        .artifacts
        .iter()
        .filter_map(|planned| match &planned.state {
            ArtifactState::Missing(_, files) => Some(files.iter().map(|file| (planned.artifact, *file))),
            _ => None,
        })
        .flatten()
        .collect();
    (!missing.is_empty()).then(|| not_cached(&missing))
}

/// The failure for files that are not cached, in an offline run.
pub(super) fn not_cached(missing: &[(&Artifact, &LockedFile)]) -> Failure {
    let count = match missing.len() {
        1 => "1 file is".to_owned(),
        count => format!("{count} files are"),
    };
    let failure =
        Failure::new(FailureKind::NotCached, format!("{count} not in the cache, and meshlab is offline"));
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
        .hint("run the command once without --offline, with network access (or set MESHLAB_MIRROR to a server that you can reach)")
}

/// The failure for an artifact that no source delivered.
pub(super) fn no_source(artifact: &Artifact, earlier: &[SourceFailure], failures: Vec<Failure>) -> Failure {
    let what = format!("cannot fetch {} {}", artifact.name, artifact.version);
    let Some(most_severe) = most_severe(failures) else { return Failure::failed(what) };
    let failure = earlier.iter().fold(Failure::new(most_severe.kind(), what), |failure, tried| {
        failure.detail(&tried.from, tried.failure.one_line())
    });
    let failure = if most_severe.kind() == FailureKind::Untrusted {
        most_severe.details().iter().fold(failure, |failure, fact| failure.detail(&fact.label, &fact.text))
    } else {
        failure
    };
    failure.hint(
        most_severe.hint_text().unwrap_or(
            "check the network and HTTPS_PROXY, or set MESHLAB_MIRROR to a server that you can reach",
        ),
    )
}

/// Combines several failures into one. `None` if there are none.
pub(super) fn of_several(failures: Vec<Failure>) -> Option<Failure> {
    if failures.len() < 2 {
        return failures.into_iter().next();
    }
    let count = failures.len();
    let facts: Vec<(String, String)> =
        failures.iter().map(|failure| (failure.message().to_owned(), facts(failure))).collect();
    let most_severe = most_severe(failures)?;
    let failure = Failure::new(most_severe.kind(), format!("cannot fetch {count} artifacts"));
    let failure = facts.into_iter().fold(failure, |failure, (message, facts)| {
        failure.detail("failed", if facts.is_empty() { message } else { format!("{message}\n{facts}") })
    });
    Some(match most_severe.hint_text() {
        Some(hint) => failure.hint(hint),
        None => failure,
    })
}

fn facts(failure: &Failure) -> String {
    let lines: Vec<String> =
        failure.details().iter().map(|fact| format!("{}: {}", fact.label, fact.text)).collect();
    lines.join("\n")
}
