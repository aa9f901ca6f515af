//! The content-addressed store: files under the digest they were verified against. The only writer of the cache.
//!
//! Invariant: a file at [`Store::path_of`] has that digest. It gets there by a rename after it was hashed and
//! written through to the disk, so neither a kill nor a second meshlab ever shows a half of it.

use std::io::{self, Read as _};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use crate::artifacts::lockfile::{LockedFile, SizeBound};
use crate::core::failure::{Failure, FailureKind, Result};
use crate::core::model::{Digest, DigestAlgorithm, Hasher};

/// How much is read at once when a file is hashed.
const HASH_CHUNK: usize = 256 * 1024;

/// The cache folder.
#[derive(Debug, Clone)]
pub struct Store {
    root: Utf8PathBuf,
}

impl Store {
    /// The store in a cache folder; nothing is created before something is stored.
    pub fn new(cache_dir: &Utf8Path) -> Self {
        Self { root: cache_dir.to_owned() }
    }

    /// The folder of the whole cache.
    pub fn root(&self) -> &Utf8Path {
        &self.root
    }

    /// Where a file of this digest lies, or would lie.
    pub fn path_of(&self, digest: &Digest) -> Utf8PathBuf {
        self.root.join(digest.algorithm().name()).join(digest.hex())
    }

    /// Whether a file of this digest is stored.
    pub fn contains(&self, digest: &Digest) -> bool {
        self.path_of(digest).is_file()
    }

    /// Where a download of this digest grows until it is verified.
    pub fn partial_path(&self, digest: &Digest) -> Utf8PathBuf {
        self.root.join("partial").join(format!("{}-{}.partial", digest.algorithm().name(), digest.hex()))
    }

    /// The file whose lock is the right to bring the file of this digest.
    pub fn lock_path(&self, digest: &Digest) -> Utf8PathBuf {
        self.partial_path(digest).with_extension("lock")
    }

    /// Creates the folders a download of this digest needs.
    pub fn prepare(&self, digest: &Digest) -> Result<()> {
        fs::create_dir_all(self.root.join(digest.algorithm().name()))?;
        fs::create_dir_all(self.root.join("partial"))?;
        Ok(())
    }

    /// Takes a finished file that a client left at `path`: hashes it, compares it with the lock and moves it in.
    /// A file that does not match is kept aside. Blocks; `path` must be on the cache's file system.
    pub fn admit(&self, path: &Utf8Path, file: &LockedFile) -> Result<()> {
        let length = fs::metadata(path)?.len();
        let digest = hash_file(path, file.digest.algorithm())?;
        self.admit_hashed(path, file, digest, length)
    }

    /// The same for a file whose digest and length were computed as its bytes arrived.
    pub fn admit_hashed(
        &self,
        path: &Utf8Path,
        file: &LockedFile,
        digest: Digest,
        length: u64,
    ) -> Result<()> {
        if digest != file.digest {
            return Err(self.reject(path, file, &digest, length));
        }
        self.prepare(&digest)?;
        fs::File::open(path)?.sync_all()?;
        fs::rename(path, self.path_of(&digest))?;
        Ok(())
    }

    /// Keeps a file that is not what the lock says, and tells where.
    pub fn reject(&self, path: &Utf8Path, file: &LockedFile, digest: &Digest, length: u64) -> Failure {
        let failure =
            Failure::new(FailureKind::Untrusted, format!("{} is not the file that is locked", file.name))
                .detail("expected", file.digest.to_string())
                .observed(format!("{digest} ({length} bytes)"));
        kept_aside(self.set_aside(path, file, digest), failure)
    }

    /// Moves a file that is not what the lock says out of the way, and returns where it is.
    pub(crate) fn set_aside(
        &self,
        path: &Utf8Path,
        file: &LockedFile,
        digest: &Digest,
    ) -> io::Result<Utf8PathBuf> {
        self.move_aside(path, &format!("{}-{}", digest.short(), file.name))
    }

    /// Keeps the beginning of a file that is longer than the lock allows, and tells where.
    pub fn reject_longer(&self, path: &Utf8Path, file: &LockedFile) -> Failure {
        let expected = match file.size {
            SizeBound::Exact(size) => format!("{} bytes", size.0),
            SizeBound::AtMost(limit) => format!("at most {} bytes", limit.0),
        };
        let failure =
            Failure::new(FailureKind::Untrusted, format!("{} is longer than the lock allows", file.name))
                .detail("expected", expected)
                .observed("more; it was cut off there");
        kept_aside(self.move_aside(path, &format!("longer-{}", file.name)), failure)
    }

    /// Takes a file out of the store that has the locked digest and is unsafe all the same: nobody is to get it from here.
    pub(crate) fn reject_stored(&self, file: &LockedFile, failure: Failure) -> Failure {
        let moved = self.move_aside(&self.path_of(&file.digest), &format!("unsafe-{}", file.name));
        kept_aside(moved, failure)
    }

    fn move_aside(&self, path: &Utf8Path, name: &str) -> io::Result<Utf8PathBuf> {
        let folder = self.root.join("rejected");
        let aside = folder.join(name);
        fs::create_dir_all(&folder)?;
        fs::rename(path, &aside)?;
        Ok(aside)
    }
}

fn kept_aside(moved: io::Result<Utf8PathBuf>, failure: Failure) -> Failure {
    match moved {
        Ok(aside) => failure.detail("kept at", aside.to_string()),
        Err(error) => failure.detail("not kept", error.to_string()),
    }
    .hint("nothing was installed; try another --source, and look at the file before you trust where it came from")
}

/// The digest of a file's bytes. Blocks.
pub fn hash_file(path: &Utf8Path, algorithm: DigestAlgorithm) -> Result<Digest> {
    let mut file = fs::File::open(path)?;
    let mut hasher = Hasher::new(algorithm);
    let mut chunk = vec![0; HASH_CHUNK];
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(hasher.finish()),
            length => hasher.update(&chunk[..length]),
        }
    }
}
