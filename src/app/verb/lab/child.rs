//! Another meshlab as a child process.

use std::process::{Command, ExitStatus};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Child;
use tokio::time::timeout;

use crate::core::failure::{Failure, FailureKind, Result};

/// Signals that ask a program to end.
const STOPS: [i32; 3] = [Signal::HUP.as_raw(), Signal::INT.as_raw(), Signal::TERM.as_raw()];

/// Runs a child to its end. On an interruption, passes the signal on and waits up to `deadline`: the child has a lab to take
/// down. The child prints its own errors; `what` names it in the failure.
pub(super) async fn run_to_completion(
    command: Command,
    what: &str,
    interruption: &mut (impl Future<Output = Failure> + Unpin),
    deadline: Duration,
) -> Result<()> {
    let cannot = |error: &std::io::Error| {
        Failure::failed(format!("cannot run {what} in a process of its own")).seen(error)
    };
    let mut child = tokio::process::Command::from(command).spawn().map_err(|error| cannot(&error))?;
    let interruption = tokio::select! {
        ended = child.wait() => return judge(ended.map_err(|error| cannot(&error))?, what),
        interruption = interruption => interruption,
    };
    // A terminal may have sent it the signal already. A second one makes no difference.
    pass_on(&interruption, &child);
    if timeout(deadline, child.wait()).await.is_ok() {
        return Err(interruption);
    }
    let failure = interruption
        .seen_text(format!("{what} did not end in {deadline:?} and was killed"))
        .hint("`meshlab down` takes down what it left");
    Err(match child.kill().await {
        Ok(()) => failure,
        Err(error) => failure.seen(&error),
    })
}

fn pass_on(interruption: &Failure, child: &Child) {
    let FailureKind::Interrupted(number) = interruption.kind() else { return };
    let pid = child.id().and_then(|pid| Pid::from_raw(pid.try_into().ok()?));
    if let (Some(pid), Some(signal)) = (pid, Signal::from_named_raw(number.into())) {
        // It may have ended. It has not been waited for, so the process id is still its own.
        let _ = kill_process(pid, signal);
    }
}

fn judge(status: ExitStatus, what: &str) -> Result<()> {
    use std::os::unix::process::ExitStatusExt as _;
    if status.success() {
        return Ok(());
    }
    let of_signal = |signal: i32| {
        // The signal came before it handled signals.
        let signal = u8::try_from(signal).ok().filter(|_| STOPS.contains(&signal))?;
        Some(FailureKind::Interrupted(signal))
    };
    let of_code = |code: i32| u8::try_from(code).ok().map(FailureKind::of_exit_code);
    let kind = status.code().and_then(of_code).or_else(|| of_signal(status.signal()?));
    let kind = kind.unwrap_or(FailureKind::Failed);
    Err(match kind {
        FailureKind::Interrupted(_) => Failure::new(kind, format!("{what} was interrupted")),
        _ => Failure::new(kind, format!("{what} failed"))
            .seen_text(status.to_string())
            .hint("see the error above"),
    })
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::path::Path;
    use std::pin::pin;

    use super::*;
    use crate::core::until::{DEFAULT_DEADLINE, assert_soon};

    fn shell(line: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", line]);
        command
    }

    async fn ended(line: &str) -> FailureKind {
        run_to_completion(shell(line), "it", &mut pin!(pending()), DEFAULT_DEADLINE).await.unwrap_err().kind()
    }

    #[tokio::test]
    async fn the_exit_code_of_a_child_is_its_failure() {
        run_to_completion(shell("true"), "it", &mut pin!(pending()), DEFAULT_DEADLINE).await.unwrap();
        assert_eq!(ended("exit 3").await, FailureKind::CheckFailed);
        assert_eq!(ended("exit 6").await, FailureKind::MissingRequirement);
        assert_eq!(ended("exit 130").await, FailureKind::Interrupted(2));
        assert_eq!(ended("kill -TERM $$").await, FailureKind::Interrupted(15));
        assert_eq!(ended("kill -KILL $$").await, FailureKind::Failed);
    }

    /// Interrupts a child once there is a file.
    async fn stopped(line: &str, began: &Path, signal: u8, deadline: Duration) -> Failure {
        let interruption = async {
            assert_soon(|| began.exists()).await;
            Failure::new(FailureKind::Interrupted(signal), "interrupted")
        };
        run_to_completion(shell(line), "it", &mut pin!(interruption), deadline).await.unwrap_err()
    }

    #[tokio::test]
    async fn a_child_gets_the_signal_and_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let (began, down) = (folder.path().join("began"), folder.path().join("down"));
        let line = format!(
            "trap 'sleep 0.1; touch {}; exit 129' HUP; touch {}; while :; do sleep 0.02; done",
            down.display(),
            began.display()
        );
        let failure = stopped(&line, &began, 1, DEFAULT_DEADLINE).await;
        assert_eq!(failure, Failure::new(FailureKind::Interrupted(1), "interrupted"));
        assert!(down.exists());
    }

    #[tokio::test]
    async fn a_child_that_ignores_the_signal_is_killed() {
        let folder = tempfile::tempdir().unwrap();
        let began = folder.path().join("began");
        // exec keeps ignored signals ignored.
        let line = format!("trap '' TERM; touch {}; exec sleep 600", began.display());
        let failure = stopped(&line, &began, 15, Duration::from_millis(50)).await;
        assert_eq!(failure.kind(), FailureKind::Interrupted(15));
        assert_eq!(failure.details()[0].text, "it did not end in 50ms and was killed");
    }
}
