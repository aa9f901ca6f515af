//! A layer: what lies where, and the tar that this makes.

use std::collections::BTreeMap;
use std::io::{Read, Write};

use camino::Utf8PathBuf;
use fs_err as fs;

use super::tar::{self, Kind};
use crate::core::failure::{Failure, FailureKind, Result};
use crate::core::model::{Digest, DigestAlgorithm, Hashed};

pub(super) const FOLDER: u32 = 0o755;
pub(super) const PLAIN: u32 = 0o644;
pub(super) const RUNNABLE: u32 = 0o755;
/// The mode that tar gives symbolic links; nothing looks at it.
const LINK: u32 = 0o777;
const CHUNK: usize = 256 * 1024;

/// One layer of an image.
#[derive(Debug, Clone, Default)]
pub(crate) struct Layer {
    /// By path below `/`; sorted, and folders stand before what is in them.
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
    /// Puts something at a path below `/`, with the folders on the way. Two things at one place are a mistake in the lock.
    pub(super) fn put(&mut self, path: &str, entry: Entry) -> Result<()> {
        for (end, _) in path.match_indices('/') {
            let folder = &path[..end];
            match self.entries.get(folder) {
                Some(Entry::Folder { .. }) => {}
                Some(_) => return Err(taken(folder)),
                None => drop(self.entries.insert(folder.to_owned(), Entry::Folder { mode: FOLDER })),
            }
        }
        if self.entries.contains_key(path) {
            return Err(taken(path));
        }
        self.entries.insert(path.to_owned(), entry);
        Ok(())
    }

    /// The length of its tar.
    pub(crate) fn size(&self) -> Result<u64> {
        let mut size = tar::END;
        for (path, entry) in &self.entries {
            size += entry.header(path)?.len() as u64 + entry.size().next_multiple_of(tar::BLOCK);
        }
        Ok(size)
    }

    /// What is where, in words: two layers with the same listing have the same bytes.
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

    /// Writes the tar. A file that is shorter or longer than when it was unpacked is refused.
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

    /// The digest of the tar. Every file is compared with what it was when it was unpacked.
    pub(super) fn digest(&self) -> Result<Digest> {
        self.verify()?;
        let mut sum = Hashed::new(std::io::sink());
        self.write(&mut sum)?;
        Ok(sum.finish().0)
    }

    /// Compares every file with what it was when it was unpacked.
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
            Self::Folder { mode } => tar::header(path, *mode, Kind::Folder),
            Self::Text { mode, .. } | Self::File { mode, .. } => {
                tar::header(path, *mode, Kind::File(self.size()))
            }
            Self::Link { target } => tar::header(path, LINK, Kind::Link(target)),
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
    let seen = if done > size { "more".to_owned() } else { format!("{done} bytes") };
    Err(changed(from).detail("expected", format!("{size} bytes")).observed(seen))
}

fn changed(path: &Utf8PathBuf) -> Failure {
    Failure::new(FailureKind::Untrusted, format!("{path} is not what was unpacked; nothing was made of it"))
        .hint("`meshlab deps verify` looks at all tools; `meshlab clean --tools` and `meshlab provision` bring them anew")
}

fn taken(path: &str) -> Failure {
    Failure::failed(format!("two things would lie at /{path} of one layer"))
        .hint("correct `unpack` or `commands` of this artifact in deps.lock")
}
