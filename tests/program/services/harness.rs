//! Services as processes, a client that sends any bytes, and upstreams that answer as a test wants.
#![allow(unreachable_pub, reason = "a part of the tests")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

use crate::support::{Sandbox, until};

/// No answer in a test takes longer.
const PATIENCE: Duration = Duration::from_secs(15);

/// A service that listens.
pub struct Service {
    child: Child,
    pub address: SocketAddr,
    lines: Arc<Mutex<Vec<Value>>>,
    _sandbox: Sandbox,
}

impl Service {
    /// Starts `meshlab svc ...`, and collects what it logs.
    pub fn start(arguments: &[&str]) -> Self {
        let sandbox = Sandbox::new();
        let command = sandbox.meshlab(&[&["svc"], arguments, &["--listen", "127.0.0.1:0"]].concat());
        let (child, address, mut output) = listening(command);
        let lines = Arc::new(Mutex::new(Vec::new()));
        let collected = Arc::clone(&lines);
        std::thread::spawn(move || {
            let mut line = String::new();
            while output.read_line(&mut line).is_ok_and(|length| length > 0) {
                let value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
                collected.lock().unwrap().push(value);
                line.clear();
            }
        });
        Self { child, address, lines, _sandbox: sandbox }
    }

    /// The frontend between these two.
    pub fn frontend(add: SocketAddr, sub: SocketAddr) -> Self {
        let (add, sub) = (add.to_string(), sub.to_string());
        Self::start(&["frontend", "--instance", "front", "--add-svc", &add, "--sub-svc", &sub])
    }

    /// Waits until this many requests are logged, and returns their lines.
    pub fn requests(&self, count: usize) -> Vec<Value> {
        let requests = || {
            let lines = self.lines.lock().unwrap();
            lines.iter().filter(|line| line.get("method").is_some()).cloned().collect::<Vec<_>>()
        };
        until("every request is logged", || requests().len() >= count);
        requests()
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Tells it to end, and says how it did.
    pub fn stop(mut self) -> Option<i32> {
        self.signal(rustix::process::Signal::TERM);
        self.wait()
    }

    pub fn wait(&mut self) -> Option<i32> {
        until("the service has ended", || self.child.try_wait().unwrap().is_some());
        let status = self.child.wait().unwrap();
        status.code().or(status.signal().map(|signal| 128 + signal))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts it and reads its first line, which says where it listens.
pub fn listening(mut command: Command) -> (Child, SocketAddr, BufReader<ChildStdout>) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    let first: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
    assert_eq!(first["event"], "listening", "{line}");
    (child, first["address"].as_str().unwrap().parse().unwrap(), output)
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends any bytes and reads until the connection is closed.
pub fn send(address: SocketAddr, bytes: &[u8]) -> Answer {
    let mut stream = connect(address);
    stream.write_all(bytes).unwrap();
    receive(&mut stream)
}

pub fn receive(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
    let status = head[9..12].parse().unwrap();
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

/// A request that ends the connection.
pub fn request(method: &str, path: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
    format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{length}{headers}\r\n{body}")
        .into_bytes()
}

pub fn get(address: SocketAddr, path: &str) -> Answer {
    send(address, &request("GET", path, "", ""))
}

pub fn compute(address: SocketAddr, expression: &str) -> Answer {
    let body = serde_json::json!({ "expression": expression }).to_string();
    send(address, &request("POST", "/api/v1/compute", "", &body))
}

/// Something in the place of a service: gives every request's head to `answer`, and sends back what that says.
pub fn upstream(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let answer = Arc::clone(&answer);
            std::thread::spawn(move || {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut stream = stream;
                loop {
                    let mut head = String::new();
                    while !head.ends_with("\r\n\r\n") {
                        if !reader.read_line(&mut head).is_ok_and(|length| length > 0) {
                            return;
                        }
                    }
                    if stream.write_all(answer(&head).as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

/// An answer of an upstream.
pub fn answer(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// An address where nobody listens, as long as this program runs: the port is held without being listened at.
pub fn nowhere() -> SocketAddr {
    let held = tokio::net::TcpSocket::new_v4().unwrap();
    held.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    Box::leak(Box::new(held)).local_addr().unwrap()
}
