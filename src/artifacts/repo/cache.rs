//! A cache of small files in memory, because opening and reading a file is the slowest part of a response.
//!
//! An entry has the identity of the file it was read from. The caller compares it with the file on disk.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::blob::FileIdentity;
use crate::core::model::Digest;

/// The largest file in the cache, in bytes.
pub(super) const MAX_FILE: u64 = 16 * 1024;

/// The size of the cache in bytes.
const MAX_TOTAL: usize = 4 << 20;
const MAX_FILES: usize = 1024;

#[derive(Debug, Default)]
pub(super) struct Cache {
    files: Mutex<CachedFiles>,
}

#[derive(Debug, Default)]
struct CachedFiles {
    by_digest: HashMap<Digest, CachedFile>,
    size: usize,
    /// The number of lookups, used as a clock.
    lookups: u64,
}

#[derive(Debug)]
struct CachedFile {
    from: FileIdentity,
    content: Bytes,
    last_lookup: u64,
}

impl Cache {
    /// The content with a digest, and the identity of the file it was read from.
    pub(super) fn get(&self, digest: &Digest) -> Option<(FileIdentity, Bytes)> {
        let mut cached = self.lock();
        cached.lookups += 1;
        let now = cached.lookups;
        let file = cached.by_digest.get_mut(digest)?;
        file.last_lookup = now;
        Some((file.from, file.content.clone()))
    }

    /// Adds a file, and removes the least recently used files if the cache is full.
    pub(super) fn put(&self, digest: Digest, from: FileIdentity, content: Bytes) {
        if content.len() as u64 > MAX_FILE {
            return;
        }
        let mut cached = self.lock();
        cached.remove(&digest);
        while cached.size + content.len() > MAX_TOTAL || cached.by_digest.len() >= MAX_FILES {
            let oldest =
                cached.by_digest.iter().min_by_key(|(_, file)| file.last_lookup).map(|(digest, _)| *digest);
            let Some(oldest) = oldest else { return };
            cached.remove(&oldest);
        }
        cached.size += content.len();
        let last_lookup = cached.lookups;
        cached.by_digest.insert(digest, CachedFile { from, content, last_lookup });
    }

    fn lock(&self) -> MutexGuard<'_, CachedFiles> {
        // No code under this lock can panic.
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CachedFiles {
    fn remove(&mut self, digest: &Digest) {
        if let Some(file) = self.by_digest.remove(digest) {
            self.size -= file.content.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> FileIdentity {
        FileIdentity::of(&tempfile::tempfile().unwrap().metadata().unwrap()).unwrap()
    }

    #[test]
    fn recently_used_files_stay_and_others_are_removed() {
        let (cache, from) = (Cache::default(), file());
        let content = Bytes::from(vec![0; 16 * 1024]);
        let digest = |n: u32| Digest::sha256_of(&n.to_be_bytes());
        cache.put(digest(0), from, content.clone());
        for n in 1..1000 {
            assert!(cache.get(&digest(0)).is_some(), "{n}");
            cache.put(digest(n), from, content.clone());
        }
        let cached = (0..1000).filter(|n| cache.get(&digest(*n)).is_some()).count();
        assert_eq!((cached, cache.lock().size), (256, MAX_TOTAL));
        assert!(cache.get(&digest(999)).is_some() && cache.get(&digest(1)).is_none());
    }

    #[test]
    fn the_number_of_files_is_limited_and_large_files_are_not_cached() {
        let (cache, from) = (Cache::default(), file());
        for n in 0..2000_u32 {
            cache.put(Digest::sha256_of(&n.to_be_bytes()), from, Bytes::new());
        }
        assert_eq!(cache.lock().by_digest.len(), MAX_FILES);
        let digest = Digest::sha256_of(b"big");
        cache.put(digest, from, Bytes::from(vec![0; 16 * 1024 + 1]));
        assert!(cache.get(&digest).is_none());
    }
}
