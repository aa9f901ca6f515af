//! Parses TOML into a valid [`Lock`], or an error with line and column.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;

use super::error::{LockError, position};
use super::file::{RawFile, RawKind, locked_file};
use super::image::{RawImage, images};
use super::{Artifact, GlibcVersion, GoBuild, Lock, Profile, Source, SourceKind};
use crate::core::failure::Failure;
use crate::core::model::{ArtifactName, Digest, FileName, Platform, RelativePath, Slug};

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
