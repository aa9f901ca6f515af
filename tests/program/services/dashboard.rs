//! The dashboard before a Consul that says what a test wants.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use super::harness::{Answer, Service, answer, get, nowhere, request, send, upstream};
use crate::support::{Sandbox, until};

const CATALOG: &str = r#"{"add-svc":["v1","calc"],"consul":[],"<b>evil</b>":["\u003cscript>"]}"#;
const CHECKS: &str = r#"[
    {"Node":"n1","CheckID":"serfHealth","Name":"Serf Health Status","Status":"passing","Output":"Agent alive","ServiceID":"","ServiceName":""},
    {"Node":"n1","CheckID":"c1","Name":"state","Status":"passing","Output":"HTTP GET: 200 OK","ServiceID":"add-1","ServiceName":"add-svc"},
    {"Node":"n1","CheckID":"c2","Name":"state","Status":"critical","Output":"connection refused","ServiceID":"add-2","ServiceName":"add-svc"},
    {"Node":"n1","CheckID":"c3","Name":"state","Status":"new word","Output":"<img src=x>","ServiceID":"evil","ServiceName":"<b>evil</b>"}
]"#;

/// What a page on this machine asks for.
fn ask(dashboard: &Service, method: &str, path: &str, host: &str) -> Answer {
    let head = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    send(dashboard.address, head.as_bytes())
}

fn start(consul: std::net::SocketAddr, more: &[&str]) -> Service {
    let consul = consul.to_string();
    Service::start(&[&["dashboard", "--consul", &consul, "--nomad", "127.0.0.9:4646"], more].concat())
}

#[test]
fn shows_what_consul_tells_and_when_it_cannot_be_asked() {
    let (sandbox, works, asked) =
        (Sandbox::new(), Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
    let heads = Arc::new(Mutex::new(String::new()));
    let (still, count, seen) = (Arc::clone(&works), Arc::clone(&asked), Arc::clone(&heads));
    let consul = upstream(move |head| {
        seen.lock().unwrap().push_str(head);
        if !still.load(SeqCst) {
            return answer("500 Internal Server Error", "No cluster leader");
        }
        count.fetch_add(1, SeqCst);
        answer("200 OK", if head.contains("/v1/catalog/services") { CATALOG } else { CHECKS })
    });
    let token = sandbox.write("token", "secret-token\n");
    let dashboard = start(consul, &["--token-file", token.to_str().unwrap()]);
    let state = || ask(&dashboard, "GET", "/api/state", "127.0.0.1:3000").json();
    let begun = std::time::Instant::now();
    let first = state();
    assert_eq!(heads.lock().unwrap().matches("x-consul-token: secret-token\r\n").count(), 2);
    // Within a second nobody asks again, however many look.
    let viewers: Vec<_> = (0..20).map(|_| state()).collect();
    if begun.elapsed() < std::time::Duration::from_millis(900) {
        assert_eq!(asked.load(SeqCst), 2);
        assert!(viewers.iter().all(|viewer| *viewer == first));
    }
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(&consul.to_string(), "127.0.0.1:PORT");
    settings.add_filter(r#""as_of": "[^"]+""#, r#""as_of": "TIME""#);
    settings.bind(|| insta::assert_snapshot!(serde_json::to_string_pretty(&first).unwrap()));

    works.store(false, SeqCst);
    until("the failure is told", || !state()["consul"]["error"].is_null());
    let later = state();
    // One of the two questions.
    let error = later["consul"]["error"].as_str().unwrap();
    assert!(error.ends_with(" answered 500 Internal Server Error: No cluster leader"), "{error}");
    // What was known is still there, and says of when it is.
    assert_eq!(later["services"], first["services"]);
    assert!(later["as_of"].is_string());
    std::fs::remove_file(token).unwrap();
    until("the token's absence is told", || {
        state()["consul"]["error"] == "cannot read the token file: entity not found"
    });
    assert!(!get(dashboard.address, "/health/state").body.contains("secret"));
}

#[test]
fn only_the_page_itself_may_run_and_read() {
    let dashboard = start(nowhere(), &[]);
    let page = ask(&dashboard, "GET", "/", "localhost:3000");
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.starts_with("default-src 'none'; style-src 'sha256-") && !policy.contains("unsafe"),
        "{policy}"
    );
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    let head = ask(&dashboard, "HEAD", "/", "localhost:3000");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(head.header("content-length").unwrap(), page.body.len().to_string());
    let refused = ask(&dashboard, "POST", "/api/state", "localhost");
    assert_eq!((refused.status, refused.header("allow")), (405, Some("GET, HEAD")));
    assert_eq!(ask(&dashboard, "GET", "/api", "localhost").status, 404);
    for host in ["rebound.test", "127.0.0.1.rebound.test:3000"] {
        let refused = ask(&dashboard, "GET", "/api/state", host);
        assert_eq!(refused.status, 403);
        assert!(
            !refused.body.contains("services") && refused.header("access-control-allow-origin").is_none()
        );
    }
    let state = ask(&dashboard, "GET", "/api/state", "[::1]:3000").json();
    assert!(state["consul"]["error"].as_str().unwrap().contains("Connection refused"), "{state}");
    assert!(state["as_of"].is_null());
    // The client's own request has a host that is a name.
    assert_eq!(send(dashboard.address, &request("GET", "/", "", "")).status, 403);
}
