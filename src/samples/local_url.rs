//! The address and path of a lab's URL.

use std::net::{SocketAddr, ToSocketAddrs as _};

use url::Url;

use crate::core::failure::{Failure, Result};

/// Resolves the address of an `http://` URL. TLS is not supported.
pub(crate) fn address_of(url: &Url) -> Result<SocketAddr> {
    let unusable =
        || Failure::usage(format!("cannot call {url}")).hint("give an http:// address of this machine");
    if url.scheme() != "http" {
        return Err(unusable());
    }
    let host = url.host_str().ok_or_else(unusable)?;
    // The resolver takes IPv6 addresses without brackets.
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = url.port_or_known_default().ok_or_else(unusable)?;
    (host, port).to_socket_addrs().ok().and_then(|mut found| found.next()).ok_or_else(unusable)
}

/// The path with its query.
pub(crate) fn path_of(url: &Url) -> String {
    match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_http_urls_have_an_address() {
        let address = |url: &str| address_of(&url.parse().unwrap()).map(|address| address.to_string());
        assert_eq!(address("http://127.0.0.5:9191/x?y=1").unwrap(), "127.0.0.5:9191");
        assert_eq!(address("http://[::1]").unwrap(), "[::1]:80");
        assert!(address("https://127.0.0.5").is_err() && address("file:///x").is_err());
        assert_eq!(path_of(&"http://a/x?y=1".parse().unwrap()), "/x?y=1");
        assert_eq!(path_of(&"http://a".parse().unwrap()), "/");
    }
}
