//! `meshlab bundle`: one file that moves a lab to a machine without a network.

mod export;
mod import;

use std::collections::BTreeSet;

use clap::Subcommand;

use super::Runnable;
use crate::artifacts::bundle::Manifest;
use crate::core::model::Platform;

const SCHEMA: u32 = 1;

/// Move tools to a machine without a network, in one file
#[derive(Debug, Subcommand)]
pub(crate) enum BundleVerb {
    Export(export::ExportArgs),
    Import(import::ImportArgs),
}

impl BundleVerb {
    pub(super) fn into_runnable(self) -> Box<dyn Runnable> {
        match self {
            Self::Export(args) => Box::new(args),
            Self::Import(args) => Box::new(args),
        }
    }
}

/// Each artifact once, with its version.
fn names(manifest: &Manifest) -> String {
    let names: BTreeSet<String> =
        manifest.artifacts.iter().map(|artifact| format!("{} {}", artifact.name, artifact.version)).collect();
    names.into_iter().collect::<Vec<_>>().join(", ")
}

fn platforms(manifest: &Manifest) -> String {
    manifest.platforms().into_iter().map(Platform::name).collect::<Vec<_>>().join(", ")
}
