//! The lock file `deps.lock`: artifacts with versions, digests, sizes and sources for each platform.
//!
//! Invariant: a [`Lock`] is valid. Digests, paths and references are checked while parsing, and nowhere else.

pub(crate) mod edit;
mod error;
mod file;
mod glibc;
mod image;
mod parse;
pub(crate) use error::position;
pub use glibc::GlibcVersion;
pub use image::{Image, ImagePin};
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use url::Url;

use crate::core::failure::Failure;
use crate::core::model::{ArtifactName, ByteSize, Digest, FileName, Platform, RelativePath, Slug};

/// The lock that is built into the binary; the default.
pub const EMBEDDED: &str = include_str!("../../../deps.lock");

/// A valid lock.
#[derive(Debug, Clone)]
pub struct Lock {
    /// The path of the lock file, or `built in`.
    pub origin: String,
    /// The text of the lock file.
    pub text: String,
    /// The artifacts, sorted by name; names are unique.
    pub artifacts: Vec<Artifact>,
    /// The container images, sorted by name; names are unique.
    pub images: Vec<Image>,
}

/// One tool or stack component at one version.
#[derive(Debug, Clone)]
pub struct Artifact {
    /// The unique name.
    pub name: ArtifactName,
    /// The version as the project writes it.
    pub version: String,
    /// The license as an SPDX expression.
    pub license: String,
    /// A short description.
    pub summary: String,
    /// The profiles that contain it; empty for an artifact that only others need.
    pub profiles: Vec<Profile>,
    /// A note for users, for example on compatibility.
    pub note: Option<String>,
    /// The oldest glibc it runs with, if it uses the machine's glibc.
    pub glibc: Option<GlibcVersion>,
    /// The file in the tool's tree for each command.
    pub commands: BTreeMap<FileName, RelativePath>,
    /// Environment variables for the commands. Each value is a folder in the tool's tree.
    pub environment: BTreeMap<String, RelativePath>,
    /// The sources, in the order they are tried.
    pub sources: Vec<Source>,
}

/// A set of artifacts for one purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// The artifacts for the numbered labs.
    Core,
    /// Load generation.
    Bench,
    /// Runtimes for services in several languages.
    Hybrid,
    /// The Elastic stack.
    Elk,
}

impl Profile {
    /// The name on the command line and in the lock.
    pub fn name(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Bench => "bench",
            Self::Hybrid => "hybrid",
            Self::Elk => "elk",
        }
    }
}

/// A source of an artifact for one platform: the files that together are the tool's tree.
#[derive(Debug, Clone)]
pub struct Source {
    /// The platform of the files.
    pub platform: Platform,
    /// The client that fetches them.
    pub kind: SourceKind,
    /// The files, at least one.
    pub files: Vec<LockedFile>,
}

/// The client that fetches a source's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceKind {
    /// Release files of the project, by HTTP.
    Url,
    /// Python wheels, with the machine's pip.
    Pip,
    /// Debian packages, with the machine's apt.
    Apt,
    /// Go modules, built with a pinned toolchain from a committed go.mod and go.sum.
    Go(GoBuild),
}

/// How a Go module is built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoBuild {
    /// The folder in `assets/go` with go.mod and go.sum.
    pub wrapper: Slug,
    /// The digest of go.mod followed by go.sum, which decide the content of the binaries.
    pub inputs: Digest,
    /// The artifact of the toolchain, which has a `go` command.
    pub toolchain: ArtifactName,
    /// Go string variables that the linker sets, by qualified name, as in the project's build script.
    pub variables: BTreeMap<String, String>,
}

impl SourceKind {
    /// The name in the lock and in messages.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Url => "url",
            Self::Pip => "pip",
            Self::Apt => "apt",
            Self::Go(_) => "go",
        }
    }

    /// Whether a package manager fetches it, as opposed to the project's release server.
    pub fn is_registry(&self) -> bool {
        !matches!(self, Self::Url)
    }
}

/// A file with a known digest.
#[derive(Debug, Clone)]
pub struct LockedFile {
    /// The name in the package repository.
    pub name: FileName,
    /// What the client fetches.
    pub locator: Locator,
    /// The required digest.
    pub digest: Digest,
    /// The exact or largest size.
    pub size: SizeBound,
    /// How it is installed in the tool's tree.
    pub content: FileContent,
}

/// What a client fetches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Locator {
    /// The file at a URL.
    Url(Url),
    /// A version of a package (pip: project; apt: binary package).
    Package {
        /// The name of the package.
        package: String,
        /// The exact version.
        version: String,
    },
    /// The path of a Go main package.
    GoPackage(String),
}

/// The size of a file, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SizeBound {
    /// The exact size.
    Exact(ByteSize),
    /// An upper limit, for a file that was never measured.
    AtMost(ByteSize),
}

impl SizeBound {
    /// The largest accepted size in bytes.
    pub fn limit(self) -> u64 {
        match self {
            Self::Exact(size) | Self::AtMost(size) => size.0,
        }
    }

    /// The exact size in bytes, if it is known.
    pub fn exact(self) -> Option<u64> {
        match self {
            Self::Exact(size) => Some(size.0),
            Self::AtMost(_) => None,
        }
    }
}

/// How a file is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileContent {
    /// The file itself is installed, with execute permission.
    Raw {
        /// The path in the tool's tree.
        install: RelativePath,
    },
    /// The file is an archive to unpack.
    Archive(Unpack),
}

/// How an archive is unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpack {
    /// The format of the archive.
    pub archive: ArchiveKind,
    /// The largest size of all members together.
    pub limit: ByteSize,
    /// The members to unpack. Other members are checked and skipped.
    pub rules: Vec<UnpackRule>,
    /// Files and folders in the tool's tree that get execute permission, which wheels do not record.
    pub executable: Vec<RelativePath>,
}

/// A rule that maps a member or folder of an archive to the tool's tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnpackRule {
    /// A single member.
    File {
        /// The name in the archive.
        from: RelativePath,
        /// The path in the tree.
        to: RelativePath,
    },
    /// A single member to skip, as an exception from a folder rule.
    LeftOut {
        /// The name in the archive.
        from: RelativePath,
    },
    /// All members in a folder.
    Folder {
        /// The folder in the archive; `None` for the root.
        from: Option<RelativePath>,
        /// The folder in the tree; `None` for the root.
        to: Option<RelativePath>,
    },
}

/// The supported archive formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum ArchiveKind {
    /// A zip file.
    #[serde(rename = "zip")]
    Zip,
    /// A Python wheel: a zip file without permissions.
    #[serde(rename = "wheel")]
    Wheel,
    /// A tar file, compressed with gzip.
    #[serde(rename = "tar.gz")]
    TarGz,
    /// A tar file, compressed with xz.
    #[serde(rename = "tar.xz")]
    TarXz,
    /// A Debian package: an ar archive with data.tar.gz, data.tar.xz or data.tar.zst.
    #[serde(rename = "deb")]
    Deb,
}

impl Lock {
    /// Parses a lock. Errors have `origin`, line, column and the expected value.
    pub fn parse(text: &str, origin: &str) -> Result<Self, Failure> {
        parse::parse(text, origin)
    }

    /// The artifact with this name. The failure suggests a similar name.
    pub fn artifact(&self, name: &ArtifactName) -> Result<&Artifact, Failure> {
        self.artifacts.iter().find(|artifact| artifact.name == *name).ok_or_else(|| {
            let failure = Failure::usage(format!("unknown artifact {name}"));
            let names = self.artifacts.iter().map(|artifact| artifact.name.as_str());
            match crate::core::nearest::nearest(name.as_str(), names) {
                Some(near) => {
                    failure.hint(format!("did you mean {near}? `meshlab deps list` shows all artifacts"))
                }
                None => failure.hint("`meshlab deps list` shows all artifacts"),
            }
        })
    }
}

impl Lock {
    /// The image with this name. The failure suggests a similar name.
    pub fn image(&self, name: &Slug) -> Result<&Image, Failure> {
        self.images.iter().find(|image| image.name == *name).ok_or_else(|| {
            let failure = Failure::usage(format!("unknown image {name}"));
            let names = self.images.iter().map(|image| image.name.as_str());
            match crate::core::nearest::nearest(name.as_str(), names) {
                Some(near) => {
                    failure.hint(format!("did you mean {near}? `meshlab image list` shows all images"))
                }
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
    /// Identifies the tree of this source: a digest of the files' digests, their rules, and the artifact's commands.
    ///
    /// Uses the `Debug` text of [`FileContent`]: renaming one of its variants or fields reinstalls all tools.
    pub fn identity(&self, artifact: &Artifact) -> Digest {
        let mut lines: Vec<String> =
            self.files.iter().map(|file| format!("{} {:?}", file.digest, file.content)).collect();
        lines.push(format!("{:?} {:?}", artifact.commands, artifact.environment));
        let text = lines.join("\n");
        Digest::sha256_of(text.as_bytes())
    }
}
