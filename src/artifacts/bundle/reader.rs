//! Reads a bundle once, from start to end.
//!
//! Invariant: each header must be exactly the expected one. Everything else that a tar file may contain (links,
//! folders, other names, other sizes, attributes) is refused unread.

use std::fs::File;
use std::io::{self, Read, Write};

use camino::{Utf8Path, Utf8PathBuf};

use super::manifest::{self, Manifest, refuse};
use super::member::{self, BLOCK, Block, END};
use super::write_behind::{CopyError, WriteBehind, copy};
use crate::core::failure::{Failure, Result};
use crate::core::model::Digest;

const MANIFEST: &str = "the manifest";

/// A bundle that is being read.
#[derive(Debug)]
pub(super) struct BundleReader<R> {
    stream: R,
    path: Utf8PathBuf,
    /// The number of bytes read.
    offset: u64,
}

impl BundleReader<File> {
    pub(super) fn open(path: &Utf8Path) -> Result<Self> {
        let file = File::open(path).map_err(|error| unreadable(path, &error))?;
        Ok(Self::new(file, path))
    }
}

impl<R: Read> BundleReader<R> {
    pub(super) fn new(stream: R, path: &Utf8Path) -> Self {
        Self { stream, path: path.to_owned(), offset: 0 }
    }

    /// Reads and verifies the manifest, the lock and the program. Returns the manifest.
    pub(super) fn head(&mut self) -> Result<Manifest> {
        let (digest, size) = self.manifest_header()?;
        let text = self.text(MANIFEST, size, &digest)?;
        let manifest = Manifest::parse(&text).map_err(|failure| self.with_bundle(failure))?;
        self.header(member::LOCK, manifest.lock.size, "deps.lock")?;
        self.text("deps.lock", manifest.lock.size, &manifest.lock.digest)?;
        if let Some(program) = &manifest.meshlab {
            self.header(member::PROGRAM, program.size, "meshlab")?;
            self.content::<io::Sink>("meshlab", program.size, &program.digest, None, |_| {})?;
        }
        Ok(manifest)
    }

    /// Reads the first header. Returns the digest of the manifest, from its name, and its size.
    fn manifest_header(&mut self) -> Result<(Digest, u64)> {
        let mut block = [0; BLOCK];
        let length = self.fill(&mut block, MANIFEST)?;
        let not_a_bundle = || {
            Failure::usage(format!("{} is not a bundle", self.path))
                .hint("create a bundle with `meshlab bundle export FILE`")
        };
        if length < BLOCK && (length == 0 || member::starts_like_manifest(&block[..length])) {
            return Err(self.truncated(MANIFEST));
        }
        let Some((name, size)) = member::name_and_size(&block) else { return Err(not_a_bundle()) };
        let Some(digest) = member::manifest_digest(&name) else { return Err(not_a_bundle()) };
        if size > manifest::MAX_MANIFEST {
            return Err(
                self.with_bundle(refuse(format!("the manifest has {size} bytes according to its header")))
            );
        }
        self.require(&block, &member::header(&name, size)?, MANIFEST)?;
        Ok((digest, size))
    }

    /// Reads a header, which must have this name and size.
    pub(super) fn header(&mut self, name: &str, size: u64, what: &str) -> Result<()> {
        let expected = member::header(name, size)?;
        let mut block = [0; BLOCK];
        if self.fill(&mut block, what)? < BLOCK {
            return Err(self.truncated(what));
        }
        self.require(&block, &expected, what)
    }

    fn require(&self, block: &Block, expected: &Block, what: &str) -> Result<()> {
        if block == expected {
            return Ok(());
        }
        let seen = match member::describe(block) {
            // The difference is in owner, time or mode.
            same if same == member::describe(expected) => {
                "the same name and size with other attributes".to_owned()
            }
            other => other,
        };
        Err(self
            .with_bundle(refuse(format!("{what} is not where the manifest requires it")))
            .detail("expected", member::describe(expected))
            .observed(seen))
    }

    /// Reads and verifies a content into memory.
    fn text(&mut self, what: &str, size: u64, expected: &Digest) -> Result<Vec<u8>> {
        // The size was checked before.
        let mut text = vec![0; usize::try_from(size).unwrap_or(0)];
        if self.fill(&mut text, what)? < text.len() {
            return Err(self.truncated(what));
        }
        self.compare(what, expected, &Digest::sha256_of(&text))?;
        self.padding(what, size)?;
        Ok(text)
    }

    /// Reads and verifies a member's content, and passes it to the writer, if there is one. Returns false if the writer
    /// failed; [`WriteBehind::finish`] returns its error.
    pub(super) fn content<W: Write + Send + 'static>(
        &mut self,
        what: &str,
        size: u64,
        expected: &Digest,
        writer: Option<&WriteBehind<W>>,
        report: impl FnMut(u64),
    ) -> Result<bool> {
        match copy(&mut self.stream, size, expected.algorithm(), writer, report) {
            Ok(digest) => {
                self.offset += size;
                self.compare(what, expected, &digest)?;
                self.padding(what, size)?;
                Ok(true)
            }
            Err(CopyError::Writer) => Ok(false),
            Err(CopyError::Source(error)) => Err(unreadable(&self.path, &error)),
            Err(CopyError::Ended(length)) => {
                self.offset += length;
                Err(self.truncated(what))
            }
        }
    }

    fn compare(&self, what: &str, expected: &Digest, observed: &Digest) -> Result<()> {
        if observed == expected {
            return Ok(());
        }
        Err(self
            .with_bundle(refuse(format!("{what} has changed")))
            .detail("expected", expected.to_string())
            .observed(observed.to_string()))
    }

    fn padding(&mut self, what: &str, size: u64) -> Result<()> {
        let mut block = [0; BLOCK];
        let zeros = &mut block[..member::padding(size)];
        if self.fill(zeros, what)? < zeros.len() {
            return Err(self.truncated(what));
        }
        if zeros.iter().any(|byte| *byte != 0) {
            return Err(self.with_bundle(refuse(format!("data other than zeros after {what}"))));
        }
        Ok(())
    }

    /// Reads the end mark, which must be the end of the file.
    pub(super) fn end(mut self) -> Result<()> {
        let mut end = [0; END];
        let what = "the end mark";
        if self.fill(&mut end, what)? < END {
            return Err(self.truncated(what));
        }
        if end.iter().any(|byte| *byte != 0) || self.fill(&mut [0], what)? > 0 {
            return Err(self.with_bundle(refuse("data where the bundle should end")));
        }
        Ok(())
    }

    /// Reads until the buffer is full or the file ends.
    fn fill(&mut self, buffer: &mut [u8], what: &str) -> Result<usize> {
        let mut length = 0;
        while let Some(rest) = buffer.get_mut(length..).filter(|rest| !rest.is_empty()) {
            match self.stream.read(rest) {
                Ok(0) => break,
                Ok(read) => length += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(unreadable(&self.path, &error).detail("in", what)),
            }
        }
        self.offset += length as u64;
        Ok(length)
    }

    fn truncated(&self, what: &str) -> Failure {
        Failure::failed(format!("the bundle ends after {} bytes, in {what}", self.offset))
            .detail("bundle", self.path.as_str())
            .hint("the file is truncated: copy it again, and compare its sha256 with the one that the export printed")
    }

    fn with_bundle(&self, failure: Failure) -> Failure {
        let failure = failure.detail("bundle", self.path.as_str());
        if failure.hint_text().is_some() {
            return failure;
        }
        failure.hint(
            "nothing was installed: copy the file again, and compare its sha256 with the one that the export printed",
        )
    }
}

fn unreadable(path: &Utf8Path, error: &io::Error) -> Failure {
    Failure::failed(format!("cannot read the bundle {path}")).seen(error)
}
