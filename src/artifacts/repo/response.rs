//! Responses.

use std::io::Write as _;
use std::time::SystemTime;

use httpdate::HttpDate;

use super::body::Body;

/// Status, headers and body.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    /// `None` for status 304, which has no Content-Length either. For a HEAD request only the length is sent.
    pub(super) body: Option<Body>,
    /// A problem for the server's log, which the client does not see.
    pub(super) problem: Option<String>,
}

impl Response {
    pub(super) fn new(status: u16, body: impl Into<Body>) -> Self {
        Self { status, headers: Vec::with_capacity(6), body: Some(body.into()), problem: None }
    }

    /// The response if the client's cached copy is current.
    pub(super) fn not_modified() -> Self {
        Self { body: None, ..Self::new(304, Body::default()) }
    }

    /// A response with one line of text.
    pub(super) fn text(status: u16, text: &str) -> Self {
        let line = format!("{status} {}: {text}\n", reason(status));
        Self::new(status, line.into_bytes()).header("Content-Type", "text/plain; charset=utf-8")
    }

    #[must_use]
    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    #[must_use]
    pub(super) fn problem(mut self, problem: String) -> Self {
        self.problem = Some(problem);
        self
    }

    /// The head as bytes.
    pub(super) fn head(&self, keep_alive: bool) -> Vec<u8> {
        let mut head = Vec::with_capacity(512);
        let date = HttpDate::from(SystemTime::now());
        let mut lines = || -> std::io::Result<()> {
            write!(
                head,
                "HTTP/1.1 {} {}\r\nServer: meshlab\r\nDate: {date}\r\n",
                self.status,
                reason(self.status)
            )?;
            for (name, value) in &self.headers {
                write!(head, "{name}: {value}\r\n")?;
            }
            if let Some(body) = &self.body {
                write!(head, "Content-Length: {}\r\n", body.length())?;
            }
            // HTTP/1.0 clients expect it to close, HTTP/1.1 clients expect it to stay open.
            write!(head, "Connection: {}\r\n\r\n", if keep_alive { "keep-alive" } else { "close" })
        };
        // Writing to memory cannot fail.
        let _ = lines();
        head
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        206 => "Partial Content",
        301 => "Moved Permanently",
        304 => "Not Modified",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        416 => "Range Not Satisfiable",
        431 => "Request Header Fields Too Large",
        505 => "HTTP Version Not Supported",
        _ => "Error",
    }
}
