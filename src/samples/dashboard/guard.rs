//! Protection against DNS rebinding: another site must not read the dashboard through a name that it owns.

use std::net::IpAddr;

use hyper::header::HOST;
use hyper::http::uri::Authority;
use hyper::{Request, StatusCode};

use crate::samples::server::{Refusal, reply};

/// Refuses requests for a host name, whose owner can let it resolve to this address. Only IP addresses and `localhost` are
/// accepted.
pub(super) fn check_host<B>(request: &Request<B>) -> Result<(), Refusal> {
    let mut hosts = request.headers().get_all(HOST).iter();
    let host = hosts.next().and_then(|host| host.to_str().ok()).unwrap_or_default();
    let in_target = request.uri().authority().map(Authority::as_str);
    if hosts.next().is_none() && is_safe_host(host) && in_target.is_none_or(is_safe_host) {
        return Ok(());
    }
    Err(reply::refuse(
        StatusCode::FORBIDDEN,
        "open this page by its IP address or localhost: other host names are refused, so that no other site can read it",
    ))
}

fn is_safe_host(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    !host.contains('@') && (name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_refused() {
        for host in ["127.0.0.1", "10.10.10.150:3000", "[::1]:3000", "localhost", "LOCALHOST:1"] {
            assert!(is_safe_host(host), "{host}");
        }
        for host in [
            "",
            "example.test",
            "example.test:3000",
            "127.0.0.1.example.test",
            "127.0.0.1@example.test",
            "localhost.",
            "a b",
        ] {
            assert!(!is_safe_host(host), "{host}");
        }
        let two = Request::builder().header(HOST, "127.0.0.1").header(HOST, "example.test").body(()).unwrap();
        assert!(check_host(&two).is_err());
        let absolute =
            Request::builder().uri("http://example.test/").header(HOST, "127.0.0.1").body(()).unwrap();
        assert!(check_host(&absolute).is_err());
        assert!(check_host(&Request::new(())).is_err());
    }
}
