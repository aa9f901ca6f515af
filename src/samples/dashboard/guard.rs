//! A page from elsewhere must not read this one by giving its own name our address.

use std::net::IpAddr;

use hyper::header::HOST;
use hyper::http::uri::Authority;
use hyper::{Request, StatusCode};

use crate::samples::server::{Refusal, reply};

/// Refuses requests that were sent to a name: whoever owns a name may have it point here. An address or `localhost`
/// means nobody else.
pub(super) fn check_host<B>(request: &Request<B>) -> Result<(), Refusal> {
    let mut hosts = request.headers().get_all(HOST).iter();
    let host = hosts.next().and_then(|host| host.to_str().ok()).unwrap_or_default();
    let in_target = request.uri().authority().map(Authority::as_str);
    if hosts.next().is_none() && is_nobodys(host) && in_target.is_none_or(is_nobodys) {
        return Ok(());
    }
    Err(reply::refuse(
        StatusCode::FORBIDDEN,
        "this page is only shown under an IP address or as localhost, so that no page from elsewhere can read it",
    ))
}

fn is_nobodys(host: &str) -> bool {
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
            assert!(is_nobodys(host), "{host}");
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
            assert!(!is_nobodys(host), "{host}");
        }
        let two = Request::builder().header(HOST, "127.0.0.1").header(HOST, "example.test").body(()).unwrap();
        assert!(check_host(&two).is_err());
        let absolute =
            Request::builder().uri("http://example.test/").header(HOST, "127.0.0.1").body(()).unwrap();
        assert!(check_host(&absolute).is_err());
        assert!(check_host(&Request::new(())).is_err());
    }
}
