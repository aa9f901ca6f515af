//! The phase of a connection: idle, receiving a head, or being answered, and since when.
//!
//! One timer for each connection checks the phase from time to time. A timer for each head would slow every request down.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::Limits;

const IDLE: u64 = 0;
const HEAD: u64 = 1;
const ANSWER: u64 = 2;
const PHASES: u64 = 0b11;

/// The phase of a connection. One task uses it, hence the relaxed ordering.
#[derive(Debug)]
pub(super) struct Activity {
    begun: Instant,
    /// The phase in the lowest two bits; above them its start, in milliseconds of the connection's life.
    state: AtomicU64,
}

impl Activity {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { begun: Instant::now(), state: AtomicU64::new(IDLE) })
    }

    /// The head of a request is complete.
    pub(super) fn request_arrived(&self, now: Instant) {
        self.enter(ANSWER, now);
    }

    /// The answer is complete, and is sent next.
    pub(super) fn answered(&self, now: Instant) {
        self.enter(IDLE, now);
    }

    fn bytes_arrived(&self) {
        if self.state.load(Relaxed) & PHASES == IDLE {
            self.enter(HEAD, Instant::now());
        }
    }

    fn enter(&self, phase: u64, now: Instant) {
        self.state.store(self.millis(now) << 2 | phase, Relaxed);
    }

    fn millis(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.begun).as_millis()).unwrap_or(u64::MAX)
    }

    /// Whether the client has exceeded a limit.
    pub(super) fn is_overdue(&self, limits: &Limits) -> bool {
        let state = self.state.load(Relaxed);
        let spent = Duration::from_millis(self.millis(Instant::now()).saturating_sub(state >> 2));
        match state & PHASES {
            IDLE => spent > limits.idle,
            HEAD => spent > limits.head,
            // The service has its own deadlines.
            _ => false,
        }
    }
}

/// A stream that reports incoming bytes to its activity.
pub(super) struct Watched {
    pub(super) stream: TcpStream,
    pub(super) activity: Arc<Activity>,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.activity.bytes_arrived();
        }
        polled
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
