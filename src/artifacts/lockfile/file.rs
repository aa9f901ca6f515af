//! Parses `[[artifact.source.file]]` tables.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use url::Url;

use super::error::LockError;
use super::{ArchiveKind, FileContent, Locator, LockedFile, SizeBound, Unpack, UnpackRule};
use crate::core::model::{ByteSize, Digest, DigestAlgorithm, FileName, RelativePath};

/// The kind of a source, which decides how its files are located.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum RawKind {
    Url,
    Pip,
    Apt,
    Go,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFile {
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

pub(super) fn locked_file(raw: Spanned<RawFile>, kind: RawKind) -> Result<LockedFile, LockError> {
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
