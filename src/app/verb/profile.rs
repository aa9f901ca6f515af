//! `--profile`: sets of artifacts.

use clap::ValueEnum;

use crate::artifacts::lockfile::Profile;
use crate::core::model::ArtifactName;

/// The profiles as the command line names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProfileChoice {
    /// Tools of the numbered labs
    Core,
    /// Load generator
    Bench,
    /// Runtimes of services in several languages
    Hybrid,
    /// Elastic stack
    Elk,
    /// All artifacts
    All,
}

impl ProfileChoice {
    /// The profiles to use with `names`. The default is core if there are no names, else none.
    pub(crate) fn profiles(choice: Option<Self>, names: &[ArtifactName]) -> Vec<Profile> {
        match choice {
            None if names.is_empty() => vec![Profile::Core],
            None => Vec::new(),
            Some(Self::Core) => vec![Profile::Core],
            Some(Self::Bench) => vec![Profile::Bench],
            Some(Self::Hybrid) => vec![Profile::Hybrid],
            Some(Self::Elk) => vec![Profile::Elk],
            Some(Self::All) => vec![Profile::Core, Profile::Bench, Profile::Hybrid, Profile::Elk],
        }
    }
}
