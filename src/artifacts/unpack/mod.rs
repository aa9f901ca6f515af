//! Taking what the lock names out of an archive. Nothing may leave the folder it is unpacked into.
//!
//! Invariant: while an archive is read only folders and regular files are created, always anew. Symbolic links are
//! created after the last byte was written, so nothing is ever written through one.
//! Invariant: every member is checked, also one that no rule takes.

mod ar;
mod compressed;
mod deb;
mod destination;
mod links;
mod name;
mod placing;
mod refusal;
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

/// Something that was put into the tool's tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnpackedFile {
    /// Its place below the folder.
    pub path: RelativePath,
    /// How many bytes it has; 0 for a symbolic link.
    pub size: u64,
    /// The SHA-256 of its bytes; for a symbolic link, of the target's text.
    pub sha256: Digest,
    /// Whether it has run rights.
    pub executable: bool,
    /// The target, if it is a symbolic link.
    pub link: Option<String>,
}

/// An archive, and its name in messages: in the store it is called by its digest.
#[derive(Debug, Clone, Copy)]
pub struct NamedArchive<'a> {
    /// Where it is.
    pub path: &'a Utf8Path,
    /// Its name in the lock.
    pub name: &'a str,
}

/// Unpacks what `unpack` names into the existing, empty folder `into`; the result is sorted by path.
///
/// An unsafe, cut or damaged archive is a failure of kind `Untrusted`. What was written until then stays, for the
/// caller to remove with the folder. Blocks.
pub fn unpack(archive: NamedArchive<'_>, unpack: &Unpack, into: &Utf8Path) -> Result<Vec<UnpackedFile>> {
    if fs::read_dir(into)?.next().is_some() {
        return Err(Failure::failed(format!(
            "{into} is not empty, and archives are only unpacked into empty folders"
        )));
    }
    let mut destination = Destination::new(archive, unpack, into);
    let file = fs::File::open(archive.path)?;
    match unpack.archive {
        ArchiveKind::Zip | ArchiveKind::Wheel => {
            zip::read(file, fs::File::open(archive.path)?, &mut destination)?
        }
        ArchiveKind::TarGz => tar::read(compressed::gzip(file), &mut destination)?,
        ArchiveKind::TarXz => tar::read(compressed::xz(file), &mut destination)?,
        ArchiveKind::Deb => deb::read(file, &mut destination)?,
    }
    destination.finish()
}
