//! Small files, kept in memory: reading one takes longer than all the rest of its answer.
//!
//! What is kept counts only while the file that it was read from is still there and unchanged: who asks says what is
//! there now.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::blob::Identity;
use crate::core::model::Digest;

/// The largest file that is kept.
pub(super) const LARGEST: u64 = 16 * 1024;

/// In bytes, all together.
const ROOM: usize = 4 << 20;
const MOST_FILES: usize = 1024;

#[derive(Debug, Default)]
pub(super) struct Cache {
    held: Mutex<Shelf>,
}

#[derive(Debug, Default)]
struct Shelf {
    files: HashMap<Digest, Kept>,
    size: usize,
    /// Counts how often something was asked for.
    asked: u64,
}

#[derive(Debug)]
struct Kept {
    from: Identity,
    content: Bytes,
    last_asked: u64,
}

impl Cache {
    /// What is kept under a digest, and which file it was read from.
    pub(super) fn get(&self, digest: &Digest) -> Option<(Identity, Bytes)> {
        let mut held = self.lock();
        held.asked += 1;
        let asked = held.asked;
        let kept = held.files.get_mut(digest)?;
        kept.last_asked = asked;
        Some((kept.from, kept.content.clone()))
    }

    /// Keeps this; what was not asked for for longest makes room.
    pub(super) fn put(&self, digest: Digest, from: Identity, content: Bytes) {
        if content.len() as u64 > LARGEST {
            return;
        }
        let mut held = self.lock();
        held.remove(&digest);
        while held.size + content.len() > ROOM || held.files.len() >= MOST_FILES {
            let oldest = held.files.iter().min_by_key(|(_, kept)| kept.last_asked).map(|(digest, _)| *digest);
            let Some(oldest) = oldest else { return };
            held.remove(&oldest);
        }
        held.size += content.len();
        let last_asked = held.asked;
        held.files.insert(digest, Kept { from, content, last_asked });
    }

    fn lock(&self) -> MutexGuard<'_, Shelf> {
        // Nothing that can panic happens under the lock.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelf {
    fn remove(&mut self, digest: &Digest) {
        if let Some(kept) = self.files.remove(digest) {
            self.size -= kept.content.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> Identity {
        Identity::of(&tempfile::tempfile().unwrap().metadata().unwrap()).unwrap()
    }

    #[test]
    fn what_is_asked_for_stays_and_the_rest_makes_room() {
        let (cache, from) = (Cache::default(), file());
        let content = Bytes::from(vec![0; 16 * 1024]);
        let digest = |n: u32| Digest::sha256_of(&n.to_be_bytes());
        cache.put(digest(0), from, content.clone());
        for n in 1..1000 {
            assert!(cache.get(&digest(0)).is_some(), "{n}");
            cache.put(digest(n), from, content.clone());
        }
        let kept = (0..1000).filter(|n| cache.get(&digest(*n)).is_some()).count();
        assert_eq!((kept, cache.lock().size), (256, ROOM));
        assert!(cache.get(&digest(999)).is_some() && cache.get(&digest(1)).is_none());
    }

    #[test]
    fn tiny_files_are_counted_too_and_big_ones_are_not_kept() {
        let (cache, from) = (Cache::default(), file());
        for n in 0..2000_u32 {
            cache.put(Digest::sha256_of(&n.to_be_bytes()), from, Bytes::new());
        }
        assert_eq!(cache.lock().files.len(), MOST_FILES);
        let digest = Digest::sha256_of(b"big");
        cache.put(digest, from, Bytes::from(vec![0; 16 * 1024 + 1]));
        assert!(cache.get(&digest).is_none());
    }
}
