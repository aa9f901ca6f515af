//! Stand-in that knows zip only: the real one is written on another branch and replaces this folder.

use camino::Utf8Path;
use fs_err as fs;

use crate::failure::{Failure, FailureKind, Result};
use crate::lockfile::{ArchiveKind, Unpack, UnpackRule};
use crate::model::{Digest, RelativePath};

/// A file that was unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnpackedFile {
    /// Below the folder it was unpacked into.
    pub path: RelativePath,
    /// Its length; 0 for a link.
    pub size: u64,
    /// Its digest.
    pub sha256: Digest,
    /// Whether it may be run.
    pub executable: bool,
    /// Where it points, if it is a symbolic link.
    pub link: Option<String>,
}

/// Takes out of an archive what the rules name. Blocks.
pub fn unpack(archive: &Utf8Path, unpack: &Unpack, into: &Utf8Path) -> Result<Vec<UnpackedFile>> {
    if unpack.archive != ArchiveKind::Zip {
        return Err(Failure::failed("this build unpacks zip only"));
    }
    let bad = |error: &zip::result::ZipError| {
        Failure::new(FailureKind::Untrusted, format!("{archive} is not a sound zip file")).seen(error)
    };
    let mut zip = zip::ZipArchive::new(fs::File::open(archive)?).map_err(|error| bad(&error))?;
    let mut files = Vec::new();
    for index in 0..zip.len() {
        let mut member = zip.by_index(index).map_err(|error| bad(&error))?;
        if !member.is_file() {
            continue;
        }
        let name = member.name().map_err(|error| bad(&error))?.into_owned();
        let Some(path) = place(&name, unpack) else { continue };
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut member, &mut bytes)?;
        let target = path.below(into);
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&target, &bytes)?;
        let executable = member.unix_mode().is_some_and(|mode| mode & 0o111 != 0);
        let mode = if executable { 0o755 } else { 0o644 };
        fs::set_permissions(&target, std::os::unix::fs::PermissionsExt::from_mode(mode))?;
        let (size, sha256) = (bytes.len() as u64, Digest::sha256_of(&bytes));
        files.push(UnpackedFile { path, size, sha256, executable, link: None });
    }
    Ok(files)
}

fn place(name: &str, unpack: &Unpack) -> Option<RelativePath> {
    unpack.rules.iter().find_map(|rule| match rule {
        UnpackRule::File { from, to } => (from.as_path() == name).then(|| to.clone()),
        UnpackRule::Folder { from, to } => {
            let rest = match from {
                None => name,
                Some(from) => name.strip_prefix(from.as_path().as_str())?.strip_prefix('/')?,
            };
            match to {
                None => rest.parse().ok(),
                Some(to) => format!("{to}/{rest}").parse().ok(),
            }
        }
    })
}
