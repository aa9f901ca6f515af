//! `meshlab deps`: the pinned artifacts.

mod list;
mod lock;
mod path;
mod verify;
mod why;

use clap::Subcommand;

use super::Runnable;
use crate::artifacts::lockfile::{Artifact, Source};
use crate::artifacts::store::Store;
use crate::artifacts::tool::Tools;
use crate::core::failure::Result;
use crate::core::model::Platform;
use crate::core::settings::Settings;

/// List, verify or update the tools that deps.lock pins
#[derive(Debug, Subcommand)]
pub(crate) enum DepsVerb {
    List(list::ListArgs),
    Verify(verify::VerifyArgs),
    Why(why::WhyArgs),
    Path(path::PathArgs),
    Lock(lock::LockArgs),
}

impl DepsVerb {
    pub(super) fn into_runnable(self) -> Box<dyn Runnable> {
        match self {
            Self::List(args) => Box::new(args),
            Self::Verify(args) => Box::new(args),
            Self::Why(args) => Box::new(args),
            Self::Path(args) => Box::new(args),
            Self::Lock(args) => Box::new(args),
        }
    }
}

const SCHEMA: u32 = 1;

/// Where things lie, and for which platform.
struct Places {
    store: Store,
    tools: Tools,
    platform: Platform,
}

impl Places {
    fn of(settings: &Settings) -> Result<Self> {
        Ok(Self {
            store: Store::new(&settings.dirs.cache),
            tools: Tools::new(&settings.dirs.data),
            platform: Platform::current()?,
        })
    }

    /// How far an artifact is: `installed`, `stored`, `missing` or `not locked`.
    fn state(&self, artifact: &Artifact) -> &'static str {
        if artifact.sources_for(self.platform).next().is_none() {
            "not locked"
        } else if self.tools.find(artifact, self.platform).is_some() {
            "installed"
        } else if artifact.sources_for(self.platform).any(|source| self.is_stored(source)) {
            "stored"
        } else {
            "missing"
        }
    }

    fn is_stored(&self, source: &Source) -> bool {
        source.files.iter().all(|file| self.store.contains(&file.digest))
    }
}

fn profiles(artifact: &Artifact) -> Vec<&'static str> {
    artifact.profiles.iter().map(|profile| profile.name()).collect()
}
