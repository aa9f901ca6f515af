//! Tests of the limits, with short times.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::*;
use crate::core::until::assert_soon;

const DEADLINE: Duration = Duration::from_secs(10);

/// A service that answers after the milliseconds in the path.
struct Slow;

impl Service for Slow {
    fn name(&self) -> &'static str {
        "slow"
    }

    async fn answer(&self, request: Request<Incoming>, _: &mut Exchange) -> Reply {
        let millis = request.uri().path().trim_start_matches('/').parse().unwrap();
        sleep(Duration::from_millis(millis)).await;
        reply::text("done".to_owned())
    }
}

struct Running {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    ended: tokio::task::JoinHandle<Result<Stopped>>,
}

impl Running {
    async fn start(limits: Limits) -> Self {
        let (say, mut said) = tokio::sync::mpsc::unbounded_channel();
        let print: Printer = Box::new(move |lines: &[u8]| {
            let _ = say.send(String::from_utf8(lines.to_vec()).unwrap());
            Ok(true)
        });
        let (stop, stopped) = oneshot::channel::<()>();
        let options = Options {
            listen: "127.0.0.1:0".parse().unwrap(),
            instance: Some(Instance::parse("one").unwrap()),
            version: Version::parse("v1").unwrap(),
            faults: None,
            print,
            limits,
        };
        let ended = tokio::spawn(run(Slow, options, async { drop(stopped.await) }));
        let first = said.recv().await.unwrap();
        let first: serde_json::Value = serde_json::from_str(first.lines().next().unwrap()).unwrap();
        Self { address: first["address"].as_str().unwrap().parse().unwrap(), stop: Some(stop), ended }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn stop(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        let ended = timeout(DEADLINE, self.ended).await.unwrap().unwrap().unwrap();
        assert_eq!(ended, Stopped { dropped: 0 });
    }
}

fn short() -> Limits {
    Limits {
        head: Duration::from_millis(60),
        idle: Duration::from_millis(400),
        drain: Duration::from_millis(300),
        ..Limits::default()
    }
}

/// The time until the server closes the connection.
async fn closed(stream: &mut TcpStream) -> Duration {
    let begun = std::time::Instant::now();
    let closed = async {
        loop {
            match stream.read(&mut [0; 1024]).await {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) => return assert_eq!(error.kind(), ErrorKind::ConnectionReset),
            }
        }
    };
    timeout(DEADLINE, closed).await.unwrap();
    begun.elapsed()
}

#[tokio::test]
async fn a_head_has_less_time_than_a_pause() {
    let server = Running::start(short()).await;
    let mut silent = server.connect().await;
    let mut slow = server.connect().await;
    slow.write_all(b"GET /0 HTTP/1.1\r\n").await.unwrap();
    let slow = closed(&mut slow).await;
    assert!(slow >= Duration::from_millis(50), "{slow:?}");
    closed(&mut silent).await;
    // After an answer the connection is idle again, and the time of the answer does not count.
    let mut polite = server.connect().await;
    let begun = std::time::Instant::now();
    polite.write_all(b"GET /700 HTTP/1.1\r\n\r\n").await.unwrap();
    let mut answer = [0; 4096];
    let length = polite.read(&mut answer).await.unwrap();
    assert!(answer[..length].starts_with(b"HTTP/1.1 200"));
    closed(&mut polite).await;
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(700 + 400), "{took:?}");
    server.stop().await;
}

#[tokio::test]
async fn more_connections_wait_for_a_free_slot() {
    let server = Running::start(Limits { connections: 1, ..Limits::default() }).await;
    let first = server.connect().await;
    let mut second = server.connect().await;
    second.write_all(b"GET /0 HTTP/1.1\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let early = timeout(Duration::from_millis(100), second.read_to_end(&mut answer)).await;
    assert!(early.is_err() && answer.is_empty());
    drop(first);
    timeout(DEADLINE, second.read_to_end(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200"));
    server.stop().await;
}

#[tokio::test]
async fn shutdown_waits_for_answers_until_its_deadline() {
    let server = Running::start(short()).await;
    let mut quick = server.connect().await;
    quick.write_all(b"GET /150 HTTP/1.1\r\n\r\n").await.unwrap();
    let mut endless = server.connect().await;
    endless.write_all(b"GET /999999 HTTP/1.1\r\n\r\n").await.unwrap();
    // Both are in progress once a third is answered.
    let mut third = server.connect().await;
    third.write_all(b"GET /20 HTTP/1.1\r\nconnection: close\r\n\r\n").await.unwrap();
    closed(&mut third).await;
    server.stop().await;
    let mut answer = Vec::new();
    quick.read_to_end(&mut answer).await.unwrap();
    assert!(answer.ends_with(b"done"));
    assert!(closed(&mut endless).await < Duration::from_secs(1));
}

#[tokio::test]
async fn a_blocked_reader_blocks_no_writer() {
    let (stuck, release) = std::sync::mpsc::channel::<()>();
    let (holds, has_hold) = std::sync::mpsc::channel::<()>();
    let written = Arc::new(Mutex::new(Vec::new()));
    let copy = Arc::clone(&written);
    let log = Log::start(Box::new(move |lines: &[u8]| {
        let _ = holds.send(());
        // The first call waits; later ones do not.
        let _ = release.recv();
        copy.lock().unwrap().extend_from_slice(lines);
        Ok(true)
    }))
    .unwrap();
    let line = [&[b'x'; 1023][..], b"\n"].concat();
    log.write(&line);
    // From here on lines only fit into the queue. One line reports the exact number of dropped ones.
    has_hold.recv_timeout(DEADLINE).unwrap();
    for _ in 0..10_000 {
        log.write(&line);
    }
    let dropped = log.dropped();
    assert_eq!(dropped, 10_000 - 4096);
    drop(stuck);
    let lines = 1 + 4096 + 1;
    assert_soon(|| String::from_utf8_lossy(&written.lock().unwrap()).lines().count() >= lines).await;
    assert_eq!(log.close().await, dropped);
    let written = String::from_utf8(written.lock().unwrap().clone()).unwrap();
    let reports = written.lines().filter(|line| !line.starts_with('x')).collect::<Vec<_>>();
    assert!(
        matches!(reports[..], [one] if one.ends_with(r#""event":"dropped","lines":5904}"#)),
        "{reports:?}"
    );
    assert_eq!(written.lines().count(), lines);
}

#[tokio::test]
async fn lines_that_are_never_read_are_counted() {
    let (_stuck, release) = std::sync::mpsc::channel::<()>();
    let log = Log::start(Box::new(move |_: &[u8]| {
        let _ = release.recv();
        Ok(true)
    }))
    .unwrap();
    for _ in 0..3 {
        log.write(b"line\n");
    }
    assert_eq!(log.close().await, 3);
    // A full disk loses the lines of one batch; after the reader is gone, all lines are lost.
    let mut answers = vec![Ok(false), Err(Failure::failed("full"))];
    let log = Log::start(Box::new(move |_: &[u8]| answers.pop().unwrap())).unwrap();
    for count in 1..=2 {
        log.write(b"line\n");
        assert_soon(|| log.dropped() >= count).await;
    }
    assert!(log.is_gone());
    assert_eq!(log.close().await, 2);
}
