//! What is told when a control plane refuses, says something odd, or is not there: against a server of a few lines.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::thread::JoinHandle;
use std::time::Duration;

use super::Api;
use super::consul::Consul;
use super::nomad::Nomad;
use crate::core::failure::{Failure, FailureKind};
use crate::core::http::HttpError;
use crate::core::secret::Token;

/// Answers one request, and returns its first line and its headers.
fn answering(status: &str, body: &str) -> (SocketAddr, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let lines = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
        let head = lines.take_while(|line| !line.is_empty()).collect();
        stream.write_all(answer.as_bytes()).unwrap();
        head
    });
    (address, server)
}

fn shown(failure: &Failure, address: SocketAddr) -> String {
    let mut text = format!("exit {}: {}\n", failure.kind().exit_code(), failure.message());
    for detail in failure.details() {
        text.extend(["  ", &detail.label, ": ", &detail.text, "\n"]);
    }
    text.extend(["  hint: ", failure.hint_text().unwrap_or("(none)"), "\n"]);
    text.replace(&address.to_string(), "[address]")
}

#[tokio::test]
async fn refusals_and_silence_are_told_without_the_token() {
    let token = Token::random().unwrap();
    let mut told = Vec::new();
    for (status, body) in [
        ("403 Forbidden", "Permission denied\n"),
        ("401 Unauthorized", ""),
        ("500 Internal Server Error", &"no leader, ".repeat(100)),
        ("200 OK", "<html>not JSON</html>"),
    ] {
        let (address, server) = answering(status, body);
        let failure = Nomad::new(address, Some(token.clone())).jobs().await.unwrap_err();
        let head = server.join().unwrap();
        assert_eq!(head[0], "GET /v1/jobs HTTP/1.1");
        let sent = format!("x-nomad-token: {}", token.expose());
        assert!(head.iter().any(|line| line.to_ascii_lowercase() == sent), "{head:?}");
        told.push(shown(&failure, address));
    }
    let (address, server) = answering("403 Forbidden", "token with AccessorID 'x' lacks 'service:write'");
    let service = serde_json::json!({"Name": "x"});
    let failure = Consul::new(address, Some(token.clone())).register(&service).await.unwrap_err();
    server.join().unwrap();
    told.push(shown(&failure, address));
    assert!(told.iter().all(|text| !text.contains(token.expose())), "{told:?}");
    insta::assert_snapshot!(told.join("\n"));
}

#[tokio::test]
async fn an_agent_that_is_not_there_is_told_with_what_to_do() {
    // Held, so that nobody else comes to listen there.
    let held = tokio::net::TcpSocket::new_v4().unwrap();
    held.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = held.local_addr().unwrap();
    let failure = Consul::new(address, None).agent_services().await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Failed);
    let api = Api { name: "Consul", address, header: "X", token: None };
    let late = api.unreachable(&HttpError::Timeout(Duration::from_secs(10)));
    assert_eq!(late.kind(), FailureKind::DeadlinePassed);
    insta::assert_snapshot!([shown(&failure, address), shown(&late, address)].join("\n"));
}

#[tokio::test]
async fn a_job_that_cannot_be_read_is_the_file_s_fault() {
    let said = "1 error(s) occurred:\n\ninput.hcl:3,5-10: Unsupported argument; x\ninput.hcl:3,5-10: Unsupported argument; x";
    let (address, server) = answering("500 Internal Server Error", said);
    let failure = Nomad::new(address, None).parse("addsvcJob.hcl", "job {}", "").await.unwrap_err();
    server.join().unwrap();
    assert_eq!(failure.kind(), FailureKind::Usage);
    insta::assert_snapshot!(shown(&failure, address));
}

#[tokio::test]
async fn what_is_gone_already_counts_as_removed() {
    let (address, server) = answering("404 Not Found", "Unknown service");
    Consul::new(address, None).deregister("a/b c").await.unwrap();
    assert_eq!(server.join().unwrap()[0], "PUT /v1/agent/service/deregister/a%2Fb%20c HTTP/1.1");
    let (address, server) = answering("404 Not Found", "job not found");
    Nomad::new(address, None).deregister("j", true).await.unwrap();
    assert_eq!(server.join().unwrap()[0], "DELETE /v1/job/j?purge=true HTTP/1.1");
}

#[tokio::test]
async fn a_server_has_its_keys_when_it_shows_one() {
    let soon = Duration::from_secs(10);
    for (body, has) in [
        (r#"{"keys":[{"kid":"a"}]}"#, true),
        (r#"{"keys":[]}"#, false),
        (r#"{"keys":null}"#, false),
        ("No cluster leader", false),
    ] {
        let (address, server) = answering("200 OK", body);
        assert_eq!(Nomad::new(address, None).has_keys(soon).await.unwrap(), has, "{body}");
        assert_eq!(server.join().unwrap()[0], "GET /.well-known/jwks.json HTTP/1.1");
    }
}
