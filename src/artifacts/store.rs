//! The content-addressed store of verified files in the cache folder.
//!
//! Invariant: a file at [`Store::path_of`] has that digest. It is renamed there after it was hashed and synced to disk,
//! so no kill and no second process leaves a partial file there.

use std::io::{self, Read as _};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use crate::artifacts::lockfile::{LockedFile, SizeBound};
use crate::core::failure::{Failure, FailureKind, Result};
use crate::core::model::{Digest, DigestAlgorithm, Hasher};

/// The size of reads when hashing a file, in bytes.
const HASH_CHUNK: usize = 256 * 1024;

/// The store in a cache folder.
#[derive(Debug, Clone)]
pub struct Store {
    root: Utf8PathBuf,
}

impl Store {
    /// Opens the store. Creates nothing before the first file is stored.
    pub fn new(cache_dir: &Utf8Path) -> Self {
        Self { root: cache_dir.to_owned() }
    }

    /// The cache folder.
    pub fn root(&self) -> &Utf8Path {
        &self.root
    }

    /// The path of a file with this digest, stored or not.
    pub fn path_of(&self, digest: &Digest) -> Utf8PathBuf {
        self.root.join(digest.algorithm().name()).join(digest.hex())
    }

    /// Whether a file with this digest is stored. Does not hash it.
    pub fn contains(&self, digest: &Digest) -> bool {
        self.path_of(digest).is_file()
    }

    /// The path of an unfinished download of this digest.
    pub fn partial_path(&self, digest: &Digest) -> Utf8PathBuf {
        self.root.join("partial").join(format!("{}-{}.partial", digest.algorithm().name(), digest.hex()))
    }

    /// The lock file to claim before fetching a file with this digest.
    pub fn lock_path(&self, digest: &Digest) -> Utf8PathBuf {
        self.partial_path(digest).with_extension("lock")
    }

    /// Creates the folders for a download of this digest.
    pub fn prepare(&self, digest: &Digest) -> Result<()> {
        fs::create_dir_all(self.root.join(digest.algorithm().name()))?;
        fs::create_dir_all(self.root.join("partial"))?;
        Ok(())
    }

    /// Hashes the file at `path` and moves it into the store if it has the locked digest; otherwise moves it to
    /// `rejected/` and fails. `path` must be on the cache's file system. Blocks.
    pub fn admit(&self, path: &Utf8Path, file: &LockedFile) -> Result<()> {
        let length = fs::metadata(path)?.len();
        let digest = hash_file(path, file.digest.algorithm())?;
        self.admit_hashed(path, file, digest, length)
    }

    /// As [`Self::admit`], for a file whose digest and length are already computed.
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

    /// Moves a file without the locked digest to `rejected/`. Returns the failure to report.
    pub fn reject(&self, path: &Utf8Path, file: &LockedFile, digest: &Digest, length: u64) -> Failure {
        let failure = Failure::new(
            FailureKind::Untrusted,
            format!("{} does not have the digest in the lock", file.name),
        )
        .detail("expected", file.digest.to_string())
        .observed(format!("{digest} ({length} bytes)"));
        with_kept_path(self.set_aside(path, file, digest), failure)
    }

    /// Moves a file without the locked digest to `rejected/`. Returns its new path.
    pub(crate) fn set_aside(
        &self,
        path: &Utf8Path,
        file: &LockedFile,
        digest: &Digest,
    ) -> io::Result<Utf8PathBuf> {
        self.move_aside(path, &format!("{}-{}", digest.short(), file.name))
    }

    /// Moves the first part of a file that is longer than the lock allows to `rejected/`. Returns the failure to
    /// report.
    pub fn reject_longer(&self, path: &Utf8Path, file: &LockedFile) -> Failure {
        let expected = match file.size {
            SizeBound::Exact(size) => format!("{} bytes", size.0),
            SizeBound::AtMost(limit) => format!("at most {} bytes", limit.0),
        };
        let failure =
            Failure::new(FailureKind::Untrusted, format!("{} is longer than the lock allows", file.name))
                .detail("expected", expected)
                .observed("more bytes; the download was stopped");
        with_kept_path(self.move_aside(path, &format!("longer-{}", file.name)), failure)
    }

    /// Moves a stored file that has the locked digest but is unsafe to `rejected/`. Adds its path to `failure`.
    pub(crate) fn reject_stored(&self, file: &LockedFile, failure: Failure) -> Failure {
        let moved = self.move_aside(&self.path_of(&file.digest), &format!("unsafe-{}", file.name));
        with_kept_path(moved, failure)
    }

    fn move_aside(&self, path: &Utf8Path, name: &str) -> io::Result<Utf8PathBuf> {
        let folder = self.root.join("rejected");
        let aside = folder.join(name);
        fs::create_dir_all(&folder)?;
        fs::rename(path, &aside)?;
        Ok(aside)
    }
}

fn with_kept_path(moved: io::Result<Utf8PathBuf>, failure: Failure) -> Failure {
    match moved {
        Ok(aside) => failure.detail("kept at", aside.to_string()),
        Err(error) => failure.detail("not kept", error.to_string()),
    }
    .hint("nothing was installed; try another --source, and inspect the file before you trust its source")
}

/// Hashes a file. Blocks.
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
