//! An image layer: entries by path, written as a tar archive.

use std::collections::BTreeMap;
use std::io::{Read, Write};

use camino::Utf8PathBuf;
use fs_err as fs;

use super::tar::{self, MemberKind};
use crate::core::failure::{Failure, FailureKind, Result};
use crate::core::model::{Digest, DigestAlgorithm, Hashed};

pub(super) const FOLDER_MODE: u32 = 0o755;
pub(super) const FILE_MODE: u32 = 0o644;
pub(super) const EXECUTABLE_MODE: u32 = 0o755;
/// The mode of symbolic links in tar archives, which is not used.
const LINK_MODE: u32 = 0o777;
const CHUNK: usize = 256 * 1024;

/// One layer of an image.
#[derive(Debug, Clone, Default)]
pub(crate) struct Layer {
    /// By path relative to `/`. Sorted, so a folder comes before its content.
    entries: BTreeMap<String, Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    Folder { mode: u32 },
    Text { mode: u32, text: Vec<u8> },
    File { mode: u32, from: Utf8PathBuf, size: u64, sha256: Digest },
    Link { target: String },
}

impl Layer {
    /// Adds an entry at a path relative to `/`, with its parent folders. Fails if another entry is there.
    pub(super) fn add(&mut self, path: &str, entry: Entry) -> Result<()> {
        for (end, _) in path.match_indices('/') {
            let folder = &path[..end];
            match self.entries.get(folder) {
                Some(Entry::Folder { .. }) => {}
                Some(_) => return Err(taken(folder)),
                None => drop(self.entries.insert(folder.to_owned(), Entry::Folder { mode: FOLDER_MODE })),
            }
        }
        if self.entries.contains_key(path) {
            return Err(taken(path));
        }
        self.entries.insert(path.to_owned(), entry);
        Ok(())
    }

    /// The size of the tar archive in bytes.
    pub(crate) fn size(&self) -> Result<u64> {
        let mut size = tar::END;
        for (path, entry) in &self.entries {
            size += entry.header(path)?.len() as u64 + entry.size().next_multiple_of(tar::BLOCK);
        }
        Ok(size)
    }

    /// A text with all entries. Layers with the same listing have the same tar archive.
    pub(super) fn listing(&self) -> String {
        let mut text = String::new();
        for (path, entry) in &self.entries {
            let line = match entry {
                Entry::Folder { mode } => format!("{mode:04o} /{path}/\n"),
                Entry::Text { mode, text } => {
                    format!("{mode:04o} /{path} {} {}\n", text.len(), Digest::sha256_of(text))
                }
                Entry::File { mode, size, sha256, .. } => format!("{mode:04o} /{path} {size} {sha256}\n"),
                Entry::Link { target } => format!("link /{path} -> {target}\n"),
            };
            text.push_str(&line);
        }
        text
    }

    /// Writes the tar archive. Fails if the size of a file has changed since it was unpacked.
    pub(super) fn write(&self, out: &mut dyn Write) -> Result<()> {
        let mut chunk = vec![0; CHUNK];
        for (path, entry) in &self.entries {
            out.write_all(&entry.header(path)?)?;
            match entry {
                Entry::Folder { .. } | Entry::Link { .. } => {}
                Entry::Text { text, .. } => out.write_all(text)?,
                Entry::File { from, size, .. } => copy(from, *size, &mut chunk, out)?,
            }
            tar::pad(out, entry.size())?;
        }
        Ok(tar::end(out)?)
    }

    /// Hashes the tar archive. Fails if a file has changed since it was unpacked.
    pub(super) fn digest(&self) -> Result<Digest> {
        self.verify()?;
        let mut sum = Hashed::new(std::io::sink());
        self.write(&mut sum)?;
        Ok(sum.finish().0)
    }

    /// Hashes every file. Fails if one has changed since it was unpacked.
    pub(super) fn verify(&self) -> Result<()> {
        for entry in self.entries.values() {
            let Entry::File { from, sha256, .. } = entry else { continue };
            let found = crate::artifacts::store::hash_file(from, DigestAlgorithm::Sha256)?;
            if found != *sha256 {
                return Err(changed(from).detail("expected", sha256.to_string()).observed(found.to_string()));
            }
        }
        Ok(())
    }
}

impl Entry {
    fn size(&self) -> u64 {
        match self {
            Self::Folder { .. } | Self::Link { .. } => 0,
            Self::Text { text, .. } => text.len() as u64,
            Self::File { size, .. } => *size,
        }
    }

    fn header(&self, path: &str) -> Result<Vec<u8>> {
        match self {
            Self::Folder { mode } => tar::header(path, *mode, MemberKind::Folder),
            Self::Text { mode, .. } | Self::File { mode, .. } => {
                tar::header(path, *mode, MemberKind::File(self.size()))
            }
            Self::Link { target } => tar::header(path, LINK_MODE, MemberKind::Link(target)),
        }
    }
}

fn copy(from: &Utf8PathBuf, size: u64, chunk: &mut [u8], out: &mut dyn Write) -> Result<()> {
    let mut file = fs::File::open(from)?;
    let mut done = 0;
    loop {
        let length = match file.read(chunk) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.into()),
        };
        done += length as u64;
        if done > size {
            break;
        }
        out.write_all(&chunk[..length])?;
    }
    if done == size {
        return Ok(());
    }
    let seen = if done > size { "more bytes".to_owned() } else { format!("{done} bytes") };
    Err(changed(from).detail("expected", format!("{size} bytes")).observed(seen))
}

fn changed(path: &Utf8PathBuf) -> Failure {
    Failure::new(FailureKind::Untrusted, format!("{path} has changed since it was unpacked"))
        .hint("check all tools with `meshlab deps verify`, or reinstall them with `meshlab clean --tools` and `meshlab provision`")
}

fn taken(path: &str) -> Failure {
    Failure::failed(format!("two entries at /{path} in one image layer"))
        .hint("correct `unpack` or `commands` of this artifact in deps.lock")
}
