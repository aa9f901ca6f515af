//! The services of the calculator lab, as processes.

mod dashboard;
mod endings;
mod harness;

use std::io::{Read as _, Write as _};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::support::Sandbox;
use harness::{Service, answer, compute, connect, get, listening, nowhere, request, send, upstream};

const EXPRESSION: &str = "1+1+2+3+4+5+6-1-2-3-4-5-6+9+8-4-5";

#[test]
fn the_labs_expression_is_worked_out_call_by_call() {
    let (add, sub) = (Service::start(&["add", "--instance", "a1"]), Service::start(&["sub"]));
    let frontend = Service::frontend(add.address, sub.address);
    let body = format!("{{\"expression\": \"{EXPRESSION}\"}}");
    let id = "x-request-id: from-the-test\r\n";
    let computed = send(frontend.address, &request("POST", "/api/v1/compute", id, &body));
    assert_eq!((computed.status, computed.body.as_str()), (200, r#"{"result":9}"#));
    assert_eq!(computed.header("x-request-id"), Some("from-the-test"));
    assert_eq!(computed.header("x-instance"), Some("front"));

    let line = &frontend.requests(1)[0];
    assert_eq!(line["request_id"], "from-the-test");
    let called = |call: &serde_json::Value| {
        let path = call["path"].as_str().unwrap().replace("/api/v1/execute/?", "");
        format!("{} {path}", call["upstream"].as_str().unwrap())
    };
    let calls: Vec<_> = line["calls"].as_array().unwrap().iter().map(called).collect();
    insta::assert_snapshot!(calls.join("\n"));
    assert_eq!(line["calls"][0]["instance"], "a1");
    assert_eq!(line["calls"][0]["to"], add.address.to_string());
    for (service, count) in [(&add, 8), (&sub, 8)] {
        let lines = service.requests(count);
        assert_eq!(lines.len(), count);
        for line in &lines {
            assert_eq!(line["request_id"], "from-the-test");
            assert_eq!(line["status"], 200);
            // One connection for all calls.
            assert_eq!(line["peer"], lines[0]["peer"]);
        }
        let time = lines[0]["time"].as_str().unwrap();
        assert!(time.len() == 27 && time.ends_with('Z') && time.contains('T'), "{time}");
    }
    for service in [add, sub, frontend] {
        assert_eq!(service.stop(), Some(0));
    }
}

#[test]
fn what_cannot_be_answered_says_why() {
    let (add, sub) = (Service::start(&["add"]), Service::start(&["sub"]));
    let frontend = Service::frontend(add.address, sub.address);
    let mut table = Vec::new();
    let mut ask = |service: &Service, method: &str, path: &str, body: &str| {
        let answer = send(service.address, &request(method, path, "", body));
        let allow = answer.header("allow").map(|allow| format!(" allow: {allow}")).unwrap_or_default();
        let body = if body.is_empty() { String::new() } else { format!(" {body}") };
        table.push(format!("{method} {path}{body}\n    {}{allow} {}", answer.status, answer.body));
    };
    for query in [
        "l=1&r=-2",
        "l=-9223372036854775808&r=1",
        "",
        "l=1",
        "l=1&r=2&r=3",
        "l=1&r=two",
        "l=1.5&r=2",
        "l=%2b1&r=2",
    ] {
        ask(&add, "GET", &format!("/api/v1/execute/?{query}"), "");
        ask(&sub, "GET", &format!("/api/v1/execute/?{query}"), "");
    }
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/api/v1/execute"),
        ("POST", "/api/v1/execute/?l=1&r=2"),
        ("HEAD", "/api/v1/execute/?l=1&r=2"),
        ("DELETE", "/health/state"),
    ] {
        ask(&add, method, path, "");
    }
    for body in [
        "",
        "{",
        "[]",
        r#"["1+1"]"#,
        "1",
        "null",
        "{}",
        r#"{"expression":1}"#,
        r#"{"expression":null}"#,
        r#"{"expression":"1","expression":"1"}"#,
        r#"{"expression":""}"#,
        r#"{"expression":"1+"}"#,
        r#"{"expression":"-1+1"}"#,
        r#"{"expression":"1+-1"}"#,
        r#"{"expression":"1 1"}"#,
        r#"{"expression":"1*1"}"#,
        r#"{"expression":"1+1"} x"#,
        r#"{"expression":"99999999999999999999"}"#,
        r#"{"expression":"9223372036854775807 + 0"}"#,
        r#"{"expression":"9223372036854775807 + 1"}"#,
        r#"{"expression":" 5 ","more":1}"#,
    ] {
        ask(&frontend, "POST", "/api/v1/compute", body);
    }
    for (method, path) in [
        ("GET", "/api/v1/compute"),
        ("POST", "/ivt"),
        ("GET", "/ivt"),
        ("GET", "/ivt"),
        ("POST", "/api/v1/test/fault"),
        ("GET", "/api/v1/test/fault"),
        ("GET", "/frontend/ivt"),
    ] {
        ask(&frontend, method, path, "");
    }
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT");
    settings.bind(|| insta::assert_snapshot!(table.join("\n")));
}

#[test]
fn a_failing_upstream_is_told() {
    let answers = [
        "503 Service Unavailable|no healthy upstream",
        "200 OK|nine",
        "200 OK|",
        "200 OK|99999999999999999999",
        "200 OK|2\n",
    ];
    let mut told = Vec::new();
    for line in answers {
        let (status, body) = line.split_once('|').unwrap();
        let add = upstream(move |_| answer(status, body));
        let frontend = Service::frontend(add, nowhere());
        let computed = compute(frontend.address, "1+1");
        told.push(format!("{line:?}\n    {} {}", computed.status, computed.body));
        assert_eq!(frontend.requests(1)[0]["calls"][0]["status"], status[..3].parse::<u16>().unwrap());
    }
    // The first operator works, the second does not.
    let frontend = Service::frontend(upstream(|_| answer("200 OK", "2")), nowhere());
    let computed = compute(frontend.address, "1+1-1+1");
    told.push(format!("nobody there\n    {} {}", computed.status, computed.body));
    let line = &frontend.requests(1)[0];
    assert_eq!(line["calls"].as_array().unwrap().len(), 2, "{line}");
    assert!(line["calls"][1]["status"].is_null(), "{line}");
    assert!(line["calls"][1]["error"].as_str().unwrap().contains("refused"), "{line}");
    let frontend = Service::frontend(
        upstream(|_| "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n2".to_owned()),
        nowhere(),
    );
    let computed = compute(frontend.address, "1+1");
    told.push(format!("half an answer\n    {} {}", computed.status, computed.body));
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT");
    settings.bind(|| insta::assert_snapshot!(told.join("\n")));
}

#[test]
fn ids_are_passed_on() {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&heads);
    let add = upstream(move |head| {
        seen.lock().unwrap().push(head.to_owned());
        answer("200 OK", "2")
    });
    let frontend = Service::frontend(add, nowhere());
    let body = r#"{"expression":"1+1"}"#;
    let trace = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n";
    let with_space = format!("x-request-id: not sane\r\n{trace}");
    let computed = send(frontend.address, &request("POST", "/api/v1/compute", &with_space, body));
    let id = computed.header("x-request-id").unwrap();
    assert_eq!(id.len(), 36, "{id}");
    let heads = heads.lock().unwrap();
    assert!(
        heads[0].contains(&format!("x-request-id: {id}\r\n")) && heads[0].contains(trace),
        "{}",
        heads[0]
    );
    assert!(heads[0].starts_with("GET /api/v1/execute/?l=1&r=1 HTTP/1.1\r\n"), "{}", heads[0]);
    assert!(heads[0].contains(&format!("host: {add}\r\n")), "{}", heads[0]);
}

#[test]
fn a_body_that_is_too_large_is_refused_before_it_is_all_there() {
    let frontend = Service::frontend(nowhere(), nowhere());
    let large = "x".repeat(64 * 1024 + 1);
    for (headers, body) in [
        (format!("content-length: {}\r\n", large.len()), large.clone()),
        ("transfer-encoding: chunked\r\n".to_owned(), format!("{:x}\r\n{large}\r\n0\r\n\r\n", large.len())),
        // This client waits to be told to go on, and never is.
        ("content-length: 99999999\r\nexpect: 100-continue\r\n".to_owned(), String::new()),
    ] {
        let head = format!("POST /api/v1/compute HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n");
        let answer = send(frontend.address, format!("{head}{body}").as_bytes());
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (413, r#"{"reason":"the body has more than 65536 bytes"}"#)
        );
    }
    let fits = format!("{{\"expression\":\"1\"{}}}", " ".repeat(64 * 1024 - 18));
    assert_eq!(fits.len(), 64 * 1024);
    assert_eq!(send(frontend.address, &request("POST", "/api/v1/compute", "", &fits)).status, 200);
}

#[test]
fn heads_have_a_size_and_a_deadline() {
    let add = Service::start(&["add"]);
    let long = format!("x-long: {}\r\n", "y".repeat(20_000));
    assert_eq!(send(add.address, &request("GET", "/health/state", &long, "")).status, 431);
    let many = "x-again: y\r\n".repeat(70);
    assert_eq!(send(add.address, &request("GET", "/health/state", &many, "")).status, 431);
    assert_eq!(send(add.address, b"\0\0\0\r\n\r\n").status, 400);
    // A byte now and then does not keep a connection.
    let mut stream = connect(add.address);
    let begun = Instant::now();
    stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nx: ").unwrap();
    let closed = loop {
        assert!(begun.elapsed() < Duration::from_secs(30), "still open");
        match stream.read(&mut [0]) {
            Ok(0) => break begun.elapsed(),
            Err(error)
                if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {}
            other => {
                other.unwrap_err();
                break begun.elapsed();
            }
        }
        if stream.write_all(b"y").is_err() {
            break begun.elapsed();
        }
    };
    assert!(closed >= Duration::from_secs(5), "closed after {closed:?}");
    assert_eq!(get(add.address, "/health/state").status, 200);
}

#[test]
fn the_programs_name_chooses_the_service() {
    let sandbox = Sandbox::new();
    let program = sandbox.path("sub-svc");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_meshlab"), &program).unwrap();
    let mut command = std::process::Command::new(program);
    // As Nomad may start it: without a home.
    command.env_clear().args(["--listen", "127.0.0.1:0"]);
    command.env("NOMAD_ALLOC_ID", "7cd54a30-9d02-2f8e-1c7e-aa0b7b1d3d0c");
    let (mut child, address, _output) = listening(command);
    let answer = get(address, "/api/v1/execute/?l=1&r=2");
    assert_eq!((answer.body.as_str(), answer.header("x-instance")), ("-1", Some("7cd54a30")));
    let _ = child.kill();
    let _ = child.wait();
}

#[test]
fn an_address_that_is_taken_or_wrong_is_told() {
    let add = Service::start(&["add"]);
    let sandbox = Sandbox::new();
    let ran = sandbox.run(&["svc", "add", "--listen", &add.address.to_string()]).expect(1);
    assert!(ran.stderr.contains("add-svc cannot listen on") && ran.stdout.is_empty(), "{}", ran.stderr);
    let ran =
        sandbox.run(&["svc", "frontend", "--listen", "127.0.0.1:0", "--add-svc", "x", "--sub-svc", "y:1"]);
    let ran = ran.expect(2);
    assert!(ran.stderr.contains("invalid service address"), "{}", ran.stderr);
}

#[test]
fn a_fault_is_asked_for_and_taken_back_while_it_answers() {
    let add = Service::start(&["add", "--instance", "a", "--version", "v2", "--fail", "500"]);
    let call = || get(add.address, "/api/v1/execute/?l=1&r=2");
    let health = || get(add.address, "/health/state");
    let begun = call();
    assert_eq!(
        (begun.status, begun.header("x-instance"), begun.header("x-version")),
        (500, Some("a"), Some("v2"))
    );
    assert_eq!((health().status, &health().json()["version"]), (200, &"v2".into()));
    let fault = |method: &str, body: &str| send(add.address, &request(method, "/fault", "", body));
    assert_eq!(fault("DELETE", "").body, r#"{"fault":null}"#);
    assert_eq!(call().body, "3");
    let set = fault("PUT", r#"{"delay_ms":80,"status":503,"health":true}"#);
    assert_eq!(set.body, r#"{"fault":{"delay_ms":80,"status":503,"share":1.0,"health":true}}"#);
    let begun = Instant::now();
    assert_eq!((call().status, health().status), (503, 503));
    assert!(begun.elapsed() >= Duration::from_millis(160));
    let wrong = fault("PUT", r#"{"status":200}"#);
    assert_eq!((wrong.status, fault("GET", "").body == set.body), (400, true), "{}", wrong.body);
    assert_eq!(fault("POST", "").header("allow"), Some("GET, HEAD, PUT, DELETE"));

    // The same by hand.
    let sandbox = Sandbox::new();
    let url = format!("http://{}", add.address);
    let told = |arguments: &[&str]| {
        let ran = sandbox.run(&[&["svc", "fault", &url], arguments].concat()).expect(0);
        ran.stdout.trim_end().split_once(": ").unwrap().1.to_owned()
    };
    assert_eq!(told(&["--delay", "20ms"]), "every answer after 20 ms, except health checks");
    assert_eq!(told(&[]), "every answer after 20 ms, except health checks");
    assert_eq!(told(&["--clear"]), "no fault");
    let refused = sandbox.run(&["svc", "fault", &url, "--fail", "200"]).expect(1);
    assert!(refused.stderr.contains("expected a status from 400 to 599, found 200"), "{}", refused.stderr);
    let wrong = sandbox.run(&["svc", "add", "--listen", "127.0.0.1:0", "--share", "2"]).expect(2);
    assert!(wrong.stderr.contains("expected a share from 0 to 1, found 2"), "{}", wrong.stderr);
    // Nothing of it for a service that was not made for it.
    let dashboard = Service::start(&["dashboard", "--consul", &nowhere().to_string()]);
    let text = format!("PUT /fault HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", dashboard.address);
    assert_eq!(send(dashboard.address, text.as_bytes()).status, 404);
}

#[test]
fn an_instance_without_a_name_is_called_after_its_address() {
    let add = Service::start(&["add"]);
    let answer = get(add.address, "/health/state");
    let address = add.address.to_string();
    assert_eq!((answer.header("x-instance"), answer.header("x-version")), (Some(&*address), Some("v1")));
}

#[test]
fn a_load_tells_who_answered_and_fails_if_it_is_asked_to() {
    let add = Service::start(&["add", "--instance", "a"]);
    let sandbox = Sandbox::new();
    let url = format!("http://{}/api/v1/execute/?l=1&r=2", add.address);
    let load = |arguments: &[&str]| sandbox.run(&[&["svc", "load", &url], arguments].concat());
    let told = load(&["--count", "20", "--connections", "4", "--by", "x-instance", "--fail-on-error"]);
    let told = told.expect(0).json();
    assert_eq!((&told["calls"], &told["ok"], &told["failed"]), (&20.into(), &20.into(), &0.into()));
    assert_eq!(told["by"], serde_json::json!([{"value": "a", "calls": 20, "failed": 0}]));
    assert_eq!(add.requests(20).len(), 20);
    // What is sent with it arrives.
    load(&["--count", "1", "--method", "HEAD", "--header", "x-request-id: by-hand"]).expect(0);
    let last = add.requests(21).pop().unwrap();
    assert_eq!((&last["request_id"], &last["method"]), (&"by-hand".into(), &"HEAD".into()));
    send(add.address, &request("PUT", "/fault", "", r#"{"status":503}"#));
    let failed = load(&["--count", "3", "--fail-on-error"]).expect(1);
    assert!(
        failed.stderr.contains("3 of 3 calls failed") && failed.stderr.contains("3 x 503"),
        "{}",
        failed.stderr
    );
    let json = failed.json();
    assert_eq!(
        (&json["schema"], &json["failed"], &json["statuses"]["503"]),
        (&1.into(), &3.into(), &3.into())
    );
    for wrong in [["--count", "100001"], ["--connections", "257"], ["--timeout", "2m"], ["--header", "none"]]
    {
        load(&wrong).expect(2);
    }
}
