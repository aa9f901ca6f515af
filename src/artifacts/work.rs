//! Folders of the cache that a package manager's client may litter.
//!
//! Invariant: a folder whose lock nobody holds belongs to nobody, and the next run removes it.

use std::sync::atomic::{AtomicU32, Ordering};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::store::Store;
use crate::core::claim::Claim;
use crate::core::failure::{Failure, Result};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// An empty folder on the cache's file system. Removed when dropped; better with [`WorkFolder::remove`].
#[derive(Debug)]
pub(crate) struct WorkFolder {
    path: Option<Utf8PathBuf>,
    // After the folder is gone, not before.
    claim: Option<Claim>,
}

impl WorkFolder {
    /// Makes one, and removes what killed runs left.
    pub(crate) async fn create(store: &Store, artifact: &str) -> Result<Self> {
        let root = store.root().join("work");
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{artifact}.{}.{number}", std::process::id());
        blocking(move || {
            fs::create_dir_all(&root)?;
            sweep(&root)?;
            let path = root.join(&name);
            let claim = Claim::try_now(&lock_of(&path))?
                .map_err(|_| Failure::failed(format!("{path} is in use by another process")))?;
            fs::create_dir(&path)?;
            Ok(Self { path: Some(path), claim: Some(claim) })
        })
        .await
    }

    pub(crate) fn path(&self) -> &Utf8Path {
        self.path.as_deref().unwrap_or(Utf8Path::new(""))
    }

    /// Removes it without holding up other tasks.
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
        // The last resort: what can't be removed now is removed by the next run.
        if let Some(path) = self.path.take() {
            let _ = fs::remove_dir_all(path);
        }
    }
}

fn lock_of(folder: &Utf8Path) -> Utf8PathBuf {
    Utf8PathBuf::from(format!("{folder}.lock"))
}

fn sweep(root: &Utf8Path) -> Result<()> {
    for entry in root.read_dir_utf8()? {
        let entry = entry?;
        if entry.file_type()?.is_dir()
            && let Ok(_claim) = Claim::try_now(&lock_of(entry.path()))?
        {
            // Another sweeper may have been faster.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    Ok(())
}

/// Runs what blocks where it does not hold up the tasks of the run.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Failure::failed("a piece of work was cut short").seen(&error))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_nobody_holds_is_removed() {
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
