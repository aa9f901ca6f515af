//! How a refused archive is told.

use std::error::Error as StdError;
use std::io;

use super::NamedArchive;

use crate::core::failure::{Failure, FailureKind, cause_chain};

/// Long enough for any honest name, short enough for a terminal.
const SHOWN: usize = 200;

/// The archive is unsafe, cut or damaged: `seen` says what was found in it.
pub(super) fn refuse(archive: NamedArchive<'_>, seen: impl Into<String>) -> Failure {
    Failure::new(
        FailureKind::Untrusted,
        format!("{} is refused: it cannot be unpacked safely and completely", archive.name),
    )
    .detail("archive", archive.path.as_str())
    .seen_text(seen)
    .hint("nothing of it was installed; look at the file before you trust where it came from")
}

/// The same for one member, whose name is shown with everything unprintable escaped.
pub(super) fn refuse_member(archive: NamedArchive<'_>, member: &[u8], seen: impl Into<String>) -> Failure {
    refuse(archive, seen).detail("member", shown(member))
}

/// The archive is sound, but not what the lock expects.
pub(super) fn lock_mismatch(archive: NamedArchive<'_>, seen: impl Into<String>) -> Failure {
    Failure::new(FailureKind::Untrusted, format!("deps.lock does not fit {}", archive.name))
        .detail("archive", archive.path.as_str())
        .seen_text(seen)
        .hint("nothing of it was installed; mend unpack and executable in deps.lock: they name paths in the archive and in the tree")
}

/// A reader's error: the system's own mean the machine failed, all others that the archive is damaged.
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

/// The error of the operating system behind a reader's error, if that is what it is.
fn system_error(error: &io::Error) -> Option<&io::Error> {
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(cause) = next {
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            if io.raw_os_error().is_some() {
                return Some(io);
            }
            // `io::Error::source` skips the error it wraps.
            if let Some(inner) = io.get_ref() {
                next = Some(inner);
                continue;
            }
        }
        next = cause.source();
    }
    None
}

/// A member's name for people.
pub(super) fn shown(name: &[u8]) -> String {
    let text = String::from_utf8_lossy(name);
    let cut: String = text.chars().take(SHOWN).collect();
    let escaped = cut.escape_debug();
    if cut.len() < text.len() { format!("{escaped}... ({} bytes)", name.len()) } else { escaped.to_string() }
}
