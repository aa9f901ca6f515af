//! A program inside the lab's machine with the caller's terminal or standard streams.

use std::future::ready;
use std::pin::pin;
use std::time::Duration;

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::exec::{CreateExecOptions, ResizeExecOptions, StartExecOptions, StartExecResults};
use futures_util::StreamExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;

use super::container::{look, number_inside, process};
use super::exec::variables;
use super::failure::cannot;
use super::names::{MACHINE, Names};
use crate::core::failure::{Failure, Result};
use crate::core::until::{Observed, POLL_INTERVAL, until};
use crate::machine::backend::Visit;
use crate::machine::state::RunDir;
use crate::machine::variables::{CommandEnvironment, WIDTH_VARIABLE};

/// The size of a read, in bytes.
const PIECE: usize = 8 * 1024;

/// How long Docker may take to report that a program runs.
const START_REPORT_GRACE: Duration = Duration::from_secs(5);

/// The start of Docker's message that a program cannot be started.
const REFUSAL: &[u8] = b"OCI runtime exec failed";

/// The exit status of a program whose output is not read any more: a shell's status for SIGPIPE.
const UNREAD: u8 = 128 + 13;

/// How long a program may take to end.
const ENDING: Duration = Duration::from_secs(10);

/// Runs the visit's command to its end and returns its exit status. If it is interrupted, it ends the command.
pub(super) async fn enter(docker: &Docker, run: &RunDir, visit: Visit<'_>) -> Result<u8> {
    let Visit { command, environment, user, terminal, interrupted, mut input, on_output } = visit;
    let is_terminal = terminal.is_some();
    let terminal_type = is_terminal.then(|| user.var("TERM").unwrap_or("xterm"));
    let (program, options) = program(command, environment, terminal_type, run);
    let container = Names::new(run, None).container(MACHINE);
    if look(docker, &container).await?.as_ref().and_then(process).is_none() {
        return Err(Failure::failed(format!("the machine of the lab on {} is not running", run.address()))
            .detail("container", container)
            .hint("`meshlab up` brings it back, `meshlab down` removes what is left"));
    }
    // Polled once here, so that a signal during the start of the program is not lost.
    let mut interrupted = pin!(interrupted);
    tokio::select! {
        biased;
        interruption = interrupted.as_mut() => return Err(interruption),
        () = ready(()) => {}
    }
    let what = || format!("run {program} in the container {container}");
    let exec = docker.create_exec(&container, options).await.map_err(cannot(what()))?;
    let start = StartExecOptions { tty: is_terminal, ..StartExecOptions::default() };
    let started = docker.start_exec(&exec.id, Some(start)).await;
    let StartExecResults::Attached { mut output, input: mut to_program } = started.map_err(cannot(what()))?
    else {
        return Err(Failure::failed(format!("cannot {}", what())).seen_text("Docker closed the connection"));
    };
    let pass_on = async {
        let mut piece = vec![0; PIECE];
        while let Ok(length @ 1..) = input.read(&mut piece).await {
            let passed = to_program.write_all(&piece[..length]).await;
            if passed.is_err() || to_program.flush().await.is_err() {
                break;
            }
        }
        // The program sees the end of its input; its output is still read.
        let _ = to_program.shutdown().await;
        std::future::pending::<()>().await;
    };
    let resize = async {
        let mut terminal = terminal;
        while let Some((width, height)) = next(&mut terminal).await {
            // It may have ended in the meantime.
            let _ = docker.resize_exec(&exec.id, ResizeExecOptions { height, width }).await;
        }
    };
    let mut refusal = None;
    let show = async {
        while let Some(piece) = output.next().await {
            let piece = piece.map_err(cannot(what()))?;
            let is_error = matches!(piece, LogOutput::StdErr { .. });
            let bytes = piece.into_bytes();
            if bytes.starts_with(REFUSAL) {
                // Docker's message arrives as the program's output.
                refusal = Some(String::from_utf8_lossy(&bytes).trim().to_owned());
            } else if !on_output(&bytes, is_error)? {
                return Ok(Left::Unread);
            }
        }
        Ok::<Left, Failure>(Left::Ended)
    };
    let left = tokio::select! {
        left = show => left?,
        () = pass_on => Left::Unread,
        () = resize => Left::Unread,
        interruption = interrupted => Left::Interrupted(interruption),
    };
    if !matches!(left, Left::Ended) {
        // Close its output first: unread output blocks all of Docker's work in this container.
        drop((output, to_program));
        let ended = tokio::time::timeout(ENDING, end(docker, run, &container, &exec.id)).await;
        return match (ended, left) {
            (Err(_), _) => Err(Failure::failed(format!("{program} does not end"))
                .seen_text(format!("still there after {ENDING:?}"))
                .hint("`meshlab shell -- ps` shows it, `meshlab down` ends all")),
            (Ok(ended), Left::Interrupted(interruption)) => ended.and(Err(interruption)),
            (Ok(ended), _) => ended.map(|()| UNREAD),
        };
    }
    let ended = docker.inspect_exec(&exec.id).await.map_err(cannot(what()))?;
    match ended.exit_code.and_then(|code| u8::try_from(code).ok()) {
        // Docker's status for a program that does not exist.
        Some(code @ (126 | 127)) if ended.pid.unwrap_or_default() == 0 => Err(Failure::failed(format!(
            "cannot run {program:?}"
        ))
        .detail("Docker says", refusal.unwrap_or_else(|| format!("exit status {code}")))
        .hint(
            "inside are the lab's tools and BusyBox; `meshlab shell -- ls /usr/local/bin` lists the tools",
        )),
        Some(code) => Ok(code),
        None => Err(Failure::failed(format!("Docker does not report how {program} ended"))),
    }
}

/// The program that the command names, and Docker's options to run the command.
fn program(
    mut command: Vec<String>,
    mut environment: CommandEnvironment,
    terminal_type: Option<&str>,
    run: &RunDir,
) -> (String, CreateExecOptions<String>) {
    environment.remove(WIDTH_VARIABLE);
    if command.is_empty() {
        command.push("/bin/sh".to_owned());
        environment.insert("PS1".to_owned(), "\\h:\\w\\$ ".to_owned());
    }
    if let Some(terminal_type) = terminal_type {
        environment.insert("TERM".to_owned(), terminal_type.to_owned());
    }
    let program = command.first().cloned().unwrap_or_default();
    let options = CreateExecOptions {
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        tty: Some(terminal_type.is_some()),
        env: Some(variables(environment.iter())),
        cmd: Some(command),
        working_dir: Some(run.work().into_string()),
        ..CreateExecOptions::default()
    };
    (program, options)
}

/// Why this stopped showing the program's output.
enum Left {
    /// The program ended.
    Ended,
    /// Its output is not read any more.
    Unread,
    /// The user interrupted meshlab.
    Interrupted(Failure),
}

/// Ends a program inside. Docker has no call for it, and the program does not notice that its output is closed.
async fn end(docker: &Docker, run: &RunDir, container: &str, exec: &str) -> Result<()> {
    let what = || format!("end a program in the container {container}");
    let pid = until(START_REPORT_GRACE, POLL_INTERVAL, async || -> Result<_> {
        let found = docker.inspect_exec(exec).await.map_err(cannot(what()))?;
        Ok(match found.pid.and_then(|pid| i32::try_from(pid).ok()).filter(|pid| *pid > 0) {
            Some(pid) if found.running == Some(true) => Observed::Ready(Some(pid)),
            // It is being started: Docker reports its process id later.
            _ if found.exit_code.is_none() => Observed::Pending(()),
            _ => Observed::Ready(None),
        })
    });
    let Ok(Some(pid)) = pid.await? else { return Ok(()) };
    // Docker starts each program as the leader of a session.
    let Some(session) = number_inside(pid) else { return Ok(()) };
    let options = CreateExecOptions {
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        cmd: Some(
            [run.program().as_str(), "svc", "end-session", &session.to_string()].map(str::to_owned).to_vec(),
        ),
        ..CreateExecOptions::default()
    };
    let ender = docker.create_exec(container, options).await.map_err(cannot(what()))?;
    let started = docker.start_exec(&ender.id, None::<StartExecOptions>).await.map_err(cannot(what()))?;
    if let StartExecResults::Attached { mut output, .. } = started {
        while output.next().await.is_some() {}
    }
    Ok(())
}

async fn next(terminal: &mut Option<mpsc::Receiver<(u16, u16)>>) -> Option<(u16, u16)> {
    match terminal {
        Some(sizes) => match sizes.recv().await {
            Some(size) => Some(size),
            None => std::future::pending().await,
        },
        None => std::future::pending().await,
    }
}
