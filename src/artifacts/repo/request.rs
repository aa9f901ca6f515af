//! The head of a request.

/// The most bytes of a head; the longest address this server gives out has some 300.
pub(super) const LONGEST_HEAD: usize = 16 * 1024;
const MOST_HEADERS: usize = 64;

/// What is asked for, and how.
#[derive(Debug, Default)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) target: String,
    /// The name or address that this server was asked as, in the client's words.
    pub(super) host: Option<String>,
    pub(super) keep_alive: bool,
    /// Whether a body follows. It is never read: the connection ends after the answer.
    pub(super) has_body: bool,
    pub(super) range: Option<String>,
    pub(super) if_range: Option<String>,
    pub(super) if_none_match: Option<String>,
    pub(super) accept: Option<String>,
}

/// What the bytes received so far are.
#[derive(Debug)]
pub(super) enum Parsed {
    /// The beginning of a head.
    Partial,
    /// A head, and how many bytes it took.
    Complete(Box<Request>, usize),
    /// Not HTTP as this server speaks it: the status to answer with, and why.
    Refused(u16, &'static str),
}

/// Reads a head.
pub(super) fn parse(bytes: &[u8]) -> Parsed {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut head = httparse::Request::new(&mut headers);
    let length = match head.parse(bytes) {
        Ok(httparse::Status::Complete(length)) if length <= LONGEST_HEAD => length,
        Ok(httparse::Status::Partial) if bytes.len() < LONGEST_HEAD => return Parsed::Partial,
        Ok(_) | Err(httparse::Error::TooManyHeaders) => {
            return Parsed::Refused(431, "too many or too long headers");
        }
        Err(httparse::Error::Version) => {
            return Parsed::Refused(505, "only HTTP/1.0 and HTTP/1.1 are spoken");
        }
        Err(_) => return Parsed::Refused(400, "not HTTP"),
    };
    let is_1_1 = head.version == Some(1);
    let mut request = Request {
        method: head.method.unwrap_or_default().to_owned(),
        target: head.path.unwrap_or_default().to_owned(),
        keep_alive: is_1_1,
        ..Request::default()
    };
    for header in head.headers.iter() {
        // A value that is not text means nothing to this server.
        let Ok(value) = std::str::from_utf8(header.value) else { continue };
        take_header(&mut request, header.name, value);
    }
    if is_1_1 && request.host.is_none() {
        return Parsed::Refused(400, "no Host header");
    }
    Parsed::Complete(Box::new(request), length)
}

fn take_header(request: &mut Request, name: &str, value: &str) {
    let is = |known: &str| name.eq_ignore_ascii_case(known);
    let mut tokens = value.split(',').map(str::trim);
    if is("host") {
        request.host = Some(value.trim().to_owned());
    } else if is("connection") {
        if tokens.clone().any(|token| token.eq_ignore_ascii_case("close")) {
            request.keep_alive = false;
        } else if tokens.any(|token| token.eq_ignore_ascii_case("keep-alive")) {
            request.keep_alive = true;
        }
    } else if is("content-length") {
        request.has_body |= value.trim() != "0";
    } else if is("transfer-encoding") {
        request.has_body = true;
    } else if is("range") {
        request.range = Some(value.to_owned());
    } else if is("if-range") {
        request.if_range = Some(value.to_owned());
    } else if is("if-none-match") {
        add_to_list(&mut request.if_none_match, value);
    } else if is("accept") {
        add_to_list(&mut request.accept, value);
    }
}

/// A list header that is sent twice is one list.
fn add_to_list(list: &mut Option<String>, value: &str) {
    match list {
        Some(list) => {
            list.push(',');
            list.push_str(value);
        }
        None => *list = Some(value.to_owned()),
    }
}

impl Request {
    /// Whether the client knows this version already. Tags are compared weakly, as the RFC wants for `If-None-Match`.
    pub(super) fn knows(&self, etag: &str) -> bool {
        let Some(list) = &self.if_none_match else { return false };
        let plain = |tag: &str| tag.trim().strip_prefix("W/").unwrap_or(tag.trim()) == etag;
        list.trim() == "*" || list.split(',').any(plain)
    }

    /// The part that is wanted, unless `If-Range` says that the client has a part of something else. Only `GET` has it.
    pub(super) fn range_of(&self, etag: &str) -> Option<&str> {
        let same = self.if_range.as_deref().is_none_or(|tag| tag.trim() == etag);
        self.range.as_deref().filter(|_| same && self.method == "GET")
    }

    /// Where this server is, as far as the client told: what addresses in lists begin with.
    pub(super) fn base(&self) -> String {
        let can_be_one = |host: &&String| {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
            !host.is_empty() && host.bytes().all(allowed)
        };
        self.host.as_ref().filter(can_be_one).map_or_else(String::new, |host| format!("http://{host}"))
    }

    /// Whether lists are wanted as JSON.
    pub(super) fn wants_json(&self) -> bool {
        self.accept.as_deref().is_some_and(|accept| accept.contains("application/json"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(text: &str) -> Request {
        match parse(text.as_bytes()) {
            Parsed::Complete(request, length) if length == text.len() => *request,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn keep_alive_follows_version_and_header() {
        let cases = [
            ("HTTP/1.1\r\nHost: x", true),
            ("HTTP/1.1\r\nHost: x\r\nConnection: close", false),
            ("HTTP/1.1\r\nHost: x\r\nConnection: TE, Close", false),
            ("HTTP/1.0", false),
            ("HTTP/1.0\r\nConnection: Keep-Alive", true),
        ];
        for (head, keep_alive) in cases {
            assert_eq!(request(&format!("GET / {head}\r\n\r\n")).keep_alive, keep_alive, "{head}");
        }
    }

    #[test]
    fn bodies_are_noticed() {
        let with = |header: &str| request(&format!("GET / HTTP/1.1\r\nHost: x\r\n{header}\r\n\r\n")).has_body;
        assert!(with("Content-Length: 5"));
        assert!(with("Content-Length: 0, 5"));
        assert!(with("Transfer-Encoding: chunked"));
        assert!(!with("Content-Length: 0"));
    }

    #[test]
    fn what_is_not_http_is_refused() {
        let long = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(20_000));
        let many = format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "A: b\r\n".repeat(100));
        let cases = [
            ("GET / HTTP/1.1\r\n\r\n", 400),
            ("GET /\r\n\r\n", 400),
            ("\x16\x03\x01\x02\x00\x01\x00", 400),
            ("GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", 505),
            ("GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400),
            ("GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505),
            (&long, 431),
            (&many, 431),
        ];
        for (text, status) in cases {
            let parsed = parse(text.as_bytes());
            assert!(matches!(parsed, Parsed::Refused(seen, _) if seen == status), "{text:.60}: {parsed:?}");
        }
        assert!(matches!(parse(b"GET / HTTP/1.1\r\nHo"), Parsed::Partial));
        assert!(matches!(parse(b""), Parsed::Partial));
    }

    #[test]
    fn tags_are_compared() {
        let with = |header: &str| request(&format!("GET / HTTP/1.1\r\nHost: x\r\n{header}\r\n\r\n"));
        for known in ["\"a\"", "*", "W/\"a\"", "\"b\", \"a\"", "\"b\"\r\nIf-None-Match: \"a\""] {
            assert!(with(&format!("If-None-Match: {known}")).knows("\"a\""), "{known}");
        }
        for other in ["\"b\"", "a", "\"a", ""] {
            assert!(!with(&format!("If-None-Match: {other}")).knows("\"a\""), "{other}");
        }
        let part =
            |tag: &str| with(&format!("Range: bytes=0-\r\nIf-Range: {tag}")).range_of("\"a\"").is_some();
        assert!(part("\"a\""));
        assert!(!part("W/\"a\""));
        assert!(!part("\"b\""));
        assert!(!part("Mon, 23 Nov 2026 08:00:00 GMT"));
    }
}
