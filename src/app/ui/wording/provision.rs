//! Artifacts being fetched, built and installed.

use crate::core::event::{BuildStage, Claimed};
use crate::core::failure::Failure;
use crate::core::model::ArtifactName;

/// What an artifact waits for.
pub(in crate::app::ui) fn waiting(artifact: &ArtifactName, claim: &Claimed, pid: Option<u32>) -> String {
    let holder = match pid {
        Some(pid) if pid == std::process::id() => "another part of this run".to_owned(),
        Some(pid) => format!("another meshlab (pid {pid})"),
        None => "another meshlab".to_owned(),
    };
    match claim {
        Claimed::File { file } => format!("waiting: {holder} fetches {file}"),
        Claimed::Artifact => format!("waiting: {holder} installs {artifact}"),
        Claimed::GoBuild => format!("waiting: {holder} builds with Go"),
        Claimed::PackageLists => format!("waiting: {holder} reads apt's package lists"),
    }
}

/// What a build does now, beside the number of packages.
pub(in crate::app::ui) fn build(build: &BuildStage) -> String {
    match build {
        BuildStage::FetchingModules { last: None, .. } => "fetching modules".to_owned(),
        BuildStage::FetchingModules { modules, last: Some(last) } => {
            format!("fetching modules: {modules}, {last}")
        }
        BuildStage::Compiling { last, .. } => last.clone(),
        BuildStage::Linked { .. } => "linked".to_owned(),
    }
}

/// The packages that a build has compiled, and of how many.
pub(in crate::app::ui) fn packages(build: &BuildStage) -> Option<(u64, u64)> {
    match build {
        BuildStage::FetchingModules { .. } => None,
        BuildStage::Compiling { packages, of, .. } => Some((*packages, *of)),
        BuildStage::Linked { packages } => Some((*packages, *packages)),
    }
}

pub(in crate::app::ui) fn source_failed(from: &str, failure: &Failure) -> String {
    format!("{from} failed: {}", failure.one_line())
}
