//! A bundle read once, from its beginning to its end.
//!
//! Invariant: a header is compared with the only one that is right at its place. Whatever else a tar file may hold
//! (links, folders, other names, other sizes, attributes) is refused without being looked into.

use std::fs::File;
use std::io::{self, Read, Write};

use camino::{Utf8Path, Utf8PathBuf};

use super::flow::{Trouble, WriteBehind, pump};
use super::manifest::{self, Manifest, refuse};
use super::member::{self, BLOCK, Block, END};
use crate::core::failure::{Failure, Result};
use crate::core::model::Digest;

const MANIFEST: &str = "its manifest";

/// A bundle being read.
#[derive(Debug)]
pub(super) struct Reader<R> {
    stream: R,
    path: Utf8PathBuf,
    at: u64,
}

impl Reader<File> {
    pub(super) fn open(path: &Utf8Path) -> Result<Self> {
        let file = File::open(path).map_err(|error| unreadable(path, &error))?;
        Ok(Self::new(file, path))
    }
}

impl<R: Read> Reader<R> {
    pub(super) fn new(stream: R, path: &Utf8Path) -> Self {
        Self { stream, path: path.to_owned(), at: 0 }
    }

    /// The manifest and the lock, both verified, and the program passed over.
    pub(super) fn head(&mut self) -> Result<Manifest> {
        let (digest, size) = self.manifest_header()?;
        let text = self.text(MANIFEST, size, &digest)?;
        let manifest = Manifest::parse(&text).map_err(|failure| self.named(failure))?;
        self.header(member::LOCK, manifest.lock.size, "deps.lock")?;
        self.text("deps.lock", manifest.lock.size, &manifest.lock.digest)?;
        if let Some(program) = &manifest.meshlab {
            self.header(member::PROGRAM, program.size, "meshlab")?;
            self.content::<io::Sink>("meshlab", program.size, &program.digest, None, |_| {})?;
        }
        Ok(manifest)
    }

    /// The first header, whose name gives the manifest's digest.
    fn manifest_header(&mut self) -> Result<(Digest, u64)> {
        let mut block = [0; BLOCK];
        let length = self.fill(&mut block, MANIFEST)?;
        let no_bundle = || {
            Failure::usage(format!("{} is not a bundle", self.path))
                .hint("`meshlab bundle export FILE` makes one")
        };
        if length < BLOCK && (length == 0 || member::starts_like_manifest(&block[..length])) {
            return Err(self.cut(MANIFEST));
        }
        let Some((name, size)) = member::name_and_size(&block) else { return Err(no_bundle()) };
        let Some(digest) = member::manifest_digest(&name) else { return Err(no_bundle()) };
        if size > manifest::LONGEST {
            return Err(self.named(refuse(format!("its manifest is said to have {size} bytes"))));
        }
        self.require(&block, &member::header(&name, size)?, MANIFEST)?;
        Ok((digest, size))
    }

    /// Reads the header that has to come now.
    pub(super) fn header(&mut self, name: &str, size: u64, what: &str) -> Result<()> {
        let expected = member::header(name, size)?;
        let mut block = [0; BLOCK];
        if self.fill(&mut block, what)? < BLOCK {
            return Err(self.cut(what));
        }
        self.require(&block, &expected, what)
    }

    fn require(&self, block: &Block, expected: &Block, what: &str) -> Result<()> {
        if block == expected {
            return Ok(());
        }
        let seen = match member::describe(block) {
            // The difference is in what nobody reads: owners, times, modes.
            same if same == member::describe(expected) => {
                "the same name with other attributes than `bundle export` writes".to_owned()
            }
            other => other,
        };
        Err(self
            .named(refuse(format!("{what} does not come where it should")))
            .detail("expected", member::describe(expected))
            .observed(seen))
    }

    /// A content that fits into memory, verified.
    fn text(&mut self, what: &str, size: u64, expected: &Digest) -> Result<Vec<u8>> {
        // Bounds were checked before.
        let mut text = vec![0; usize::try_from(size).unwrap_or(0)];
        if self.fill(&mut text, what)? < text.len() {
            return Err(self.cut(what));
        }
        self.compare(what, expected, &Digest::sha256_of(&text))?;
        self.padding(what, size)?;
        Ok(text)
    }

    /// Reads a member's content and compares its digest; with a writer, hands it over meanwhile. False if the writer
    /// could not go on, which it can explain itself.
    pub(super) fn content<W: Write + Send + 'static>(
        &mut self,
        what: &str,
        size: u64,
        expected: &Digest,
        writer: Option<&WriteBehind<W>>,
        tell: impl FnMut(u64),
    ) -> Result<bool> {
        match pump(&mut self.stream, size, expected.algorithm(), writer, tell) {
            Ok(digest) => {
                self.at += size;
                self.compare(what, expected, &digest)?;
                self.padding(what, size)?;
                Ok(true)
            }
            Err(Trouble::Stopped) => Ok(false),
            Err(Trouble::Read(error)) => Err(unreadable(&self.path, &error)),
            Err(Trouble::Ended(length)) => {
                self.at += length;
                Err(self.cut(what))
            }
        }
    }

    fn compare(&self, what: &str, expected: &Digest, observed: &Digest) -> Result<()> {
        if observed == expected {
            return Ok(());
        }
        Err(self
            .named(refuse(format!("{what} has changed")))
            .detail("expected", expected.to_string())
            .observed(observed.to_string()))
    }

    fn padding(&mut self, what: &str, size: u64) -> Result<()> {
        let mut block = [0; BLOCK];
        let zeros = &mut block[..member::padding(size)];
        if self.fill(zeros, what)? < zeros.len() {
            return Err(self.cut(what));
        }
        if zeros.iter().any(|byte| *byte != 0) {
            return Err(self.named(refuse(format!("something hides behind {what}"))));
        }
        Ok(())
    }

    /// The end mark, and nothing after it.
    pub(super) fn end(mut self) -> Result<()> {
        let mut end = [0; END];
        let what = "the end mark";
        if self.fill(&mut end, what)? < END {
            return Err(self.cut(what));
        }
        if end.iter().any(|byte| *byte != 0) || self.fill(&mut [0], what)? > 0 {
            return Err(self.named(refuse("something follows where it should end")));
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
        self.at += length as u64;
        Ok(length)
    }

    fn cut(&self, what: &str) -> Failure {
        Failure::failed(format!("the bundle ends after {} bytes, in {what}", self.at))
            .detail("bundle", self.path.as_str())
            .hint("it was cut short on its way: copy it again, and compare its sha256 with what the export said")
    }

    fn named(&self, failure: Failure) -> Failure {
        let failure = failure.detail("bundle", self.path.as_str());
        if failure.hint_text().is_some() {
            return failure;
        }
        failure.hint(
            "copy it again, and compare its sha256 with what the export said; nothing of it was installed",
        )
    }
}

fn unreadable(path: &Utf8Path, error: &io::Error) -> Failure {
    Failure::failed(format!("cannot read the bundle {path}")).seen(error)
}
