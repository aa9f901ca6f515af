//! One at a time: an advisory lock on a file, waited for without blocking a thread.

use std::time::Duration;

use camino::Utf8Path;
use fs_err as fs;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::failure::{Failure, FailureKind, Result};

/// How often a taken lock is tried again.
const RETRY: Duration = Duration::from_millis(250);

/// Held until it is dropped; a killed process loses it too.
pub(crate) struct Turn {
    _file: fs::File,
}

/// Takes the lock if nobody has it.
pub(crate) fn try_turn(path: &Utf8Path) -> Result<Option<Turn>> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let file = fs::OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
    match flock(file.file(), FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(Turn { _file: file })),
        Err(Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(Failure::failed(format!("cannot lock {path}")).seen(&error)),
    }
}

/// Waits for the lock; `waiting` is called once if somebody else has it.
pub(crate) async fn turn(path: &Utf8Path, deadline: Duration, waiting: impl FnOnce()) -> Result<Turn> {
    if let Some(turn) = try_turn(path)? {
        return Ok(turn);
    }
    waiting();
    let until = tokio::time::Instant::now() + deadline;
    while tokio::time::Instant::now() < until {
        tokio::time::sleep(RETRY).await;
        if let Some(turn) = try_turn(path)? {
            return Ok(turn);
        }
    }
    Err(Failure::new(
        FailureKind::DeadlinePassed,
        format!("{path} was held by another meshlab for {} s", deadline.as_secs()),
    )
    .hint("wait for the other one, or stop it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_second_waits_and_gets_its_turn() {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(folder.path()).unwrap().join("a/lock");
        let first = try_turn(&path).unwrap().expect("free");
        assert!(try_turn(&path).unwrap().is_none());
        let late = turn(&path, Duration::from_millis(1), || {}).await;
        assert_eq!(late.err().map(|failure| failure.kind()), Some(FailureKind::DeadlinePassed));
        let (tell, told) = tokio::sync::oneshot::channel();
        let waiter = turn(&path, Duration::from_secs(60), move || tell.send(()).unwrap());
        let release = async {
            told.await.unwrap();
            drop(first);
        };
        let (second, ()) = tokio::join!(waiter, release);
        assert!(second.is_ok());
    }
}
