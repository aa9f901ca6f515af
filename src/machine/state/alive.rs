//! Whether a process still runs, also while its first thread is a zombie.

use std::convert::Infallible;
use std::time::Duration;

use procfs::process::{Process, Stat};
use rustix::process::Signal;

use crate::core::until::{Observed, until_blocking};

/// Whether the process with this id and start time runs. A zombie does not run, however long its parent takes to reap it.
pub fn is_running(pid: i32, started: u64) -> bool {
    settled(|| Seen::of(pid, started), ZOMBIE_GRACE)
}

/// Whether a process with this id runs; a zombie does not.
pub fn lives(pid: u32) -> bool {
    let process = i32::try_from(pid).ok().and_then(|pid| Process::new(pid).ok());
    process.and_then(|process| process.stat().ok()).is_some_and(|stat| !is_zombie(&stat))
}

/// How long a program's first thread may be a zombie beside live threads before that counts as its permanent state.
const ZOMBIE_GRACE: Duration = Duration::from_millis(300);

/// The pause between two looks at a process whose state is about to change.
const PROCESS_POLL_INTERVAL: Duration = Duration::from_millis(1);

/// The state of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Running,
    Ended,
    /// Its first thread is a zombie beside others. Either another thread is about to replace it (see [`has_ended`]), or the
    /// process was killed and other threads have not ended yet: both last a moment. It is permanent if a program ended its
    /// first thread on purpose.
    Passing,
}

impl Seen {
    fn of(pid: i32, started: u64) -> Self {
        let Ok(process) = Process::new(pid) else { return Self::Ended };
        match process.stat() {
            Ok(stat) if stat.starttime == started => {
                if !is_zombie(&stat) {
                    Self::Running
                } else if has_ended(&stat) || all_die(&process) {
                    Self::Ended
                } else {
                    Self::Passing
                }
            }
            _ => Self::Ended,
        }
    }
}

/// Whether every thread has ended or will end as soon as it is scheduled. A thread that calls `exec` will not.
fn all_die(process: &Process) -> bool {
    /// The kernel's flag of a thread that is exiting.
    const EXITING: u32 = 0x4;
    const KILL: u64 = 1 << (Signal::KILL.as_raw() - 1);
    let Ok(threads) = process.tasks() else { return true };
    threads.flatten().all(|thread| {
        let is_killed = || thread.status().is_ok_and(|status| status.sigpnd & KILL != 0);
        // A thread that cannot be read has ended.
        thread.stat().map_or(true, |stat| is_zombie(&stat) || stat.flags & EXITING != 0 || is_killed())
    })
}

/// Whether it runs, once it is not [`Seen::Passing`] any more or `grace` is over.
fn settled(mut look: impl FnMut() -> Seen, grace: Duration) -> bool {
    let Ok(outcome) = until_blocking(grace, PROCESS_POLL_INTERVAL, || {
        Ok::<_, Infallible>(match look() {
            Seen::Running => Observed::Ready(true),
            Seen::Ended => Observed::Ready(false),
            Seen::Passing => Observed::Pending(()),
        })
    });
    outcome.unwrap_or(true)
}

/// Whether a process has ended. The first thread is also a zombie for a moment when another thread calls `exec`, as in
/// `consul connect envoy`: that thread then replaces it.
pub(in crate::machine) fn has_ended(stat: &Stat) -> bool {
    is_zombie(stat) && stat.num_threads <= 1
}

fn is_zombie(stat: &Stat) -> bool {
    matches!(stat.state, 'Z' | 'X')
}

/// When a process started, in clock ticks since boot; `None` if there is none of that id.
pub fn start_ticks(pid: i32) -> Option<u64> {
    Process::new(pid).and_then(|process| process.stat()).ok().map(|stat| stat.starttime)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::process::{Command, Stdio};

    use super::*;
    use crate::core::until::assert_soon_blocking;

    #[test]
    fn a_first_thread_that_another_one_is_about_to_replace_has_not_ended() {
        let mut stat = Process::myself().unwrap().stat().unwrap();
        for (state, threads, ended) in [('S', 1, false), ('Z', 2, false), ('Z', 1, true), ('Z', 0, true)] {
            (stat.state, stat.num_threads) = (state, threads);
            assert_eq!(has_ended(&stat), ended, "{state} {threads}");
        }
    }

    #[test]
    fn a_first_thread_that_is_a_zombie_is_looked_at_until_it_is_plain_why() {
        let runs = |looks: &[Seen], patience: Duration| {
            let mut looks = looks.iter().copied();
            let mut last = Seen::Running;
            let look = || {
                last = looks.next().unwrap_or(last);
                last
            };
            (settled(look, patience), looks.count())
        };
        let patient = Duration::from_mins(1);
        // Killed.
        assert_eq!(runs(&[Seen::Passing, Seen::Passing, Seen::Ended], patient), (false, 0));
        // Replaced.
        assert_eq!(runs(&[Seen::Passing, Seen::Running], patient), (true, 0));
        // It stays.
        assert_eq!(runs(&[Seen::Passing], Duration::from_millis(5)), (true, 0));
        // Nothing to wait for.
        assert_eq!(runs(&[Seen::Running, Seen::Ended], patient), (true, 1));
    }

    /// This test program again, as a program with many threads.
    #[test]
    #[ignore = "run by the test that kills it"]
    fn many_threads() {
        for _ in 0..200 {
            std::thread::spawn(|| std::thread::park_timeout(Duration::from_secs(20)));
        }
        writeln!(std::io::stdout(), "begun").unwrap();
        std::thread::sleep(Duration::from_secs(20));
    }

    #[test]
    fn what_was_killed_does_not_run_while_its_threads_end() {
        let many_threads = "machine::state::alive::tests::many_threads";
        for _ in 0..5 {
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args(["--ignored", "--exact", "--nocapture", many_threads])
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
            assert!(lines.any(|line| line.unwrap().ends_with("begun")));
            let pid = i32::try_from(child.id()).unwrap();
            let started = start_ticks(pid).unwrap();
            assert!(is_running(pid, started));
            child.kill().unwrap();
            assert_soon_blocking(|| is_zombie(&Process::new(pid).unwrap().stat().unwrap()));
            assert!(!is_running(pid, started));
            child.wait().unwrap();
        }
    }
}
