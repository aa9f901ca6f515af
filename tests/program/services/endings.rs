//! How services end, and what they do when those they talk with do.

use std::io::Write as _;
use std::net::TcpStream;
use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::harness::{Service, answer, connect, get, listening, nowhere, receive, request, upstream};
use crate::support::{Sandbox, until};

#[test]
fn a_request_in_flight_is_finished_when_the_service_is_stopped() {
    let (arrived, is_there) = mpsc::channel();
    let (go, may_go) = mpsc::channel::<()>();
    let may_go = Mutex::new(may_go);
    let add = upstream(move |_| {
        arrived.send(()).unwrap();
        may_go.lock().unwrap().recv().unwrap();
        answer("200 OK", "2")
    });
    let mut frontend = Service::frontend(add, nowhere());
    let idle = connect(frontend.address);
    let mut stream = connect(frontend.address);
    stream.write_all(&request("POST", "/api/v1/compute", "", r#"{"expression":"1+1"}"#)).unwrap();
    is_there.recv_timeout(Duration::from_secs(10)).unwrap();
    frontend.signal(Signal::TERM);
    until("no connection is taken any more", || TcpStream::connect(frontend.address).is_err());
    go.send(()).unwrap();
    let computed = receive(&mut stream);
    assert_eq!((computed.status, computed.body.as_str()), (200, r#"{"result":2}"#));
    assert_eq!(frontend.wait(), Some(0));
    drop(idle);
}

#[test]
fn a_request_that_takes_long_does_not_keep_a_stopped_service() {
    let mut add = Service::start(&["add", "--delay", "30s"]);
    let mut stream = connect(add.address);
    stream.write_all(&request("GET", "/api/v1/execute/?l=1&r=2", "", "")).unwrap();
    // Connections are taken in turn: this one's answer means that the other was.
    assert_eq!(get(add.address, "/health/state").status, 200);
    let begun = Instant::now();
    add.signal(Signal::TERM);
    assert_eq!(add.wait(), Some(0));
    // Long before it would answer, however busy the machine.
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[test]
fn a_client_that_goes_away_is_logged() {
    let (arrived, is_there) = mpsc::channel();
    let add = upstream(move |head| {
        arrived.send(()).unwrap();
        // The second call never gets an answer.
        if head.contains("l=2") {
            std::thread::sleep(Duration::from_secs(30));
        }
        answer("200 OK", "2")
    });
    let frontend = Service::frontend(add, nowhere());
    let mut stream = connect(frontend.address);
    stream.write_all(&request("POST", "/api/v1/compute", "", r#"{"expression":"1+1+1"}"#)).unwrap();
    for _ in 0..2 {
        is_there.recv_timeout(Duration::from_secs(10)).unwrap();
    }
    drop(stream);
    let line = &frontend.requests(1)[0];
    assert!(line["status"].is_null(), "{line}");
    assert_eq!(line["calls"].as_array().unwrap().len(), 1, "{line}");
}

#[test]
fn a_service_outlives_its_reader() {
    let sandbox = Sandbox::new();
    let command = sandbox.meshlab(&["svc", "add", "--listen", "127.0.0.1:0"]);
    let (mut child, address, output) = listening(command);
    drop(output);
    let dropped = || get(address, "/health/state").json()["dropped_log_lines"].as_u64().unwrap();
    until("lines are dropped", || dropped() > 0);
    assert_eq!(get(address, "/api/v1/execute/?l=1&r=2").body, "3");
    let _ = child.kill();
    let _ = child.wait();
}
