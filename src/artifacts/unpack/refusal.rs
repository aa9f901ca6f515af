//! The failures for archives that are refused.

use std::error::Error as StdError;
use std::{fmt, io};

use super::NamedArchive;
use crate::core::failure::{Failure, FailureKind, cause_chain};

/// The longest part of a name in a message, in characters.
const MAX_SHOWN: usize = 200;

/// The failure for an unsafe, truncated or damaged archive. `seen` is what was found in it.
pub(super) fn refuse(archive: NamedArchive<'_>, seen: impl fmt::Display) -> Failure {
    Failure::new(
        FailureKind::Untrusted,
        format!("cannot unpack {}: it is unsafe, truncated or damaged", archive.name),
    )
    .detail("archive", archive.path.as_str())
    .seen_text(seen.to_string())
    .hint("nothing was installed; inspect the file before you trust its source")
}

/// As [`refuse`], for one member. Its name is shown with unprintable characters escaped.
pub(super) fn refuse_member(archive: NamedArchive<'_>, member: &[u8], seen: impl fmt::Display) -> Failure {
    refuse(archive, seen).detail("member", shown(member))
}

/// The failure for a valid archive whose content does not match `deps.lock`.
pub(super) fn lock_mismatch(archive: NamedArchive<'_>, seen: impl fmt::Display) -> Failure {
    Failure::new(FailureKind::Untrusted, format!("deps.lock does not match the content of {}", archive.name))
        .detail("archive", archive.path.as_str())
        .seen_text(seen.to_string())
        .hint("nothing was installed; correct `unpack` and `executable` in deps.lock: `unpack` names paths in the archive, `executable` paths in the tree")
}

/// The failure for an error while reading: an error of the operating system, else a damaged archive.
pub(super) fn unreadable(archive: NamedArchive<'_>, member: Option<&[u8]>, error: &io::Error) -> Failure {
    if let Some(system) = system_error(error) {
        return Failure::failed(format!("cannot read {}", archive.path)).seen(system);
    }
    let seen = match error.kind() {
        io::ErrorKind::UnexpectedEof => format!("it ends too early ({})", cause_chain(error)),
        _ => cause_chain(error),
    };
    match member {
        Some(member) => refuse_member(archive, member, seen),
        None => refuse(archive, seen),
    }
}

/// The operating system's error among the causes of `error`.
fn system_error(error: &io::Error) -> Option<&io::Error> {
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(cause) = next {
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            if io.raw_os_error().is_some() {
                return Some(io);
            }
            // `io::Error::source` skips the error that it wraps.
            if let Some(inner) = io.get_ref() {
                next = Some(inner);
                continue;
            }
        }
        next = cause.source();
    }
    None
}

/// A member's name, escaped and shortened for messages.
pub(super) fn shown(name: &[u8]) -> String {
    let text = String::from_utf8_lossy(name);
    let cut: String = text.chars().take(MAX_SHOWN).collect();
    let escaped = cut.escape_debug();
    if cut.len() < text.len() { format!("{escaped}... ({} bytes)", name.len()) } else { escaped.to_string() }
}
