//! Unpacks archives (zip, wheel, tar.gz, tar.xz, deb) by the rules of `deps.lock`. No member can leave the target
//! folder.
//!
//! Invariant: while an archive is read, only new folders and new regular files are created. Symbolic links are created
//! after the last byte was written, so nothing is written through a link.
//! Invariant: every member is checked, also one that no rule selects.

mod ar;
mod compressed;
mod deb;
mod destination;
mod links;
mod name;
mod refusal;
mod rules;
mod tar;
mod tree;
mod zip;

#[cfg(test)]
mod tests;

use camino::Utf8Path;
use fs_err as fs;

use crate::artifacts::lockfile::{ArchiveKind, Unpack};
use crate::core::failure::{Failure, Result};
use crate::core::model::{Digest, RelativePath};
use destination::Destination;

/// A file or symbolic link that was unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnpackedFile {
    /// The path in the target folder.
    pub path: RelativePath,
    /// The size in bytes; 0 for a symbolic link.
    pub size: u64,
    /// The SHA-256 of the content; for a symbolic link, of the target's text.
    pub sha256: Digest,
    /// Whether it has execute permission.
    pub executable: bool,
    /// The target of a symbolic link.
    pub link: Option<String>,
}

/// An archive, and its name in messages: in the store, the file name is the digest.
#[derive(Debug, Clone, Copy)]
pub struct NamedArchive<'a> {
    /// The path of the file.
    pub path: &'a Utf8Path,
    /// The file name in the lock.
    pub name: &'a str,
}

/// Unpacks the members that `unpack` selects into the existing, empty folder `into`. The result is sorted by path.
/// Blocks.
///
/// Fails with kind `Untrusted` for an unsafe, truncated or damaged archive. Files written before a failure stay: the
/// caller removes the folder.
pub fn unpack(archive: NamedArchive<'_>, unpack: &Unpack, into: &Utf8Path) -> Result<Vec<UnpackedFile>> {
    if fs::read_dir(into)?.next().is_some() {
        return Err(Failure::failed(format!("cannot unpack into {into}: the folder is not empty")));
    }
    let mut destination = Destination::new(archive, unpack, into);
    let file = fs::File::open(archive.path)?;
    match unpack.archive {
        ArchiveKind::Zip | ArchiveKind::Wheel => {
            zip::read(file, fs::File::open(archive.path)?, &mut destination)?;
        }
        ArchiveKind::TarGz => tar::read(compressed::gzip(file), &mut destination)?,
        ArchiveKind::TarXz => tar::read(compressed::xz(file), &mut destination)?,
        ArchiveKind::Deb => deb::read(file, &mut destination)?,
    }
    destination.finish()
}
