//! The address of a service: host and port.

use std::fmt;
use std::str::FromStr;

use hyper::http::uri::Authority;

use crate::core::failure::{Failure, Result};

/// `host:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort(Authority);

impl HostPort {
    /// The same host with another port.
    pub(super) fn port(&self, port: u16) -> String {
        format!("{}:{port}", self.0.host())
    }

    pub(super) fn authority(&self) -> Authority {
        self.0.clone()
    }
}

impl FromStr for HostPort {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self> {
        let unusable = || Failure::usage(format!("invalid service address {text:?}")).hint("give host:port");
        let authority: Authority = text.parse().map_err(|_| unusable())?;
        let has_port = authority.port_u16().is_some_and(|port| port > 0);
        if !has_port || authority.host().is_empty() || text.contains('@') {
            return Err(unusable());
        }
        Ok(Self(authority))
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_host_and_a_port() {
        for text in ["127.0.0.1:9191", "[::1]:1", "localhost:65535", "add-svc.service.intra:9090"] {
            assert_eq!(text.parse::<HostPort>().unwrap().to_string(), text);
        }
        for text in
            ["", "127.0.0.1", ":9191", "host:", "host:0", "host:65536", "http://host:1", "u@host:1", "a b:1"]
        {
            assert!(text.parse::<HostPort>().is_err(), "{text}");
        }
        assert_eq!("[::1]:1".parse::<HostPort>().unwrap().port(2), "[::1]:2");
    }
}
