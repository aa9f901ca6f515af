//! A small HTTP server on loopback that misbehaves on demand.
#![allow(dead_code, clippy::unwrap_used, clippy::panic, reason = "each test uses a part of it")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// How a request is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Properly, ranges included.
    Serve,
    /// Without heeding `Range`.
    NoRange,
    /// With a range other than the one asked for.
    WrongRange,
    /// Without saying how long the body is.
    Unsized,
    /// The connection is closed after this many bytes of the body.
    Cut(usize),
    /// Silence after this many bytes of the body.
    HangAfter(usize),
    /// The rest comes after [`Server::open_gate`].
    GateAfter(usize),
    /// Silence instead of an answer.
    Hang,
    /// This status and nothing else.
    Status(u16),
}

/// One request that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub path: String,
    /// The first byte asked for, if a range was.
    pub from: Option<usize>,
    pub if_range: bool,
}

struct Route {
    body: Arc<Vec<u8>>,
    /// One per request; the last one stays.
    manners: Vec<Manner>,
}

#[derive(Default)]
struct Shared {
    routes: Mutex<BTreeMap<String, Route>>,
    seen: Mutex<Vec<Seen>>,
    gate: Mutex<bool>,
    gate_opened: Condvar,
}

pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Server {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let for_thread = Arc::clone(&shared);
        // Ends with the test process: nothing in the tests outlives it.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&for_thread);
                std::thread::spawn(move || answer(stream, &shared));
            }
        });
        Self { address, shared }
    }

    pub fn route(&self, path: &str, body: &[u8], manners: &[Manner]) {
        let route = Route { body: Arc::new(body.to_vec()), manners: manners.to_vec() };
        self.shared.routes.lock().unwrap().insert(path.to_owned(), route);
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    pub fn open_gate(&self) {
        *self.shared.gate.lock().unwrap() = true;
        self.shared.gate_opened.notify_all();
    }
}

fn answer(stream: TcpStream, shared: &Shared) {
    // A client that goes away in the middle is part of what is tested.
    let _ = try_answer(stream, shared);
}

fn try_answer(mut stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    stream.set_write_timeout(Some(Duration::from_secs(30)))?;
    let Some(seen) = read_request(&stream)? else { return Ok(()) };
    let route = {
        let mut routes = shared.routes.lock().unwrap();
        routes.get_mut(&seen.path).map(|route| {
            let manner = if route.manners.len() > 1 { route.manners.remove(0) } else { route.manners[0] };
            (Arc::clone(&route.body), manner)
        })
    };
    shared.seen.lock().unwrap().push(seen.clone());
    let Some((body, manner)) = route else {
        return head(&mut stream, 404, &[("Content-Length", "0".into())]);
    };
    let length = body.len();
    let start = match (manner, seen.from) {
        (Manner::Hang, _) => return wait_for_close(stream),
        (Manner::Status(status), _) => {
            return head(&mut stream, status, &[("Content-Length", "0".into())]);
        }
        (Manner::NoRange | Manner::Unsized, _) | (_, None) => 0,
        (Manner::WrongRange, Some(from)) => from.saturating_sub(1),
        (_, Some(from)) if from >= length => {
            let range = ("Content-Range", format!("bytes */{length}"));
            return head(&mut stream, 416, &[range, ("Content-Length", "0".into())]);
        }
        (_, Some(from)) => from,
    };
    let tag = ("ETag", "\"tag\"".to_owned());
    let sized = ("Content-Length", (length - start).to_string());
    if start > 0 || (manner == Manner::WrongRange && seen.from.is_some()) {
        let range = ("Content-Range", format!("bytes {start}-{}/{length}", length - 1));
        head(&mut stream, 206, &[sized, range, tag])?;
    } else if manner == Manner::Unsized {
        head(&mut stream, 200, &[])?;
    } else {
        head(&mut stream, 200, &[sized, tag])?;
    }
    let rest = &body[start..];
    match manner {
        Manner::Cut(after) => stream.write_all(&rest[..after.min(rest.len())]),
        Manner::HangAfter(after) => {
            stream.write_all(&rest[..after.min(rest.len())])?;
            wait_for_close(stream)
        }
        Manner::GateAfter(after) => {
            let after = after.min(rest.len());
            stream.write_all(&rest[..after])?;
            let gate = shared.gate.lock().unwrap();
            let patience = Duration::from_secs(30);
            drop(shared.gate_opened.wait_timeout_while(gate, patience, |open| !*open).unwrap());
            stream.write_all(&rest[after..])
        }
        _ => stream.write_all(rest),
    }
}

fn read_request(stream: &TcpStream) -> std::io::Result<Option<Seen>> {
    let mut lines = BufReader::new(stream).lines();
    let Some(first) = lines.next().transpose()? else { return Ok(None) };
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut seen = Seen { path, from: None, if_range: false };
    for line in lines {
        let line = line?.to_ascii_lowercase();
        if line.is_empty() {
            return Ok(Some(seen));
        }
        if let Some(range) = line.strip_prefix("range: bytes=") {
            seen.from = range.trim_end_matches('-').parse().ok();
        }
        seen.if_range |= line.starts_with("if-range:");
    }
    Ok(None)
}

fn head(stream: &mut TcpStream, status: u16, headers: &[(&str, String)]) -> std::io::Result<()> {
    let mut text = format!("HTTP/1.1 {status} Whatever\r\nConnection: close\r\n");
    for (name, value) in headers {
        text.extend([*name, ": ", value, "\r\n"]);
    }
    text.push_str("\r\n");
    stream.write_all(text.as_bytes())
}

/// Says nothing until the client gives up.
fn wait_for_close(mut stream: TcpStream) -> std::io::Result<()> {
    stream.read(&mut [0; 64]).map(drop)
}
