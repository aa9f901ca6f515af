//! Parses the heads of requests.

/// The longest head in bytes.
pub(super) const MAX_HEAD: usize = 16 * 1024;
const MAX_HEADERS: usize = 64;

/// The head of a request.
#[derive(Debug, Default)]
pub(super) struct RequestHead {
    pub(super) method: String,
    pub(super) target: String,
    /// The Host header, not validated.
    pub(super) host: Option<String>,
    pub(super) keep_alive: bool,
    /// Whether a body follows. It is not read: the connection closes after the response.
    pub(super) has_body: bool,
    pub(super) range: Option<String>,
    pub(super) if_range: Option<String>,
    pub(super) if_none_match: Option<String>,
    pub(super) accept: Option<String>,
}

/// The result of parsing the bytes received so far.
#[derive(Debug)]
pub(super) enum ParseResult {
    /// The head is incomplete.
    Partial,
    /// A complete head, and its length in bytes.
    Complete(Box<RequestHead>, usize),
    /// An invalid request: the status of the response, and the reason.
    Refused(u16, &'static str),
}

/// Parses a head.
pub(super) fn parse(bytes: &[u8]) -> ParseResult {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut head = httparse::Request::new(&mut headers);
    let length = match head.parse(bytes) {
        Ok(httparse::Status::Complete(length)) if length <= MAX_HEAD => length,
        Ok(httparse::Status::Partial) if bytes.len() < MAX_HEAD => return ParseResult::Partial,
        Ok(_) | Err(httparse::Error::TooManyHeaders) => {
            return ParseResult::Refused(431, "too many or too long headers");
        }
        Err(httparse::Error::Version) => {
            return ParseResult::Refused(505, "only HTTP/1.0 and HTTP/1.1 are supported");
        }
        Err(_) => return ParseResult::Refused(400, "not HTTP"),
    };
    let is_1_1 = head.version == Some(1);
    let mut request = RequestHead {
        method: head.method.unwrap_or_default().to_owned(),
        target: head.path.unwrap_or_default().to_owned(),
        keep_alive: is_1_1,
        ..RequestHead::default()
    };
    for header in head.headers.iter() {
        // No header that this server uses may have other than UTF-8 text.
        let Ok(value) = std::str::from_utf8(header.value) else { continue };
        take_header(&mut request, header.name, value);
    }
    if is_1_1 && request.host.is_none() {
        return ParseResult::Refused(400, "no Host header");
    }
    ParseResult::Complete(Box::new(request), length)
}

fn take_header(request: &mut RequestHead, name: &str, value: &str) {
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

/// Joins the values of a list header that is sent several times.
fn add_to_list(list: &mut Option<String>, value: &str) {
    match list {
        Some(list) => {
            list.push(',');
            list.push_str(value);
        }
        None => *list = Some(value.to_owned()),
    }
}

impl RequestHead {
    /// Whether the client has this version cached. `If-None-Match` compares tags weakly (RFC 9110).
    pub(super) fn has_cached(&self, etag: &str) -> bool {
        let Some(list) = &self.if_none_match else { return false };
        let plain = |tag: &str| tag.trim().strip_prefix("W/").unwrap_or(tag.trim()) == etag;
        list.trim() == "*" || list.split(',').any(plain)
    }

    /// The `Range` header of a GET request, unless `If-Range` has another tag.
    pub(super) fn range_of(&self, etag: &str) -> Option<&str> {
        let same = self.if_range.as_deref().is_none_or(|tag| tag.trim() == etag);
        self.range.as_deref().filter(|_| same && self.method == "GET")
    }

    /// The base URL of this server from the Host header, for URLs in lists; empty if the header is missing or invalid.
    pub(super) fn base(&self) -> String {
        let is_valid = |host: &&String| {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
            !host.is_empty() && host.bytes().all(allowed)
        };
        self.host.as_ref().filter(is_valid).map_or_else(String::new, |host| format!("http://{host}"))
    }

    /// Whether the client accepts JSON.
    pub(super) fn wants_json(&self) -> bool {
        self.accept.as_deref().is_some_and(|accept| accept.contains("application/json"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(text: &str) -> RequestHead {
        match parse(text.as_bytes()) {
            ParseResult::Complete(request, length) if length == text.len() => *request,
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
    fn a_body_is_detected() {
        let with = |header: &str| request(&format!("GET / HTTP/1.1\r\nHost: x\r\n{header}\r\n\r\n")).has_body;
        assert!(with("Content-Length: 5"));
        assert!(with("Content-Length: 0, 5"));
        assert!(with("Transfer-Encoding: chunked"));
        assert!(!with("Content-Length: 0"));
    }

    #[test]
    fn invalid_requests_are_refused() {
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
            assert!(
                matches!(parsed, ParseResult::Refused(seen, _) if seen == status),
                "{text:.60}: {parsed:?}"
            );
        }
        assert!(matches!(parse(b"GET / HTTP/1.1\r\nHo"), ParseResult::Partial));
        assert!(matches!(parse(b""), ParseResult::Partial));
    }

    #[test]
    fn etags_are_compared() {
        let with = |header: &str| request(&format!("GET / HTTP/1.1\r\nHost: x\r\n{header}\r\n\r\n"));
        for known in ["\"a\"", "*", "W/\"a\"", "\"b\", \"a\"", "\"b\"\r\nIf-None-Match: \"a\""] {
            assert!(with(&format!("If-None-Match: {known}")).has_cached("\"a\""), "{known}");
        }
        for other in ["\"b\"", "a", "\"a", ""] {
            assert!(!with(&format!("If-None-Match: {other}")).has_cached("\"a\""), "{other}");
        }
        let part =
            |tag: &str| with(&format!("Range: bytes=0-\r\nIf-Range: {tag}")).range_of("\"a\"").is_some();
        assert!(part("\"a\""));
        assert!(!part("W/\"a\""));
        assert!(!part("\"b\""));
        assert!(!part("Mon, 23 Nov 2026 08:00:00 GMT"));
    }
}
