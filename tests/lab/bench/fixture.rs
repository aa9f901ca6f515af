//! A calculator that answers as it is told, on an address of its own, and the record of a lab that never ran.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;

use crate::support::Ran;

/// Status and body of the answer to the request with this number, counted from 0.
pub(crate) type Manner = fn(u64) -> (u16, &'static str);

pub(crate) const RIGHT: (u16, &str) = (200, "{\"result\": 9}\n");

#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) compute: AtomicU64,
    /// The ports of the single calls, each once per turn.
    pub(crate) turns: Mutex<Vec<u16>>,
    /// The first request to the load balancer that was not as it should be.
    pub(crate) odd: Mutex<Option<String>>,
}

/// A lab that has only what the load test needs.
pub(crate) struct Lab {
    address: String,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) seen: Arc<Seen>,
}

impl Lab {
    /// `number` makes the address; each test has another one.
    pub(crate) fn new(number: u8) -> Self {
        Self {
            address: format!("127.0.78.{number}"),
            folder: tempfile::tempdir().unwrap(),
            seen: Arc::default(),
        }
    }

    pub(crate) fn run_dir(&self) -> PathBuf {
        self.folder.path().join("state/run").join(&self.address)
    }

    /// Records a lab as running.
    pub(crate) fn recorded(self) -> Self {
        for folder in ["work", "tmp", "bin", "logs"] {
            std::fs::create_dir_all(self.run_dir().join(folder)).unwrap();
        }
        let state = serde_json::json!({
            "schema": 1, "lab": "2-calculator", "address": self.address, "runtime": "host", "path": [],
            "tools": [["consul", "1.2.3"]], "kept": true, "services": [],
        });
        std::fs::write(self.run_dir().join("state.json"), state.to_string()).unwrap();
        self
    }

    /// Answers on the load balancer's port in this manner, and on the ports of add-svc and its Envoy with 2.
    pub(crate) fn serving(self, manner: Manner) -> Self {
        for port in [8088, 9090, 9191] {
            let at: SocketAddr = format!("{}:{port}", self.address).parse().unwrap();
            let listener = std::net::TcpListener::bind(at).unwrap();
            listener.set_nonblocking(true).unwrap();
            let seen = Arc::clone(&self.seen);
            // Ends with the test process: nothing in the tests outlives it.
            std::thread::spawn(move || serve(listener, port, manner, &seen));
        }
        self
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_meshlab"));
        command
            .env("MESHLAB_STATE_DIR", self.folder.path().join("state"))
            .current_dir(self.folder.path())
            .args(["--offline", "--address", &self.address, "bench"])
            .args(arguments)
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn bench(&self, arguments: &[&str]) -> Ran {
        Ran::from(self.command(arguments).output().unwrap())
    }

    /// Starts a process that belongs to a task of a job.
    pub(crate) fn task(&self) -> Task {
        let child = Command::new("/bin/sh")
            .args(["-c", "exec sleep 60"])
            .env_clear()
            .env("MESHLAB_RUN_DIR", self.run_dir())
            .env("NOMAD_JOB_NAME", "someJob")
            .env("NOMAD_TASK_NAME", "some-task")
            .stdin(Stdio::null())
            .spawn();
        Task(child.unwrap())
    }

    /// Processes that carry this lab's mark.
    pub(crate) fn processes(&self) -> Vec<String> {
        let mark = format!("MESHLAB_RUN_DIR={}", self.run_dir().display());
        let processes = procfs::process::all_processes().unwrap().flatten();
        processes
            .filter(|process| {
                let environment = std::fs::read(format!("/proc/{}/environ", process.pid)).unwrap_or_default();
                environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
            })
            .map(|process| process.cmdline().unwrap_or_default().join(" "))
            .collect()
    }
}

pub(crate) struct Task(Child);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[tokio::main(flavor = "current_thread")]
async fn serve(listener: std::net::TcpListener, port: u16, manner: Manner, seen: &Arc<Seen>) {
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let seen = Arc::clone(seen);
        tokio::spawn(async move {
            let service = hyper::service::service_fn(|request| answer(request, port, manner, &seen));
            // wrk closes its connections in the middle of answers when its time is over.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    port: u16,
    manner: Manner,
    seen: &Seen,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (status, body) = if port == 8088 {
        let line = format!("{} {}", request.method(), request.uri());
        let kind =
            request.headers().get("content-type").map(|value| format!("{value:?}")).unwrap_or_default();
        let sent = request.into_body().collect().await.unwrap().to_bytes();
        let told = format!("{line} {kind} {}", String::from_utf8_lossy(&sent));
        if told != EXPECTED {
            seen.odd.lock().unwrap().get_or_insert(told);
        }
        manner(seen.compute.fetch_add(1, Ordering::Relaxed))
    } else {
        let mut turns = seen.turns.lock().unwrap();
        if turns.last() != Some(&port) {
            turns.push(port);
        }
        let is_right = request.uri() == "/api/v1/execute/?l=1&r=1" && request.method() == "GET";
        if is_right { (200, "2") } else { (404, "") }
    };
    let answer = Response::builder().status(status).body(Full::new(Bytes::from_static(body.as_bytes())));
    Ok(answer.unwrap())
}

const EXPECTED: &str =
    "POST /api/v1/compute \"application/json\" {\"expression\":\"1+1+2+3+4+5+6-1-2-3-4-5-6+9+8-4-5\"}";

/// Gets wrk once for all tests; `false` where that cannot be done, which a CI system must not accept.
pub(crate) fn has_wrk() -> bool {
    static DONE: OnceLock<bool> = OnceLock::new();
    *DONE.get_or_init(|| {
        let got = Command::new(env!("CARGO_BIN_EXE_meshlab"))
            .args(["provision", "wrk"])
            .current_dir("/")
            .stdin(Stdio::null())
            .status()
            .unwrap()
            .success();
        assert!(got || std::env::var("CI").as_deref() != Ok("true"), "cannot provision wrk");
        if !got {
            eprintln!("SKIPPED: wrk cannot be provisioned here");
        }
        got
    })
}
