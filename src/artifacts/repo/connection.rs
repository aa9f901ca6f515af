//! One connection: requests one after the other, each with a deadline.

use std::time::{Duration, Instant};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{timeout, timeout_at};

use super::answer::answer;
use super::options::{Access, Shared};
use super::request::{Parsed, Request, parse};
use super::response::Response;
use super::slots::Slot;
use super::transfer::deliver;

/// How much is read at once.
const CHUNK: usize = 4 * 1024;
/// What is still taken from a client that was turned away in the middle of sending, and for how long, so that it gets
/// to read why.
const LINGER_BYTES: usize = 256 * 1024;
const LINGER: Duration = Duration::from_secs(1);

/// Answers requests until the client or this server has had enough.
pub(super) async fn serve(mut stream: TcpStream, shared: &Shared, slot: &Slot) {
    // Answers go out in one piece or by sendfile; waiting for more would only delay them.
    let _ = stream.set_nodelay(true);
    let mut buffer = BytesMut::with_capacity(CHUNK);
    let mut wait = shared.limits.head;
    loop {
        let next = next_request(&mut stream, &mut buffer, shared, wait, slot).await;
        let started = Instant::now();
        let (request, response, refused) = match next {
            Next::Request(request) => {
                let response = answer(&shared.catalog, &request).await;
                (request, response, false)
            }
            Next::Refused(status, why) => (Box::default(), Response::text(status, why), true),
            Next::Closed => return,
        };
        let keep_alive = request.keep_alive && !request.has_body && !refused && !slot.is_leaving();
        let finished = send(&stream, &request, response, keep_alive, started, shared).await;
        if !finished {
            return;
        }
        if !keep_alive {
            if refused || request.has_body {
                linger(&mut stream).await;
            }
            return;
        }
        wait = shared.limits.idle;
    }
}

enum Next {
    Request(Box<Request>),
    Refused(u16, &'static str),
    Closed,
}

/// Waits `wait` for a request to begin, and then `limits.head` for it to be complete, however slowly it drips.
async fn next_request(
    stream: &mut TcpStream,
    buffer: &mut BytesMut,
    shared: &Shared,
    wait: Duration,
    slot: &Slot,
) -> Next {
    let begin = tokio::time::Instant::now();
    let mut deadline = begin + if buffer.is_empty() { wait } else { shared.limits.head };
    let mut looked_at = 0;
    loop {
        // A head can only be complete when a line is.
        if buffer[looked_at..].contains(&b'\n') || buffer.len() >= super::request::LONGEST_HEAD {
            match parse(buffer) {
                Parsed::Partial => {}
                Parsed::Refused(status, why) => return Next::Refused(status, why),
                Parsed::Complete(request, length) => {
                    buffer.advance(length);
                    return Next::Request(request);
                }
            }
        }
        looked_at = buffer.len();
        buffer.reserve(CHUNK);
        let idle = buffer.is_empty();
        if idle {
            slot.rest();
        }
        let read = timeout_at(deadline, stream.read_buf(buffer));
        let read = tokio::select! {
            biased;
            read = read => read,
            // Only a connection that is doing nothing ends at once; one whose request is here already is answered.
            () = slot.told_to_leave(), if idle => return Next::Closed,
        };
        slot.work();
        match read {
            Ok(Ok(0) | Err(_)) => return Next::Closed,
            Ok(Ok(_)) if idle => deadline = tokio::time::Instant::now() + shared.limits.head,
            Ok(Ok(_)) => {}
            Err(_) if idle => return Next::Closed,
            Err(_) => return Next::Refused(408, "the request did not arrive in time"),
        }
    }
}

/// Sends the answer and logs it. Says whether it arrived whole.
async fn send(
    stream: &TcpStream,
    request: &Request,
    response: Response,
    keep_alive: bool,
    started: Instant,
    shared: &Shared,
) -> bool {
    let status = response.status;
    if let (Some(tell), Some(problem)) = (&shared.problems, &response.problem) {
        tell(problem);
    }
    let head = response.head(keep_alive);
    let body = response.body.filter(|_| request.method != "HEAD").unwrap_or_default();
    let mut bytes = 0;
    let finished = deliver(stream, head, body, shared.limits.stalled, &mut bytes).await.is_ok();
    if let Some(log) = &shared.log {
        let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        log(&Access { method: &request.method, path: &request.target, status, bytes, micros });
    }
    finished
}

/// Takes what the client still sends: closing over unread bytes would reset the connection, and with it the answer.
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
    // Whatever comes of it, the connection ends here.
    let _ = timeout(LINGER, drain).await;
}
