//! Advisory locks: who may work on a file or a tool while other meshlab processes run.
//!
//! Invariant: a claim is tied to an open file, so the kernel gives it back whatever kills its holder.

use std::fs::TryLockError;
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use crate::core::failure::{Failure, FailureKind, Result};

/// A Go build takes minutes on a fast machine; another process is given the time of a slow one.
const PATIENCE: Duration = Duration::from_mins(30);
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// The right to work on something, given back when dropped.
#[derive(Debug)]
pub(crate) struct Claim {
    path: Utf8PathBuf,
    // Closing it releases the lock.
    file: fs::File,
}

impl Claim {
    /// Waits for the claim that the file at `path` stands for. `waiting` is called once if somebody else has it,
    /// with the holder's process id where it is known. Waiting ends when the future is dropped.
    pub(crate) async fn wait(path: &Utf8Path, waiting: impl FnOnce(Option<u32>)) -> Result<Self> {
        Self::wait_for(path, PATIENCE, waiting).await
    }

    async fn wait_for(
        path: &Utf8Path,
        patience: Duration,
        waiting: impl FnOnce(Option<u32>),
    ) -> Result<Self> {
        let deadline = Instant::now() + patience;
        let mut pause = FIRST_PAUSE;
        let mut waiting = Some(waiting);
        loop {
            let holder = match Self::attempt(path)? {
                Attempt::Ours(claim) => return Ok(claim),
                Attempt::Gone => continue,
                Attempt::Theirs(holder) => holder,
            };
            if let Some(waiting) = waiting.take() {
                waiting(holder);
            }
            if Instant::now() >= deadline {
                let who = holder.map_or_else(|| "an unknown process".into(), |pid| format!("process {pid}"));
                return Err(Failure::new(
                    FailureKind::DeadlinePassed,
                    "another meshlab works on the same file and does not finish",
                )
                .detail("held by", who)
                .detail("lock", path.as_str())
                .detail("waited", format!("{} s", patience.as_secs()))
                .hint("see what that process does, or stop it, and run the command again"));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// The claim, or the process that has it, where that is known.
    pub(crate) fn try_now(path: &Utf8Path) -> Result<Result<Self, Option<u32>>> {
        loop {
            match Self::attempt(path)? {
                Attempt::Ours(claim) => return Ok(Ok(claim)),
                Attempt::Theirs(holder) => return Ok(Err(holder)),
                Attempt::Gone => {}
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
            Err(TryLockError::WouldBlock) => return Ok(Attempt::Theirs(holder(&mut file))),
            Err(TryLockError::Error(error)) => {
                return Err(Failure::failed(format!("cannot lock {path}")).seen(&error));
            }
        }
        // The holder before us removes the file on its way out: a lock on a removed file protects nothing.
        if !is_at(&file, path) {
            return Ok(Attempt::Gone);
        }
        file.set_len(0)?;
        file.rewind()?;
        file.write_all(std::process::id().to_string().as_bytes())?;
        Ok(Attempt::Ours(Self { path: path.to_owned(), file }))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // While it is still locked: whoever opened it meanwhile sees that it is gone and makes a new one. A file of
        // another holder, made after somebody cleaned the folder, stays.
        if is_at(&self.file, &self.path) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

enum Attempt {
    Ours(Claim),
    Theirs(Option<u32>),
    Gone,
}

/// Whether `path` still names the file that is open.
fn is_at(file: &fs::File, path: &Utf8Path) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(open), Ok(named)) => (open.dev(), open.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}

/// Removes a folder unless somebody holds the claim on it.
pub(crate) fn remove_unless_claimed(folder: &Utf8Path, claim: &Utf8Path) -> Result<()> {
    if folder.is_dir()
        && let Ok(_claim) = Claim::try_now(claim)?
    {
        fs::remove_dir_all(folder)?;
    }
    Ok(())
}

/// Whether somebody holds a claim on one of the files in a folder. Nothing is created.
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

/// The process id that the holder wrote; it may not have got to it yet.
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
    fn one_at_a_time_and_nothing_left() {
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
    async fn the_wait_has_a_deadline_and_names_the_holder() {
        let (_folder, path) = folder();
        let _claim = Claim::try_now(&path).unwrap().unwrap();
        let mut told = None;
        let failure = Claim::wait_for(&path, Duration::from_millis(30), |pid| told = pid).await.unwrap_err();
        assert_eq!(told, Some(std::process::id()));
        assert_eq!(failure.kind(), FailureKind::DeadlinePassed);
        assert_eq!(failure.details()[0].text, format!("process {}", std::process::id()));
    }

    #[tokio::test]
    async fn many_take_turns() {
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
