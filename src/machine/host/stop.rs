//! Ending processes: SIGTERM first, SIGKILL after a grace period. The one loop that does so.

use std::collections::{BTreeMap, BTreeSet};
use std::future::ready;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::core::event::Removed;
use crate::core::failure::{Failure, FailureKind, Result};
use crate::core::until::{Observed, POLL_INTERVAL, until};
use crate::machine::process::{Member, find_members, group_members, is_there};
use crate::machine::state::{ProcessRecord, RunDir, RunState};

/// How long processes may take to end after SIGTERM.
const TERM_GRACE: Duration = Duration::from_secs(5);

/// How long the kernel may take to end processes after SIGKILL.
const KILL_GRACE: Duration = Duration::from_secs(5);

/// The signals, each with the time that processes have to end after it.
const TERM_THEN_KILL: &[(Signal, Duration)] = &[(Signal::TERM, TERM_GRACE), (Signal::KILL, KILL_GRACE)];

/// Ends every member of a lab and returns once none is left. Returns what was ended.
pub(super) async fn end_all(run: &RunDir, state: Option<&RunState>) -> Result<Vec<Removed>> {
    end("some processes do not end", TERM_THEN_KILL, || find_members(run, state)).await
}

/// Ends a component's process group, also if its leader has ended already.
pub(super) async fn end_group(service: &str, leader: ProcessRecord) -> Result<()> {
    let members = || group_members(leader.pid, leader.start_ticks);
    end(&format!("{service} does not end"), TERM_THEN_KILL, members).await.map(drop)
}

/// Kills all processes that `members` finds, until it finds none. `otherwise` is the failure's message.
pub(in crate::machine) async fn kill(
    otherwise: &str,
    members: impl Fn() -> Result<Vec<Member>>,
) -> Result<()> {
    end(otherwise, &TERM_THEN_KILL[1..], members).await.map(drop)
}

async fn end(
    otherwise: &str,
    signals: &[(Signal, Duration)],
    members: impl Fn() -> Result<Vec<Member>>,
) -> Result<Vec<Removed>> {
    let mut seen: BTreeMap<i32, Member> = BTreeMap::new();
    let mut left = Vec::new();
    for (signal, grace) in signals.iter().copied() {
        let mut signalled: Vec<Member> = Vec::new();
        let mut probe = || -> Result<_> {
            // Each look finds what was started since the last one: a process that forks while it is ended.
            let mut alive = members()?;
            // A process whose first thread has ended shows no environment and no files, while its other threads still hold
            // its ports: processes that were seen are followed until they end.
            let known: BTreeSet<i32> = alive.iter().map(|member| member.pid).collect();
            alive.extend(
                seen.values().filter(|member| !known.contains(&member.pid) && is_there(member)).cloned(),
            );
            if alive.is_empty() {
                return Ok(Observed::Ready(()));
            }
            for member in alive.iter().filter(|member| !signalled.contains(member)) {
                send(member, signal);
            }
            seen.extend(alive.iter().map(|member| (member.pid, member.clone())));
            signalled.clone_from(&alive);
            Ok(Observed::Pending(alive))
        };
        match until(grace, POLL_INTERVAL, || ready(probe())).await? {
            Ok(()) => return Ok(by_program(&seen)),
            Err(late) => left = late.last.unwrap_or_default(),
        }
    }
    let left: Vec<String> =
        left.iter().map(|member: &Member| format!("{} (pid {})", member.name, member.pid)).collect();
    Err(Failure::new(FailureKind::DeadlinePassed, otherwise)
        .detail("alive", left.join(", "))
        .hint("they wait for the kernel (state D in `ps`); run `meshlab down` again when they have ended"))
}

/// Signals exactly the process that was seen: the pidfd is opened before its start time is compared.
fn send(member: &Member, signal: Signal) {
    let Some(pid) = Pid::from_raw(member.pid) else { return };
    let Ok(pidfd) = pidfd_open(pid, PidfdFlags::empty()) else { return };
    if crate::machine::state::alive::start_ticks(member.pid) == Some(member.start_ticks) {
        tracing::debug!(pid = member.pid, "sends {signal:?} to {}", member.name);
        // It may have ended in the meantime.
        let _ = pidfd_send_signal(&pidfd, signal);
    }
}

/// The processes of each program, by their lowest pid.
fn by_program(seen: &BTreeMap<i32, Member>) -> Vec<Removed> {
    let mut programs: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for member in seen.values() {
        programs.entry(&member.name).or_default().push(member.pid);
    }
    let mut programs: Vec<(&str, Vec<i32>)> = programs.into_iter().collect();
    programs.sort_by_key(|(_, pids)| pids.first().copied());
    programs.into_iter().map(|(name, pids)| Removed::Processes { name: name.to_owned(), pids }).collect()
}
