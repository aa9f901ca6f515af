//! Hides secrets in text: values that are known, private keys, passwords in URLs, and what stands after a name such as
//! `token` or `password`.
//!
//! Invariant: masking a masked text changes nothing.

use std::borrow::Cow;
use std::ops::Range;

/// What stands for a secret.
pub const MASKED: &str = "[masked]";

/// The shortest value that is hidden wherever it occurs, in bytes. A shorter one is part of too many words.
const SHORTEST: usize = 8;

/// The shortest signed token, in bytes.
const SHORTEST_SIGNED: usize = 40;

/// Words in names whose values are secrets, in lower case.
const NAMES: [&str; 8] =
    ["token", "secret", "password", "passwd", "authorization", "encrypt", "private_key", "api_key"];

const KEY_BEGINS: &str = "-----BEGIN ";
const KEY_ENDS: &str = "-----END ";
const DASHES: &str = "-----";

/// The secrets that are known.
#[derive(Default)]
pub struct Mask {
    known: Vec<String>,
}

impl Mask {
    /// Hides a value wherever it occurs. A text of several lines is hidden line by line, as logs show it.
    pub fn hide(&mut self, secret: &str) {
        let lines = secret.lines().map(str::trim).filter(|line| line.len() >= SHORTEST);
        self.known
            .extend(lines.filter(|line| !line.starts_with(DASHES) && *line != MASKED).map(str::to_owned));
        // One that contains another goes first.
        self.known.sort_by_key(|known| std::cmp::Reverse(known.len()));
        self.known.dedup();
    }

    /// The text without its secrets, and how many were hidden.
    pub fn apply<'a>(&self, text: &'a str) -> (Cow<'a, str>, usize) {
        let mut masked = Cow::Borrowed(text);
        let mut count = 0;
        for known in self.known.iter().filter(|known| text.contains(known.as_str())) {
            count += masked.matches(known.as_str()).count();
            masked = Cow::Owned(masked.replace(known.as_str(), MASKED));
        }
        let found = patterns(&masked);
        count += found.len();
        (if found.is_empty() { masked } else { Cow::Owned(without(&masked, &found)) }, count)
    }
}

/// The text without what looks like a secret.
pub fn mask(text: &str) -> Cow<'_, str> {
    Mask::default().apply(text).0
}

fn without(text: &str, hidden: &[Range<usize>]) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut end = 0;
    for range in hidden {
        kept.push_str(&text[end..range.start]);
        kept.push_str(MASKED);
        end = range.end;
    }
    kept.push_str(&text[end..]);
    kept
}

/// Where secrets stand, in order. Those that overlap are one.
fn patterns(text: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = private_keys(text);
    found.extend(passwords_of_urls(text));
    found.extend(signed_tokens(text));
    found.extend(values_of_names(text));
    found.retain(|range| !range.is_empty() && &text[range.clone()] != MASKED);
    found.sort_by_key(|range| range.start);
    found.dedup_by(|next, before| {
        let overlaps = next.start < before.end;
        if overlaps {
            before.end = before.end.max(next.end);
        }
        overlaps
    });
    found
}

/// From after `-----BEGIN ... PRIVATE KEY-----` to `-----END`, or to the end of a text that is cut off.
fn private_keys(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices(KEY_BEGINS) {
        let label = at + KEY_BEGINS.len();
        let Some(length) = text[label..].find(DASHES) else { continue };
        if text[label..label + length].contains("PRIVATE KEY") {
            let start = label + length + DASHES.len();
            let end = text[start..].find(KEY_ENDS).map_or(text.len(), |length| start + length);
            found.push(start..end);
        }
    }
    // A text that is cut off at its beginning may begin within a key.
    if let Some(end) = text.match_indices(KEY_ENDS).map(|(at, _)| at).find(|at| is_private(&text[*at..]))
        && !text[..end].match_indices(KEY_BEGINS).any(|(at, _)| is_private(&text[at..]))
    {
        found.push(0..end);
    }
    found
}

/// Whether a mark, `-----BEGIN ...` or `-----END ...`, is one of a private key.
fn is_private(mark: &str) -> bool {
    mark[DASHES.len()..].split(DASHES).next().is_some_and(|label| label.contains("PRIVATE KEY"))
}

/// Three parts of base64 between dots, as signed tokens (JWT) have them.
fn signed_tokens(text: &str) -> Vec<Range<usize>> {
    let is_of_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let bytes = text.as_bytes();
    let starts = text.match_indices("eyJ").map(|(at, _)| at);
    let starts = starts.filter(|at| *at == 0 || !is_of_token(bytes[at - 1]));
    let tokens = starts.filter_map(|start| {
        let length =
            bytes[start..].iter().position(|byte| !is_of_token(*byte)).unwrap_or(bytes.len() - start);
        let token = &text[start..start + length];
        (length >= SHORTEST_SIGNED && token.matches('.').count() == 2).then_some(start..start + length)
    });
    tokens.collect()
}

/// What stands between `://` and `@` within one address.
fn passwords_of_urls(text: &str) -> Vec<Range<usize>> {
    let ends = |next: char| next.is_whitespace() || "/?#\"'<>`\\".contains(next);
    let mut found = Vec::new();
    for (at, separator) in text.match_indices("://") {
        let start = at + separator.len();
        let host = &text[start..];
        let host = &host[..host.find(ends).unwrap_or(host.len())];
        if let Some(length) = host.rfind('@') {
            found.push(start..start + length);
        }
    }
    found
}

/// The values of `token=x`, `"SecretID": "x"`, `X-Consul-Token: x`, `Authorization: Bearer x`.
fn values_of_names(text: &str) -> Vec<Range<usize>> {
    let lower = text.to_ascii_lowercase();
    let mut found = Vec::new();
    for name in NAMES {
        for (at, _) in lower.match_indices(name) {
            if let Some(value) = value_after(text, at + name.len()) {
                found.push(value);
            }
        }
    }
    found
}

/// The value that a name has which goes on at `at`.
fn value_after(text: &str, at: usize) -> Option<Range<usize>> {
    const QUOTES: [char; 3] = ['"', '\'', '\\'];
    let of_name = |next: char| next.is_ascii_alphanumeric() || next == '_' || next == '-';
    let rest = text[at..].trim_start_matches(of_name).trim_start_matches(QUOTES).trim_start_matches(' ');
    let rest = rest.strip_prefix([':', '='])?.trim_start_matches(' ').trim_start_matches(QUOTES);
    let scheme = ["Bearer ", "Basic "]
        .iter()
        .find(|scheme| rest.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)));
    let rest = rest.get(scheme.map_or(0, |scheme| scheme.len())..)?;
    let ends = |next: char| next.is_whitespace() || "\"'`\\,;&{}[]()<>".contains(next);
    let start = text.len() - rest.len();
    let end = start + rest.find(ends).unwrap_or(rest.len());
    // What was hidden before begins with a bracket.
    (start < end).then_some(start..end)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_kind_of_secret() {
        let cases = [
            ("get https://u:p@h.test/x?y@z", "get https://[masked]@h.test/x?y@z"),
            ("https://h.test/a@b", "https://h.test/a@b"),
            ("X-Consul-Token: abc def", "X-Consul-Token: [masked] def"),
            ("Authorization: Bearer abc", "Authorization: Bearer [masked]"),
            (r#"{"SecretID": "abc", "Name": "x"}"#, r#"{"SecretID": "[masked]", "Name": "x"}"#),
            (r#"{\"SecretID\":\"abc\"}"#, r#"{\"SecretID\":\"[masked]\"}"#),
            ("CONSUL_HTTP_TOKEN=abc sh", "CONSUL_HTTP_TOKEN=[masked] sh"),
            ("encrypt = \"q1w2\"\nport = 1", "encrypt = \"[masked]\"\nport = 1"),
            ("the token expired: renew it", "the token expired: renew it"),
            ("token_ttl 5s", "token_ttl 5s"),
            ("envoy.grpc_credentials: envoy.google_iam", "envoy.grpc_credentials: envoy.google_iam"),
        ];
        for (text, expected) in cases {
            assert_eq!(mask(text), expected);
        }
        let key = "a\n-----BEGIN EC PRIVATE KEY-----\nMHc\nAQ\n-----END EC PRIVATE KEY-----\nb";
        assert_eq!(mask(key), "a\n-----BEGIN EC PRIVATE KEY-----[masked]-----END EC PRIVATE KEY-----\nb");
        assert_eq!(mask("-----BEGIN PRIVATE KEY-----\nMHc"), "-----BEGIN PRIVATE KEY-----[masked]");
        assert_eq!(mask("MHc\n-----END PRIVATE KEY-----\nb"), "[masked]-----END PRIVATE KEY-----\nb");
        let signed = format!("{}.{}.{}", "eyJhbGciOiJFUzI1NiJ9", "eyJzdWIiOiJ4In0", "c2lnbmF0dXJl");
        assert_eq!(mask(&format!("jwt {signed}, x")), "jwt [masked], x");
        let certificate = "-----BEGIN CERTIFICATE-----\nMIIC\n-----END CERTIFICATE-----";
        assert_eq!(mask(certificate), certificate);
    }

    proptest! {
        #[test]
        fn no_known_secret_is_left(
            secret in "[A-Za-z0-9+/=_.-]{12,60}",
            before in "\\PC{0,40}",
            between in "\\PC{0,40}",
            after in "\\PC{0,40}",
        ) {
            let mut mask = Mask::default();
            mask.hide(&secret);
            let text = format!("{before}{secret}{between}{secret}{after}");
            let (masked, count) = mask.apply(&text);
            prop_assert!(!masked.contains(&secret), "{masked}");
            prop_assert!(count >= 1);
            prop_assert_eq!(mask.apply(&masked).0, masked.as_ref());
        }

        #[test]
        fn no_secret_in_a_known_place_is_left(secret in "[A-Za-z0-9]{12,60}", before in "[a-z \\n]{0,40}") {
            for text in [
                format!("{before} https://user:{secret}@host.test/path"),
                format!("{before} token={secret}"),
                format!("{before} \"Password\" : \"{secret}\""),
                format!("{before} authorization: Basic {secret}"),
                format!("{before}-----BEGIN RSA PRIVATE KEY-----\n{secret}\n{secret}\n-----END RSA PRIVATE KEY-----"),
            ] {
                let masked = mask(&text);
                prop_assert!(!masked.contains(&secret), "{}", masked);
                prop_assert_eq!(mask(&masked), masked.as_ref());
            }
        }

        #[test]
        fn any_text_is_masked_once(text in "\\PC{0,200}") {
            let masked = mask(&text).into_owned();
            prop_assert_eq!(mask(&masked), masked.as_str());
        }
    }
}
