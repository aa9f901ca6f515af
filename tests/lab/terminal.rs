//! A terminal with nobody in front of it: what a program shows there, and keys.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex};

use rustix::fs::{self, Mode, OFlags};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty;
use rustix::termios::{self, LocalModes, Winsize};

use crate::support::until;

pub(crate) struct Terminal {
    controller: File,
    program_s: File,
    seen: Arc<Mutex<String>>,
}

/// A program at a terminal. A test that failed must not leave it waiting for keys, with a lab in its hands.
pub(crate) struct Program(pub(crate) Child);

impl Program {
    /// How it ended; it has to.
    #[track_caller]
    pub(crate) fn ends(&mut self) -> ExitStatus {
        let mut ended = None;
        until("the program at the terminal has ended", || {
            ended = self.0.try_wait().unwrap();
            ended.is_some()
        });
        ended.unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = kill_process(Pid::from_child(&self.0), Signal::TERM);
            let _ = self.0.wait();
        }
    }
}

impl Terminal {
    pub(crate) fn new(rows: u16, columns: u16) -> Self {
        let controller =
            pty::openpt(pty::OpenptFlags::RDWR | pty::OpenptFlags::NOCTTY | pty::OpenptFlags::CLOEXEC)
                .unwrap();
        pty::grantpt(&controller).unwrap();
        pty::unlockpt(&controller).unwrap();
        let name = pty::ptsname(&controller, Vec::new()).unwrap();
        let program_s = File::from(
            fs::open(name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).unwrap(),
        );
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        termios::tcsetwinsize(&controller, size).unwrap();
        let controller = File::from(controller);
        let seen = Arc::new(Mutex::new(String::new()));
        let (mut output, shown) = (controller.try_clone().unwrap(), Arc::clone(&seen));
        std::thread::spawn(move || {
            let mut piece = [0; 1024];
            while let Ok(length @ 1..) = output.read(&mut piece) {
                shown.lock().unwrap().push_str(&String::from_utf8_lossy(&piece[..length]));
            }
        });
        Self { controller, program_s, seen }
    }

    /// Starts a program that reads and writes here, errors included.
    pub(crate) fn start(&self, command: &mut Command) -> Program {
        let end = || self.program_s.try_clone().unwrap();
        Program(
            command.env("TERM", "xterm-256color").stdin(end()).stdout(end()).stderr(end()).spawn().unwrap(),
        )
    }

    pub(crate) fn keys(&self, keys: &str) {
        (&self.controller).write_all(keys.as_bytes()).unwrap();
    }

    /// All that was shown so far.
    pub(crate) fn seen(&self) -> String {
        self.seen.lock().unwrap().clone()
    }

    /// Waits until this text has been shown so often.
    #[track_caller]
    pub(crate) fn shows(&self, text: &str, times: usize) {
        until(text, || self.seen().matches(text).count() >= times);
    }

    pub(crate) fn modes(&self) -> LocalModes {
        termios::tcgetattr(&self.program_s).unwrap().local_modes
    }
}
