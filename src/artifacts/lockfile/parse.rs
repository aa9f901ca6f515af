//! Parses TOML into a valid [`Lock`], or an error with line and column.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use url::Url;

use super::error::{LockError, position};
use super::image::{RawImage, images};
use super::{
    ArchiveKind, Artifact, FileContent, GlibcVersion, GoBuild, Locator, Lock, LockedFile, Profile, SizeBound,
    Source, SourceKind, Unpack, UnpackRule,
};
use crate::core::failure::Failure;
use crate::core::model::{
    ArtifactName, ByteSize, Digest, DigestAlgorithm, FileName, Platform, RelativePath, Slug,
};

const VERSION: u32 = 1;

/// The longest part of a line in an error, in characters.
const MAX_SHOWN: usize = 300;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLock {
    version: Spanned<u32>,
    artifact: Vec<Spanned<RawArtifact>>,
    #[serde(default)]
    image: Vec<Spanned<RawImage>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawArtifact {
    name: Spanned<ArtifactName>,
    version: String,
    license: String,
    summary: String,
    #[serde(default)]
    profiles: Vec<Profile>,
    note: Option<String>,
    glibc: Option<GlibcVersion>,
    commands: BTreeMap<FileName, RelativePath>,
    #[serde(default)]
    environment: BTreeMap<String, RelativePath>,
    source: Vec<Spanned<RawSource>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSource {
    kind: RawKind,
    platform: Platform,
    wrapper: Option<Slug>,
    inputs: Option<Digest>,
    toolchain: Option<ArtifactName>,
    #[serde(default)]
    variables: BTreeMap<String, String>,
    file: Vec<Spanned<RawFile>>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum RawKind {
    Url,
    Pip,
    Apt,
    Go,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    name: Option<FileName>,
    url: Option<Spanned<String>>,
    package: Option<String>,
    version: Option<String>,
    sha256: Option<Spanned<String>>,
    sha512: Option<Spanned<String>>,
    size: Option<Spanned<i64>>,
    size_limit: Option<Spanned<i64>>,
    archive: Option<ArchiveKind>,
    install: Option<RelativePath>,
    unpacked_limit: Option<Spanned<i64>>,
    unpack: Option<BTreeMap<String, Spanned<String>>>,
    #[serde(default)]
    executable: Vec<RelativePath>,
}

pub(super) fn parse(text: &str, origin: &str) -> Result<Lock, Failure> {
    let raw: RawLock = toml::from_str(text).map_err(|error| {
        failure(text, origin, &LockError::new(error.span().unwrap_or(0..0), expectation(error.message())))
    })?;
    lock(raw, text, origin).map_err(|error| failure(text, origin, &error))
}

fn failure(text: &str, origin: &str, error: &LockError) -> Failure {
    let (line, column) = position(text, error.at.start);
    let source_line: String =
        text.lines().nth(line - 1).unwrap_or_default().trim_end().chars().take(MAX_SHOWN).collect();
    Failure::usage(format!("{origin}:{line}:{column}: {}", error.what))
        .detail("line", source_line)
        .hint("edit names, versions and rules by hand; `meshlab deps lock` writes digests and sizes")
}

/// The message of the TOML parser, in the form `expected ...` of the other messages.
fn expectation(message: &str) -> String {
    let message = message.trim();
    match message.strip_prefix("missing field ") {
        Some(field) => format!("expected the field {field}, found none"),
        None => message.to_owned(),
    }
}

fn lock(raw: RawLock, text: &str, origin: &str) -> Result<Lock, LockError> {
    if *raw.version.get_ref() != VERSION {
        let found = raw.version.get_ref();
        return Err(LockError::new(
            raw.version.span(),
            format!("expected version = {VERSION}, found {found}"),
        ));
    }
    let mut artifacts: Vec<Artifact> = Vec::with_capacity(raw.artifact.len());
    let mut toolchains: Vec<(Range<usize>, ArtifactName)> = Vec::new();
    for raw_artifact in raw.artifact {
        let span = raw_artifact.span();
        let artifact = artifact(raw_artifact.into_inner())?;
        if let Some(before) = artifacts.last()
            && before.name >= artifact.name
        {
            return Err(LockError::new(
                span,
                format!(
                    "expected artifacts sorted by name, each once; {} follows {}",
                    artifact.name, before.name
                ),
            ));
        }
        toolchains.extend(artifact.sources.iter().filter_map(|source| match &source.kind {
            SourceKind::Go(build) => Some((span.clone(), build.toolchain.clone())),
            _ => None,
        }));
        artifacts.push(artifact);
    }
    for (span, toolchain) in toolchains {
        let has_go = artifacts.iter().any(|artifact| {
            artifact.name == toolchain && artifact.commands.keys().any(|command| command.as_str() == "go")
        });
        if !has_go {
            let what =
                format!("expected toolchain to name an artifact with a `go` command, found {toolchain}");
            return Err(LockError::new(span, what));
        }
    }
    let images = images(raw.image, &artifacts)?;
    Ok(Lock { origin: origin.to_owned(), text: text.to_owned(), artifacts, images })
}

fn artifact(raw: RawArtifact) -> Result<Artifact, LockError> {
    let name_at = raw.name.span();
    if raw.version.is_empty() || raw.license.is_empty() {
        return Err(LockError::new(name_at, "expected a version and a license, found an empty string"));
    }
    let texts = [&raw.version, &raw.license, &raw.summary].into_iter().chain(&raw.note);
    if let Some(text) = texts.into_iter().find(|text| text.contains(char::is_control)) {
        return Err(LockError::new(
            name_at,
            format!("expected text without control characters, found {text:?}"),
        ));
    }
    if raw.source.is_empty() {
        return Err(LockError::new(name_at, "expected at least one [[artifact.source]]"));
    }
    let is_variable_name = |name: &str| {
        !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
    };
    if let Some(variable) = raw.environment.keys().find(|name| !is_variable_name(name)) {
        return Err(LockError::new(
            name_at,
            format!("expected a variable name in upper case, found {variable:?}"),
        ));
    }
    let sources = raw.source.into_iter().map(source).collect::<Result<Vec<_>, _>>()?;
    Ok(Artifact {
        name: raw.name.into_inner(),
        version: raw.version,
        license: raw.license,
        summary: raw.summary,
        profiles: raw.profiles,
        note: raw.note,
        glibc: raw.glibc,
        commands: raw.commands,
        environment: raw.environment,
        sources,
    })
}

fn source(raw: Spanned<RawSource>) -> Result<Source, LockError> {
    let at = raw.span();
    let raw = raw.into_inner();
    let kind = match (raw.kind, raw.wrapper, raw.inputs, raw.toolchain) {
        (RawKind::Go, Some(wrapper), Some(inputs), Some(toolchain)) => {
            // Go splits the linker argument at spaces and quotes.
            let is_plain = |text: &str| {
                !text.is_empty()
                    && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"./-_+~".contains(&byte))
            };
            if let Some((name, value)) =
                raw.variables.iter().find(|(name, value)| !is_plain(name) || !is_plain(value))
            {
                let what = format!(
                    "expected variables of letters, digits and . / - _ + ~, found {name:?} = {value:?}"
                );
                return Err(LockError::new(at, what));
            }
            SourceKind::Go(GoBuild { wrapper, inputs, toolchain, variables: raw.variables })
        }
        (RawKind::Go, ..) => {
            return Err(LockError::new(at, "expected wrapper, inputs and toolchain with kind = \"go\""));
        }
        (kind, None, None, None) if raw.variables.is_empty() => match kind {
            RawKind::Url => SourceKind::Url,
            RawKind::Pip => SourceKind::Pip,
            RawKind::Apt | RawKind::Go => SourceKind::Apt,
        },
        _ => {
            return Err(LockError::new(
                at,
                "expected wrapper, inputs, toolchain and variables only with kind = \"go\"",
            ));
        }
    };
    if raw.file.is_empty() {
        return Err(LockError::new(at, "expected at least one [[artifact.source.file]]"));
    }
    let files =
        raw.file.into_iter().map(|file| locked_file(file, raw.kind)).collect::<Result<Vec<_>, _>>()?;
    let mut names = BTreeSet::new();
    if let Some(duplicate) = files.iter().find(|file| !names.insert(&file.name)) {
        return Err(LockError::new(
            at,
            format!("expected unique file names, found {} twice", duplicate.name),
        ));
    }
    Ok(Source { platform: raw.platform, kind, files })
}

fn locked_file(raw: Spanned<RawFile>, kind: RawKind) -> Result<LockedFile, LockError> {
    let at = raw.span();
    let raw = raw.into_inner();
    let locator = locator(&raw, kind, &at)?;
    let name = match (&raw.name, &locator) {
        (Some(name), _) => name.clone(),
        (None, Locator::Url(url)) => url
            .path_segments()
            .and_then(|mut segments| segments.next_back())
            .unwrap_or_default()
            .parse()
            .map_err(|_| {
                LockError::new(
                    at.clone(),
                    "expected name = \"...\", because the url does not end with a file name",
                )
            })?,
        (None, _) => {
            return Err(LockError::new(at, "expected name = \"...\", the file name in the repository"));
        }
    };
    Ok(LockedFile {
        name,
        digest: digest(&raw, &at)?,
        size: size(&raw, &at)?,
        content: content(&raw, &at)?,
        locator,
    })
}

fn locator(raw: &RawFile, kind: RawKind, at: &Range<usize>) -> Result<Locator, LockError> {
    match (kind, &raw.url, &raw.package, &raw.version) {
        (RawKind::Url, Some(url), None, None) => {
            let parsed =
                Url::parse(url.get_ref()).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
            parsed.map(Locator::Url).ok_or_else(|| {
                LockError::new(
                    url.span(),
                    format!("expected an http or https URL, found {:?}", url.get_ref()),
                )
            })
        }
        (RawKind::Pip | RawKind::Apt, None, Some(package), Some(version)) => {
            // Both are arguments of the client, so they must not be options or several arguments.
            let is_plain = |text: &str| {
                text.starts_with(|first: char| first.is_ascii_alphanumeric())
                    && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".+-_~:".contains(&byte))
            };
            if !is_plain(package) || !is_plain(version) {
                let what = format!(
                    "expected a package and a version of letters, digits and . + - _ ~ :, found {package:?} {version:?}"
                );
                return Err(LockError::new(at.clone(), what));
            }
            Ok(Locator::Package { package: package.clone(), version: version.clone() })
        }
        (RawKind::Go, None, Some(package), None) => {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"./-_~".contains(&byte);
            if package.starts_with(|first: char| first.is_ascii_alphanumeric()) && package.bytes().all(plain)
            {
                Ok(Locator::GoPackage(package.clone()))
            } else {
                Err(LockError::new(
                    at.clone(),
                    format!("expected the path of a Go main package, found {package:?}"),
                ))
            }
        }
        (RawKind::Url, ..) => {
            Err(LockError::new(at.clone(), "expected url = \"...\" without package and version"))
        }
        (RawKind::Go, ..) => {
            Err(LockError::new(at.clone(), "expected package = \"...\" without url and version"))
        }
        (RawKind::Pip | RawKind::Apt, ..) => Err(LockError::new(
            at.clone(),
            "expected package and version without url: the client has its own registry",
        )),
    }
}

fn digest(raw: &RawFile, at: &Range<usize>) -> Result<Digest, LockError> {
    let (algorithm, hex) = match (&raw.sha256, &raw.sha512) {
        (Some(hex), None) => (DigestAlgorithm::Sha256, hex),
        (None, Some(hex)) => (DigestAlgorithm::Sha512, hex),
        _ => return Err(LockError::new(at.clone(), "expected either sha256 or sha512")),
    };
    Digest::from_hex(algorithm, hex.get_ref())
        .map_err(|invalid| LockError::new(hex.span(), invalid.to_string()))
}

fn size(raw: &RawFile, at: &Range<usize>) -> Result<SizeBound, LockError> {
    match (&raw.size, &raw.size_limit) {
        (Some(size), None) => bytes(size).map(SizeBound::Exact),
        (None, Some(limit)) => bytes(limit).map(SizeBound::AtMost),
        _ => Err(LockError::new(
            at.clone(),
            "expected either size, or size_limit for a file that was never measured",
        )),
    }
}

fn bytes(number: &Spanned<i64>) -> Result<ByteSize, LockError> {
    let found = *number.get_ref();
    match u64::try_from(found) {
        Ok(bytes) if bytes > 0 => Ok(ByteSize(bytes)),
        _ => {
            Err(LockError::new(number.span(), format!("expected a positive number of bytes, found {found}")))
        }
    }
}

fn content(raw: &RawFile, at: &Range<usize>) -> Result<FileContent, LockError> {
    match (raw.archive, &raw.install, &raw.unpacked_limit, &raw.unpack) {
        (None, Some(install), None, None) => Ok(FileContent::Raw { install: install.clone() }),
        (Some(archive), None, Some(limit), Some(rules)) if !rules.is_empty() => {
            Ok(FileContent::Archive(Unpack {
                archive,
                limit: bytes(limit)?,
                rules: rules
                    .iter()
                    .map(|(from, to)| rule(from, to.get_ref(), &to.span()))
                    .collect::<Result<_, _>>()?,
                executable: raw.executable.clone(),
            }))
        }
        _ => Err(LockError::new(
            at.clone(),
            "expected either install = \"path\" (a single file) or archive, unpacked_limit and unpack = { \"member\" = \"path\" }",
        )),
    }
}

/// Parses an unpack rule: `"a/b" = "c"` selects a member, `"a/" = "c/"` a folder, and `"a/b" = ""` excludes a member.
/// `"./"` is the root on either side.
fn rule(from: &str, to: &str, at: &Range<usize>) -> Result<UnpackRule, LockError> {
    let path = |text: &str| {
        text.parse::<RelativePath>()
            .map_err(|invalid| LockError::new(at.clone(), format!("in unpack: {invalid}")))
    };
    let folder = |text: &str| if text == "." { Ok(None) } else { path(text).map(Some) };
    match (from.strip_suffix('/'), to.strip_suffix('/')) {
        (None, None) if to.is_empty() => Ok(UnpackRule::LeftOut { from: path(from)? }),
        (None, None) => Ok(UnpackRule::File { from: path(from)?, to: path(to)? }),
        (Some(from), Some(to)) => Ok(UnpackRule::Folder { from: folder(from)?, to: folder(to)? }),
        _ => Err(LockError::new(
            at.clone(),
            format!("in unpack: expected both {from:?} and {to:?}, or neither, to end with / (a folder)"),
        )),
    }
}
