//! Running a program to its end and measuring it, and programs that run beside.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use meshlab::core::until::{Observed, until_blocking};
use nix::sys::resource::{UsageWho, getrusage};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::{Value, json};

use crate::Result;
use crate::interrupt::{self, Registered};

/// The first argument that makes this program a stop watch.
const MEASURE: &str = "measure-one-program";
/// What is given to a program that was asked to end.
const ORDERLY_END: Duration = Duration::from_secs(30);

/// What one run of a program took.
pub(crate) struct Measured {
    /// In seconds.
    pub(crate) wall: f64,
    /// In bytes: its largest resident set, and that of every child it waited for.
    pub(crate) resident: f64,
}

/// A command that is to be given to [`measured`]: the program under a stop watch of its own, which is this executable
/// once more. The largest resident set of children is known per parent only, so each run needs a parent for itself.
pub(crate) fn stop_watch(deadline: Duration, program: &str) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args([MEASURE, &deadline.as_secs().to_string(), program]);
    Ok(command)
}

/// Runs it to its end; anything but success is a fault.
pub(crate) fn measured(mut command: Command) -> Result<Measured> {
    let stop_watch = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let registered = Registered::new(Pid::from_child(&stop_watch));
    let output = stop_watch.wait_with_output()?;
    drop(registered);
    let shown =
        || command.get_args().skip(2).map(|text| text.to_string_lossy()).collect::<Vec<_>>().join(" ");
    let errors = String::from_utf8_lossy(&output.stderr);
    let seen: Value = serde_json::from_slice(&output.stdout)
        .map_err(|_| format!("`{}`: {}", shown(), last_lines(&errors)))?;
    if seen["code"] != 0 {
        let ended = if seen["late"] == true { "did not end in time" } else { "failed" };
        return Err(format!("`{}` {ended}: {}", shown(), last_lines(&errors)).into());
    }
    let number = |name: &str| seen[name].as_f64().ok_or_else(|| format!("the stop watch tells no {name}"));
    Ok(Measured { wall: number("wall")?, resident: number("resident")? })
}

/// The work of the stop watch, if that is what this process was started as.
pub(crate) fn measure_if_asked() -> Option<ExitCode> {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [first, deadline, program, rest @ ..] = arguments.as_slice() else { return None };
    if first != MEASURE {
        return None;
    }
    let deadline = Duration::from_secs(deadline.to_str()?.parse().ok()?);
    let mut command = Command::new(program);
    command.args(rest).stdin(Stdio::null()).stdout(Stdio::null());
    match measure(command, deadline) {
        Ok(seen) => {
            println!("{seen}");
            Some(ExitCode::SUCCESS)
        }
        Err(fault) => {
            eprintln!("{}: {fault}", program.to_string_lossy());
            Some(ExitCode::FAILURE)
        }
    }
}

fn measure(mut command: Command, deadline: Duration) -> Result<Value> {
    interrupt::watch()?;
    let started = Instant::now();
    let mut child = command.spawn()?;
    let pid = Pid::from_child(&child);
    let registered = Registered::new(pid);
    let (ended, end) = channel::<()>();
    let watchdog = std::thread::spawn(move || {
        for signal in [Signal::TERM, Signal::KILL] {
            let patience = if signal == Signal::TERM { deadline } else { ORDERLY_END };
            if end.recv_timeout(patience) != Err(RecvTimeoutError::Timeout) {
                return signal != Signal::TERM;
            }
            let _ = kill_process(pid, signal);
        }
        true
    });
    let status = child.wait()?;
    let wall = started.elapsed();
    drop((ended, registered));
    let late = watchdog.join().unwrap_or(true);
    let kilobytes = getrusage(UsageWho::RUSAGE_CHILDREN)?.max_rss();
    Ok(json!({
        "wall": wall.as_secs_f64(), "resident": kilobytes * 1024, "late": late,
        "code": status.code().or_else(|| status.signal().map(|signal| 128 + signal)),
    }))
}

/// The end of what a program said, on one line.
pub(crate) fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(12)..].join(" | ")
}

/// When the first line came that is meant; else everything that was said.
pub(crate) fn first(
    lines: &Receiver<(Instant, String)>,
    patience: Duration,
    meant: impl Fn(&str) -> bool,
) -> std::result::Result<Instant, String> {
    let deadline = Instant::now() + patience;
    let mut said = String::new();
    while let Ok((when, line)) = lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        if meant(&line) {
            return Ok(when);
        }
        said.push_str(&line);
    }
    Err(said)
}

/// A program that runs beside, in a process group of its own. It is asked to end when this is dropped, and waited for.
pub(crate) struct Running {
    name: String,
    child: Child,
    _registered: Registered,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        command.stdin(Stdio::null()).process_group(0);
        let child = command.spawn().map_err(|error| format!("{name}: {error}"))?;
        let registered = Registered::new(Pid::from_child(&child));
        Ok(Self { name, child, _registered: registered })
    }

    /// Lines of what was piped, each with the time it came at. Goes on reading when nobody listens any more.
    pub(crate) fn lines(stream: impl Read + Send + 'static) -> Receiver<(Instant, String)> {
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            let mut stream = BufReader::new(stream);
            loop {
                let mut line = Vec::new();
                match stream.read_until(b'\n', &mut line) {
                    Ok(0) | Err(_) => return,
                    Ok(_) => drop(sender.send((Instant::now(), String::from_utf8_lossy(&line).into_owned()))),
                }
            }
        });
        lines
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Waits until it ends by itself.
    pub(crate) fn wait(mut self) -> Result<ExitStatus> {
        Ok(self.child.wait()?)
    }

    /// Asks it to end and waits until it has.
    pub(crate) fn end(mut self) -> Result<ExitStatus> {
        self.ask_to_end()
    }

    fn ask_to_end(&mut self) -> Result<ExitStatus> {
        if let Some(status) = self.child.try_wait()? {
            return Ok(status);
        }
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        let ended = until_blocking(ORDERLY_END, Duration::from_millis(5), || -> Result<_> {
            Ok(Observed::from(self.child.try_wait()?.ok_or(())))
        });
        if let Ok(status) = ended? {
            return Ok(status);
        }
        kill_process_group(Pid::from_child(&self.child), Signal::KILL)?;
        self.child.wait()?;
        Err(format!("{} did not end when told to, and was killed", self.name).into())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Err(fault) = self.ask_to_end() {
            let _ = writeln!(std::io::stderr(), "warning: {fault}");
        }
    }
}
