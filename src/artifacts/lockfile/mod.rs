//! `deps.lock`: every artifact with version, digests, sizes and ordered sources, for every platform.
//!
//! Invariant: a [`Lock`] is fully valid. Nothing after parsing asks whether a digest, a path or a reference is right.

pub(crate) mod edit;
mod fault;
mod glibc;
mod image;
mod parse;
pub(crate) use fault::position;
pub use glibc::GlibcVersion;
pub use image::{Image, ImagePin};
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use url::Url;

use crate::core::failure::Failure;
use crate::core::model::{ArtifactName, ByteSize, Digest, FileName, Platform, RelativePath, Slug};

/// The lock this program was built with; used where no other is given.
pub const EMBEDDED: &str = include_str!("../../../deps.lock");

/// All artifacts, sorted by name.
#[derive(Debug, Clone)]
pub struct Lock {
    /// Where the lock was read: a path, or `built in`.
    pub origin: String,
    /// The text it was read from.
    pub text: String,
    /// The artifacts, sorted by name, names unique.
    pub artifacts: Vec<Artifact>,
    /// Container images, sorted by name, names unique.
    pub images: Vec<Image>,
}

/// One tool or stack component at one version.
#[derive(Debug, Clone)]
pub struct Artifact {
    /// Its name, the key of the lock.
    pub name: ArtifactName,
    /// The version as its project writes it.
    pub version: String,
    /// SPDX expression.
    pub license: String,
    /// What it is, in a few words.
    pub summary: String,
    /// The profiles that contain it; empty for what is only fetched because another artifact needs it.
    pub profiles: Vec<Profile>,
    /// Facts a user should know, for instance a compatibility that is proved by tests only.
    pub note: Option<String>,
    /// The oldest glibc it runs with, if it uses the machine's.
    pub glibc: Option<GlibcVersion>,
    /// Command name to the file below the tool's tree that runs.
    pub commands: BTreeMap<FileName, RelativePath>,
    /// Variables a command needs, each the path of a folder below the tool's tree.
    pub environment: BTreeMap<String, RelativePath>,
    /// Ways to get it, in the order they are tried.
    pub sources: Vec<Source>,
}

/// A set of artifacts with a purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// What the numbered labs need.
    Core,
    /// Load generation.
    Bench,
    /// Runtimes for services in several languages.
    Hybrid,
    /// The Elastic stack.
    Elk,
}

impl Profile {
    /// The name used on the command line and in the lock.
    pub fn name(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Bench => "bench",
            Self::Hybrid => "hybrid",
            Self::Elk => "elk",
        }
    }
}

/// One way to get an artifact for one platform: a set of files that together make the tool's tree.
#[derive(Debug, Clone)]
pub struct Source {
    /// The platform the files are for.
    pub platform: Platform,
    /// Which client brings them.
    pub kind: SourceKind,
    /// The files, at least one.
    pub files: Vec<LockedFile>,
}

/// The client that brings a source's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceKind {
    /// A release file of the project, by HTTP.
    Url,
    /// A wheel, through the machine's pip.
    Pip,
    /// Debian packages, through the machine's apt.
    Apt,
    /// A Go module, built with a pinned toolchain from a committed go.mod and go.sum.
    Go(GoBuild),
}

/// How a Go module is built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoBuild {
    /// The folder below `assets/go` with go.mod and go.sum.
    pub wrapper: Slug,
    /// The digest of go.mod followed by go.sum: another wrapper makes other binaries.
    pub inputs: Digest,
    /// The artifact that holds the toolchain, with a `go` command.
    pub toolchain: ArtifactName,
    /// Go string variables that the linker sets, by qualified name: what a project's own build script does.
    pub variables: BTreeMap<String, String>,
}

impl SourceKind {
    /// The name used in the lock and in messages.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Url => "url",
            Self::Pip => "pip",
            Self::Apt => "apt",
            Self::Go(_) => "go",
        }
    }

    /// Whether a package manager brings it (as opposed to the project's own release server).
    pub fn is_registry(&self) -> bool {
        !matches!(self, Self::Url)
    }
}

/// A file whose bytes are known beforehand.
#[derive(Debug, Clone)]
pub struct LockedFile {
    /// Its name in the package repository.
    pub name: FileName,
    /// What its client is asked for.
    pub locator: Locator,
    /// What its bytes must hash to.
    pub digest: Digest,
    /// How long it is, or may be.
    pub size: SizeBound,
    /// What becomes of it in the tool's tree.
    pub content: Content,
}

/// What a client is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Locator {
    /// An address.
    Url(Url),
    /// A package of a registry at one version (pip: project; apt: binary package).
    Package {
        /// The package's name.
        package: String,
        /// Its exact version.
        version: String,
    },
    /// A Go package path of a main package.
    GoPackage(String),
}

/// The size of a file, as far as it was published or measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SizeBound {
    /// Exactly this long.
    Exact(ByteSize),
    /// Never measured by this project; longer is refused.
    AtMost(ByteSize),
}

impl SizeBound {
    /// The most bytes that are accepted.
    pub fn limit(self) -> u64 {
        match self {
            Self::Exact(size) | Self::AtMost(size) => size.0,
        }
    }

    /// The size, where it is known.
    pub fn exact(self) -> Option<u64> {
        match self {
            Self::Exact(size) => Some(size.0),
            Self::AtMost(_) => None,
        }
    }
}

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// The file itself is installed, executable.
    Raw {
        /// Where, below the tool's tree.
        install: RelativePath,
    },
    /// An archive.
    Archive(Unpack),
}

/// What is taken out of an archive, and how much that may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpack {
    /// The archive's format.
    pub archive: ArchiveKind,
    /// The most bytes that its members may have together.
    pub limit: ByteSize,
    /// What to take; a member that no rule names is checked and left out.
    pub rules: Vec<UnpackRule>,
    /// Files and folders of the tool's tree that get run rights (wheels do not record them).
    pub executable: Vec<RelativePath>,
}

/// One member or folder of an archive and its place in the tool's tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnpackRule {
    /// A single member.
    File {
        /// Its name in the archive.
        from: RelativePath,
        /// Its place in the tree.
        to: RelativePath,
    },
    /// A single member that no rule for a folder takes.
    LeftOut {
        /// Its name in the archive.
        from: RelativePath,
    },
    /// All members below a folder.
    Folder {
        /// The folder in the archive; `None` is its root.
        from: Option<RelativePath>,
        /// The folder in the tree; `None` is its root.
        to: Option<RelativePath>,
    },
}

/// Formats that can be unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum ArchiveKind {
    /// A zip file.
    #[serde(rename = "zip")]
    Zip,
    /// A Python wheel, which is a zip file without run rights.
    #[serde(rename = "wheel")]
    Wheel,
    /// A tar file, compressed with gzip.
    #[serde(rename = "tar.gz")]
    TarGz,
    /// A tar file, compressed with xz.
    #[serde(rename = "tar.xz")]
    TarXz,
    /// A Debian package: ar with data.tar.xz or data.tar.zst.
    #[serde(rename = "deb")]
    Deb,
}

impl Lock {
    /// Reads a lock. `origin` names it in errors; they give line, column and what was expected.
    pub fn parse(text: &str, origin: &str) -> Result<Self, Failure> {
        parse::parse(text, origin)
    }

    /// The artifact of this name, or a failure with the nearest one.
    pub fn artifact(&self, name: &ArtifactName) -> Result<&Artifact, Failure> {
        self.artifacts.iter().find(|artifact| artifact.name == *name).ok_or_else(|| {
            let failure = Failure::usage(format!("no artifact is called {name}"));
            let names = self.artifacts.iter().map(|artifact| artifact.name.as_str());
            match crate::core::nearest::nearest(name.as_str(), names) {
                Some(near) => failure.hint(format!("did you mean {near}? `meshlab deps list` shows all")),
                None => failure.hint("`meshlab deps list` shows all artifacts"),
            }
        })
    }
}

impl Lock {
    /// The image of this name, or a failure with the nearest one.
    pub fn image(&self, name: &Slug) -> Result<&Image, Failure> {
        self.images.iter().find(|image| image.name == *name).ok_or_else(|| {
            let failure = Failure::usage(format!("no image is called {name}"));
            let names = self.images.iter().map(|image| image.name.as_str());
            match crate::core::nearest::nearest(name.as_str(), names) {
                Some(near) => failure.hint(format!("did you mean {near}? `meshlab image list` shows all")),
                None => failure.hint("`meshlab image list` shows all images"),
            }
        })
    }
}

impl Artifact {
    /// The sources for a platform, in the order they are tried.
    pub fn sources_for(&self, platform: Platform) -> impl Iterator<Item = &Source> {
        self.sources.iter().filter(move |source| source.platform == platform)
    }
}

impl Source {
    /// What tells this source's tree from any other: the digest over its files' digests and what becomes of them.
    pub fn identity(&self, artifact: &Artifact) -> Digest {
        let mut lines: Vec<String> =
            self.files.iter().map(|file| format!("{} {:?}", file.digest, file.content)).collect();
        lines.push(format!("{:?} {:?}", artifact.commands, artifact.environment));
        let text = lines.join("\n");
        Digest::sha256_of(text.as_bytes())
    }
}
