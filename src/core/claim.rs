//! File locks between meshlab processes: one process at a time works on a download, a tool or a lab.
//!
//! Invariant: a claim is an advisory lock on an open file, so the kernel releases it when the holder dies.

use std::fs::TryLockError;
use std::future::ready;
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use crate::core::failure::{Failure, FailureKind, Result};
use crate::core::until::{Interval, Observed, until};

/// How long to wait for another process. A Go build takes minutes, and much longer on a slow machine.
const CLAIM_DEADLINE: Duration = Duration::from_mins(30);
const FIRST_INTERVAL: Duration = Duration::from_millis(10);
const LONGEST_INTERVAL: Duration = Duration::from_millis(200);

/// A held lock file. Dropping it releases the lock and removes the file.
#[derive(Debug)]
pub(crate) struct Claim {
    path: Utf8PathBuf,
    // Closing it releases the lock.
    file: fs::File,
}

impl Claim {
    /// Locks the file at `path`, waiting up to 30 minutes for another holder. `waiting` is called once if another
    /// process holds it, with that process id if it is known. Dropping the future cancels the wait.
    pub(crate) async fn wait(path: &Utf8Path, waiting: impl FnOnce(Option<u32>)) -> Result<Self> {
        Self::wait_for(path, CLAIM_DEADLINE, waiting).await
    }

    async fn wait_for(
        path: &Utf8Path,
        deadline: Duration,
        waiting: impl FnOnce(Option<u32>),
    ) -> Result<Self> {
        let mut waiting = Some(waiting);
        let mut probe = || {
            let claim = Self::try_now(path)?;
            if let Err(holder) = claim
                && let Some(waiting) = waiting.take()
            {
                tracing::info!(lock = %path, ?holder, "waits for a lock");
                waiting(holder);
            }
            Ok(Observed::from(claim))
        };
        let interval = Interval::doubling(FIRST_INTERVAL, LONGEST_INTERVAL);
        let outcome: Result<_> = until(deadline, interval, || ready(probe())).await;
        outcome?.map_err(|late| {
            let holder = late.last.flatten();
            let who = holder.map_or_else(|| "an unknown process".into(), |pid| format!("process {pid}"));
            Failure::new(
                FailureKind::DeadlinePassed,
                "another meshlab process holds the lock on the same file",
            )
            .detail("held by", who)
            .detail("lock", path.as_str())
            .detail("waited", format!("{} s", deadline.as_secs()))
            .hint("wait for that process or stop it, then run the command again")
        })
    }

    /// Locks the file at `path` without waiting. The inner error is the holder's process id, if it is known.
    pub(crate) fn try_now(path: &Utf8Path) -> Result<Result<Self, Option<u32>>> {
        loop {
            match Self::attempt(path)? {
                Attempt::Acquired(claim) => return Ok(Ok(claim)),
                Attempt::Held(holder) => return Ok(Err(holder)),
                Attempt::Removed => {}
            }
        }
    }

    fn attempt(path: &Utf8Path) -> Result<Attempt> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file =
            fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        match file.file().try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(Attempt::Held(holder(&mut file))),
            Err(TryLockError::Error(error)) => {
                return Err(Failure::failed(format!("cannot lock {path}")).seen(&error));
            }
        }
        // The previous holder removes the file when it releases the lock; a lock on a removed file protects nothing.
        if !is_at(&file, path) {
            return Ok(Attempt::Removed);
        }
        file.set_len(0)?;
        file.rewind()?;
        file.write_all(std::process::id().to_string().as_bytes())?;
        Ok(Attempt::Acquired(Self { path: path.to_owned(), file }))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // Removed while still locked: a process that opened it meanwhile sees that it is gone and creates a new one. A
        // new file of another holder, created after the folder was cleaned, stays.
        if is_at(&self.file, &self.path) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

enum Attempt {
    Acquired(Claim),
    /// By the process with this id, if it is known.
    Held(Option<u32>),
    /// The lock file was removed between opening and locking it.
    Removed,
}

/// Whether `path` still refers to the open file.
fn is_at(file: &fs::File, path: &Utf8Path) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(open), Ok(named)) => (open.dev(), open.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}

/// Removes a folder unless another process holds the claim on it.
pub(crate) fn remove_unless_claimed(folder: &Utf8Path, claim: &Utf8Path) -> Result<()> {
    if folder.is_dir()
        && let Ok(_claim) = Claim::try_now(claim)?
    {
        fs::remove_dir_all(folder)?;
    }
    Ok(())
}

/// Whether any process holds a claim on a file in `folder`. Creates nothing.
pub(crate) fn any_held(folder: &Utf8Path) -> Result<bool> {
    if !folder.is_dir() {
        return Ok(false);
    }
    for entry in folder.read_dir_utf8()? {
        let entry = entry?;
        if entry.file_type()?.is_file()
            && let Ok(file) = std::fs::File::open(entry.path())
            && matches!(file.try_lock(), Err(TryLockError::WouldBlock))
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The process id in the lock file; `None` until the holder has written it.
fn holder(file: &mut fs::File) -> Option<u32> {
    let mut text = String::new();
    file.take(16).read_to_string(&mut text).ok()?;
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, Utf8PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(folder.path().join("x.lock")).unwrap();
        (folder, path)
    }

    #[test]
    fn one_process_holds_a_claim_and_releasing_it_removes_the_file() {
        let (_folder, path) = folder();
        let claim = Claim::try_now(&path).unwrap().unwrap();
        assert_eq!(Claim::try_now(&path).unwrap().unwrap_err(), Some(std::process::id()));
        let folder = path.parent().unwrap();
        assert!(any_held(folder).unwrap());
        drop(claim);
        assert!(!any_held(folder).unwrap());
        assert!(!path.exists());
        assert!(Claim::try_now(&path).unwrap().is_ok());
    }

    #[tokio::test]
    async fn waiting_ends_at_the_deadline_and_names_the_holder() {
        let (_folder, path) = folder();
        let _claim = Claim::try_now(&path).unwrap().unwrap();
        let mut holder = None;
        let failure =
            Claim::wait_for(&path, Duration::from_millis(30), |pid| holder = pid).await.unwrap_err();
        assert_eq!(holder, Some(std::process::id()));
        assert_eq!(failure.kind(), FailureKind::DeadlinePassed);
        assert_eq!(failure.details()[0].text, format!("process {}", std::process::id()));
    }

    #[tokio::test]
    async fn concurrent_waiters_hold_the_claim_one_at_a_time() {
        let (_folder, path) = folder();
        let inside = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let (path, inside) = (path.clone(), inside.clone());
                tokio::spawn(async move {
                    let _claim = Claim::wait(&path, |_| {}).await.unwrap();
                    assert_eq!(inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0);
                    tokio::task::yield_now().await;
                    inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    }
}
