//! Envoy's admin interface: what it says of itself, and how to find something in it.

use std::net::SocketAddr;

use serde_json::Value;

use super::REQUEST_DEADLINE;
use crate::core::http::{self, HttpError};

/// Why an admin page is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{admin}{path}: {error}")]
pub struct PageError {
    /// The admin address.
    pub admin: SocketAddr,
    /// The page; empty for all of them.
    pub path: &'static str,
    /// What went wrong.
    pub error: HttpError,
}

/// Text that the admin page at `admin` answers with.
pub async fn text(admin: SocketAddr, path: &'static str) -> Result<String, PageError> {
    let body =
        http::get(admin, path, REQUEST_DEADLINE).await.map_err(|error| PageError { admin, path, error })?;
    Ok(String::from_utf8_lossy(&body).into_owned())
}

/// JSON that the admin page at `admin` answers with.
pub async fn json(admin: SocketAddr, path: &'static str) -> Result<Value, PageError> {
    http::get_json(admin, path, REQUEST_DEADLINE).await.map_err(|error| PageError { admin, path, error })
}

/// The sum of the counters whose names match a pattern, in which each `*` stands for any text.
pub fn sum(stats: &str, pattern: &str) -> u64 {
    stats
        .lines()
        .filter_map(|line| line.rsplit_once(": "))
        .filter(|(name, _)| matches(pattern, name))
        .filter_map(|(_, value)| value.parse::<u64>().ok())
        .sum()
}

fn matches(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut left) = name.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let Some(last) = parts.pop() else { return true };
    for part in parts {
        match left.find(part) {
            Some(at) => left = &left[at + part.len()..],
            None => return false,
        }
    }
    left.ends_with(last)
}

/// A certificate that Envoy shows others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Whom it names: `spiffe://<trust domain>/.../svc/<service>`.
    pub id: String,
    /// Its serial number, in hexadecimal digits.
    pub serial: String,
    /// Until when it is valid, as RFC 3339.
    pub expires: String,
}

impl Certificate {
    /// Whether it names a service of the mesh.
    pub fn is_of(&self, service: &str) -> bool {
        self.id.starts_with("spiffe://") && self.id.ends_with(&format!("/svc/{service}"))
    }
}

/// The certificates of `/certs` that name somebody, each once.
pub fn certificates(answer: &Value) -> Vec<Certificate> {
    let listed = answer.pointer("/certificates").and_then(Value::as_array);
    let mut found = Vec::new();
    for certificate in listed.into_iter().flatten().filter_map(|entry| entry.pointer("/cert_chain/0")) {
        let text = |pointer: &str| certificate.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let Some(id) = text("/subject_alt_names/0/uri") else { continue };
        let certificate = Certificate {
            id,
            serial: text("/serial_number").unwrap_or_default(),
            expires: text("/expiration_time").unwrap_or_default(),
        };
        if !found.contains(&certificate) {
            found.push(certificate);
        }
    }
    found
}

/// Whether a part of the configuration takes nobody without a certificate.
pub fn requires_client_certificate(dump: &Value) -> bool {
    any(dump, &|value| value.get("require_client_certificate") == Some(&Value::Bool(true)))
}

/// Whether a value or anything in it satisfies `test`.
pub fn any(value: &Value, test: &impl Fn(&Value) -> bool) -> bool {
    test(value)
        || match value {
            Value::Array(items) => items.iter().any(|item| any(item, test)),
            Value::Object(members) => members.values().any(|member| any(member, test)),
            _ => false,
        }
}

/// The exact names by which TLS clients, anywhere in a value, accept certificates. What else matches exactly, as conditions on
/// headers do, accepts none.
pub fn accepted_names(dump: &Value) -> Vec<&str> {
    match dump {
        Value::Array(items) => items.iter().flat_map(accepted_names).collect(),
        Value::Object(members) => members
            .iter()
            .flat_map(|(name, member)| match (name.as_str(), member) {
                ("match_typed_subject_alt_names", Value::Array(matchers)) => exact_names(matchers),
                _ => accepted_names(member),
            })
            .collect(),
        _ => Vec::new(),
    }
}

fn exact_names(matchers: &[Value]) -> Vec<&str> {
    matchers.iter().filter_map(|matcher| matcher.pointer("/matcher/exact")?.as_str()).collect()
}

/// `address:port` of a socket address in Envoy's configuration.
pub fn socket_address(address: &Value) -> Option<String> {
    let socket = address.get("socket_address")?;
    let host = socket.get("address").and_then(Value::as_str)?;
    let port = socket.get("port_value").and_then(Value::as_u64)?;
    Some(format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_matched_and_added_up() {
        let stats =
            "cluster.echo.a.tx: 5\ncluster.echo.b.tx: 7\ncluster.echo.b.rx: 100\nx.tx: 1\nh: P0(1,2)\n";
        assert_eq!(sum(stats, "cluster.echo.*.tx"), 12);
        assert_eq!(sum(stats, "x.tx"), 1);
        assert_eq!(sum(stats, "*.tx"), 13);
        assert_eq!(sum(stats, "h"), 0);
    }

    #[test]
    fn stars_stand_for_anything() {
        for (pattern, name, same) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("a*", "ab", true),
            ("*b", "ab", true),
            ("a*c*e", "abcde", true),
            ("a*e*c", "abcde", false),
            ("ab*b", "ab", false),
        ] {
            assert_eq!(matches(pattern, name), same, "{pattern} {name}");
        }
    }

    #[test]
    fn an_accepted_name_is_one_of_a_certificate() {
        let names = serde_json::json!([{"matcher": {"exact": "spiffe://d.consul/svc/echo"}}, {"matcher": {"prefix": "x"}}]);
        let dump = serde_json::json!({"configs": [{"cluster": {"transport_socket": {"validation_context":
            {"match_typed_subject_alt_names": names}}, "header": {"exact": "spiffe://d.consul/svc/other"}}}]});
        assert_eq!(accepted_names(&dump), ["spiffe://d.consul/svc/echo"]);
    }

    #[test]
    fn one_certificate_for_several_listeners_is_listed_once() {
        let one = serde_json::json!({"cert_chain": [{"serial_number": "0a", "expiration_time": "2026-11-27T13:38:26Z",
            "subject_alt_names": [{"uri": "spiffe://d.consul/ns/default/dc/dc1/svc/echo"}]}]});
        let answer = serde_json::json!({"certificates": [one, one, {"cert_chain": []}]});
        let found = certificates(&answer);
        assert_eq!(found.len(), 1);
        assert!(found[0].id.ends_with("/svc/echo") && found[0].serial == "0a", "{found:?}");
    }
}
