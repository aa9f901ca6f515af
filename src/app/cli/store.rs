//! Verbs about artifacts: getting, listing, moving, serving and removing them.
#![allow(clippy::doc_markdown, reason = "these comments are the help texts, which show no backticks")]

use camino::Utf8PathBuf;
use clap::{Args, Subcommand, ValueEnum};

use crate::artifacts::lockfile::Profile;
use crate::core::model::{ArtifactName, Platform};

/// `meshlab provision`
#[derive(Debug, Args)]
pub struct ProvisionArgs {
    /// Artifacts; without any, those of the profile
    pub names: Vec<ArtifactName>,
    /// A set of artifacts
    #[arg(long, value_enum, value_name = "PROFILE")]
    pub profile: Option<ProfileChoice>,
    /// Which kinds of source may be used
    #[arg(long, value_enum, default_value = "auto", value_name = "SOURCE")]
    pub source: SourceChoice,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// The profiles as the command line names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProfileChoice {
    /// What the numbered labs need
    Core,
    /// Load generation
    Bench,
    /// Runtimes for services in several languages
    Hybrid,
    /// The Elastic stack
    Elk,
    /// Everything
    All,
}

impl ProfileChoice {
    /// The profiles meant by `--profile`, beside names: somebody who names artifacts wants those and nothing else.
    pub fn profiles(choice: Option<Self>, names: &[ArtifactName]) -> Vec<Profile> {
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

/// Which kinds of source may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SourceChoice {
    /// All, in the lock's order
    Auto,
    /// Only the projects' own release files (and MESHLAB_MIRROR)
    Upstream,
    /// Only package managers (and MESHLAB_MIRROR)
    Registry,
}

/// `meshlab repo`
#[derive(Debug, Subcommand)]
pub enum RepoCommand {
    /// Serve the store over HTTP until Ctrl-C
    Serve {
        /// Where to listen
        #[arg(long, default_value = "127.0.0.1:8090", value_name = "ADDR")]
        listen: std::net::SocketAddr,
        /// Also serve the packages of this list, a JSON file that `meshlab` wrote
        #[arg(long, value_name = "FILE")]
        packages: Option<Utf8PathBuf>,
    },
}

/// `meshlab deps`
#[derive(Debug, Subcommand)]
pub enum DepsCommand {
    /// Every pinned artifact
    List,
    /// Hash everything stored and unpacked again, and compare it with the lock
    Verify {
        /// Artifacts; without any, all that are installed
        names: Vec<ArtifactName>,
    },
    /// Who needs an artifact, and where it comes from
    Why {
        /// The artifact
        name: ArtifactName,
    },
    /// Where an artifact is unpacked
    Path {
        /// The artifact
        name: ArtifactName,
    },
    /// Fetch, measure and write digests and sizes: the only thing that does
    Lock {
        /// Artifacts; without any, all
        names: Vec<ArtifactName>,
        /// Write nothing; fail if something would change
        #[arg(long)]
        check: bool,
    },
}

/// `meshlab bundle`
#[derive(Debug, Subcommand)]
pub enum BundleCommand {
    /// Write deps.lock and the files of a profile into one file; what is missing is fetched first
    Export(BundleExportArgs),
    /// Verify a bundle, store its files and install this machine's tools
    Import {
        /// The bundle
        file: Utf8PathBuf,
    },
}

/// `meshlab bundle export`
#[derive(Debug, Args)]
pub struct BundleExportArgs {
    /// The bundle; one that is there is replaced at the end
    pub file: Utf8PathBuf,
    /// Artifacts; without any, those of the profile
    pub names: Vec<ArtifactName>,
    /// A set of artifacts
    #[arg(long, value_enum, value_name = "PROFILE")]
    pub profile: Option<ProfileChoice>,
    /// For which machines: linux-x86_64 or linux-arm64; may be given several times; without any, this one
    #[arg(long = "platform", value_name = "PLATFORM")]
    pub platforms: Vec<Platform>,
    /// Put this program in as well: `tar xf FILE meshlab-bundle/meshlab` takes it out
    #[arg(long)]
    pub with_meshlab: bool,
}

/// `meshlab clean`
#[derive(Debug, Clone, Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of its own on the command line")]
pub struct CleanArgs {
    /// Downloaded files
    #[arg(long)]
    pub cache: bool,
    /// Unpacked tools
    #[arg(long)]
    pub tools: bool,
    /// Container images in Docker (never of a running lab)
    #[arg(long)]
    pub images: bool,
    /// Logs and progress (never of a running lab)
    #[arg(long)]
    pub state: bool,
    /// Say what would be removed, and remove nothing
    #[arg(long)]
    pub dry_run: bool,
}
