//! Waits for a person's answer.

use std::io::IsTerminal;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use tokio::sync::oneshot;

/// A person's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Enter.
    GoOn,
    /// `h`.
    Hint,
    /// `s`.
    Solve,
    /// `q`, or the end of input (Ctrl-D).
    Quit,
}

/// An answer with its form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) answer: Answer,
    /// Whether it ended with Enter, which moves the cursor to the next line.
    pub(super) is_line: bool,
}

impl Reply {
    const NONE: Self = Self { answer: Answer::GoOn, is_line: false };
}

/// How long standard input may still be polled after a question is dropped.
const GLANCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

pub(super) fn stdin_answers() -> bool {
    std::io::stdin().is_terminal()
}

/// Drops what was typed before the question was shown.
pub(super) fn forget_what_was_typed() {
    // If that fails, an early Enter counts as an answer.
    let _ = rustix::termios::tcflush(rustix::stdio::stdin(), rustix::termios::QueueSelector::IFlush);
}

/// Reads one line from the terminal.
///
/// On a thread that reads only when input is there: a blocking read cannot be cancelled, and would keep the runtime from
/// ending after Ctrl-C. The terminal stays in its normal mode, so there is nothing to restore.
pub(super) async fn reply() -> Reply {
    let (sender, receiver) = oneshot::channel();
    let reader = std::thread::Builder::new().name("pause".to_owned()).spawn(move || {
        if let Some(reply) = read_unless_given_up(&sender) {
            // An error means that the receiver is gone.
            let _ = sender.send(reply);
        }
    });
    match reader {
        // Without a thread there is no pause.
        Err(_) => Reply::NONE,
        Ok(_) => receiver.await.unwrap_or(Reply::NONE),
    }
}

fn read_unless_given_up(sender: &oneshot::Sender<Reply>) -> Option<Reply> {
    let stdin = rustix::stdio::stdin();
    loop {
        if sender.is_closed() {
            return None;
        }
        match poll(&mut [PollFd::new(&stdin, PollFlags::IN)], Some(&GLANCE)) {
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => {
                let mut line = [0; 256];
                return match rustix::io::read(stdin, &mut line) {
                    Ok(length) => Some(understand(line.get(..length).unwrap_or_default())),
                    Err(Errno::INTR | Errno::AGAIN) => continue,
                    Err(_) => Some(understand(b"")),
                };
            }
            Err(_) => return Some(Reply::NONE),
        }
    }
}

fn understand(line: &[u8]) -> Reply {
    let is_line = line.ends_with(b"\n");
    match line.trim_ascii() {
        // Not even an end of line: the end of input.
        b"" if !is_line => Reply { answer: Answer::Quit, is_line },
        b"q" | b"Q" | b"quit" | b"exit" => Reply { answer: Answer::Quit, is_line },
        b"h" | b"H" | b"hint" => Reply { answer: Answer::Hint, is_line },
        b"s" | b"S" | b"solve" => Reply { answer: Answer::Solve, is_line },
        _ => Reply { answer: Answer::GoOn, is_line },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enter_goes_on_a_letter_asks_and_q_or_the_end_of_input_quits() {
        let cases: [(&[u8], Answer, bool); 7] = [
            (b"\n", Answer::GoOn, true),
            (b"next\n", Answer::GoOn, true),
            (b"q\n", Answer::Quit, true),
            (b"h\n", Answer::Hint, true),
            (b"S\n", Answer::Solve, true),
            (b" Q \n", Answer::Quit, true),
            (b"", Answer::Quit, false),
        ];
        for (line, answer, is_line) in cases {
            assert_eq!(understand(line), Reply { answer, is_line }, "{line:?}");
        }
    }
}
