//! Temporary work folders in the cache, for package managers.
//!
//! Invariant: a work folder in use is locked. The next run removes every unlocked one.

use std::sync::atomic::{AtomicU32, Ordering};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::store::Store;
use crate::core::claim::Claim;
use crate::core::failure::{Failure, Result};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A temporary folder on the cache's file system. Dropping it removes the folder and blocks; [`WorkFolder::remove`]
/// does not block.
#[derive(Debug)]
pub(crate) struct WorkFolder {
    path: Option<Utf8PathBuf>,
    // Released after the folder is removed.
    claim: Option<Claim>,
}

impl WorkFolder {
    /// Creates a work folder, and removes those that killed runs left.
    pub(crate) async fn create(store: &Store, artifact: &str) -> Result<Self> {
        let root = store.root().join("work");
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{artifact}.{}.{number}", std::process::id());
        blocking(move || {
            fs::create_dir_all(&root)?;
            sweep(&root)?;
            let path = root.join(&name);
            let claim = Claim::try_now(&lock_path(&path))?
                .map_err(|_| Failure::failed(format!("{path} is in use by another process")))?;
            fs::create_dir(&path)?;
            Ok(Self { path: Some(path), claim: Some(claim) })
        })
        .await
    }

    pub(crate) fn path(&self) -> &Utf8Path {
        self.path.as_deref().unwrap_or(Utf8Path::new(""))
    }

    /// Removes the folder on a blocking thread.
    pub(crate) async fn remove(mut self) -> Result<()> {
        let (path, claim) = (self.path.take(), self.claim.take());
        blocking(move || {
            let _claim = claim;
            path.map_or(Ok(()), |path| Ok(fs::remove_dir_all(path)?))
        })
        .await
    }
}

impl Drop for WorkFolder {
    fn drop(&mut self) {
        // If this fails, the next run removes the folder.
        if let Some(path) = self.path.take() {
            let _ = fs::remove_dir_all(path);
        }
    }
}

fn lock_path(folder: &Utf8Path) -> Utf8PathBuf {
    Utf8PathBuf::from(format!("{folder}.lock"))
}

fn sweep(root: &Utf8Path) -> Result<()> {
    for entry in root.read_dir_utf8()? {
        let entry = entry?;
        if entry.file_type()?.is_dir()
            && let Ok(_claim) = Claim::try_now(&lock_path(entry.path()))?
        {
            // Another process may have removed it first.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    Ok(())
}

/// Runs blocking work on a thread where it does not block async tasks.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Failure::failed("a background task panicked or was cancelled").seen(&error))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn unlocked_work_folders_are_removed() {
        let cache = tempfile::tempdir().unwrap();
        let store = Store::new(Utf8Path::from_path(cache.path()).unwrap());
        let left = store.root().join("work/old.1.0");
        fs::create_dir_all(left.join("deep")).unwrap();
        let one = WorkFolder::create(&store, "a").await.unwrap();
        let two = WorkFolder::create(&store, "a").await.unwrap();
        assert!(!left.exists());
        assert!(one.path().is_dir() && two.path().is_dir());
        one.remove().await.unwrap();
        drop(two);
        assert_eq!(fs::read_dir(store.root().join("work")).unwrap().count(), 0);
    }
}
