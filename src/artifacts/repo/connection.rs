//! One connection: handles requests one after the other, each with a deadline.

use std::time::{Duration, Instant};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{timeout, timeout_at};

use super::options::{Access, Shared};
use super::request::{ParseResult, RequestHead, parse};
use super::respond::respond;
use super::response::Response;
use super::slots::Slot;
use super::transfer::send_response;

/// The size of reads, in bytes.
const CHUNK: usize = 4 * 1024;
/// How many bytes to read, and for how long, after a refused request, so that the client can read the response.
const LINGER_BYTES: usize = 256 * 1024;
const LINGER: Duration = Duration::from_secs(1);

/// Handles requests until the client or the server closes the connection.
pub(super) async fn serve(mut stream: TcpStream, shared: &Shared, slot: &Slot) {
    // Responses are sent in one piece or by sendfile, so Nagle's algorithm would only delay them.
    let _ = stream.set_nodelay(true);
    let mut buffer = BytesMut::with_capacity(CHUNK);
    let mut wait = shared.limits.head;
    loop {
        let next = next_request(&mut stream, &mut buffer, shared, wait, slot).await;
        let started = Instant::now();
        let (request, response, is_refused) = match next {
            Next::Request(request) => {
                let response = respond(&shared.catalog, &request).await;
                (request, response, false)
            }
            Next::Refused(status, why) => (Box::default(), Response::text(status, why), true),
            Next::Closed => return,
        };
        let keep_alive = request.keep_alive && !request.has_body && !is_refused && !slot.is_closing();
        let is_complete = send(&stream, &request, response, keep_alive, started, shared).await;
        if !is_complete {
            return;
        }
        if !keep_alive {
            if is_refused || request.has_body {
                linger(&mut stream).await;
            }
            return;
        }
        wait = shared.limits.idle;
    }
}

enum Next {
    Request(Box<RequestHead>),
    Refused(u16, &'static str),
    Closed,
}

/// Waits up to `wait` for the first byte of a request, then up to `limits.head` for the complete head.
async fn next_request(
    stream: &mut TcpStream,
    buffer: &mut BytesMut,
    shared: &Shared,
    wait: Duration,
    slot: &Slot,
) -> Next {
    let begin = tokio::time::Instant::now();
    let mut deadline = begin + if buffer.is_empty() { wait } else { shared.limits.head };
    let mut searched = 0;
    loop {
        // A head is complete only at the end of a line.
        if buffer[searched..].contains(&b'\n') || buffer.len() >= super::request::MAX_HEAD {
            match parse(buffer) {
                ParseResult::Partial => {}
                ParseResult::Refused(status, why) => return Next::Refused(status, why),
                ParseResult::Complete(request, length) => {
                    buffer.advance(length);
                    return Next::Request(request);
                }
            }
        }
        searched = buffer.len();
        buffer.reserve(CHUNK);
        let idle = buffer.is_empty();
        if idle {
            slot.set_idle();
        }
        let read = timeout_at(deadline, stream.read_buf(buffer));
        let read = tokio::select! {
            biased;
            read = read => read,
            // Only an idle connection closes at once; a started request is completed.
            () = slot.closing(), if idle => return Next::Closed,
        };
        slot.set_busy();
        match read {
            Ok(Ok(0) | Err(_)) => return Next::Closed,
            Ok(Ok(_)) if idle => deadline = tokio::time::Instant::now() + shared.limits.head,
            Ok(Ok(_)) => {}
            Err(_) if idle => return Next::Closed,
            Err(_) => return Next::Refused(408, "the request did not arrive in time"),
        }
    }
}

/// Sends a response and logs it. Returns whether it was sent completely.
async fn send(
    stream: &TcpStream,
    request: &RequestHead,
    response: Response,
    keep_alive: bool,
    started: Instant,
    shared: &Shared,
) -> bool {
    let status = response.status;
    if let (Some(log), Some(problem)) = (&shared.problems, &response.problem) {
        log(problem);
    }
    let head = response.head(keep_alive);
    let body = response.body.filter(|_| request.method != "HEAD").unwrap_or_default();
    let mut bytes = 0;
    let is_complete = send_response(stream, head, body, shared.limits.stalled, &mut bytes).await.is_ok();
    if let Some(log) = &shared.log {
        let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        log(&Access { method: &request.method, path: &request.target, status, bytes, micros });
    }
    is_complete
}

/// Reads what the client still sends. Closing a socket with unread bytes would reset the connection and lose the
/// response.
async fn linger(stream: &mut TcpStream) {
    let drain = async {
        let mut chunk = [0; CHUNK];
        let mut left = LINGER_BYTES;
        stream.shutdown().await?;
        while left > 0 {
            match stream.read(&mut chunk).await? {
                0 => break,
                length => left = left.saturating_sub(length),
            }
        }
        Ok::<(), std::io::Error>(())
    };
    // The connection ends here in any case.
    let _ = timeout(LINGER, drain).await;
}
