//! The loopback address a lab lives on.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;

use super::{Invalid, as_string};

/// An address of 127.0.0.0/8. Nothing of a lab on the host listens anywhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LabAddress(Ipv4Addr);

impl LabAddress {
    /// 127.0.0.1.
    pub const DEFAULT: Self = Self(Ipv4Addr::LOCALHOST);

    /// The address with a port.
    pub fn port(self, port: u16) -> SocketAddr {
        SocketAddr::from((self.0, port))
    }

    /// Another loopback address that belongs to this lab, for second instances of what has a fixed port.
    #[must_use]
    pub fn second(self) -> Self {
        let [first, second, third, fourth] = self.0.octets();
        // 127.255.255.255 is for broadcasts; 127.254.255.255 leads to 127.0.255.255.
        let next = if second >= 254 { 0 } else { second + 1 };
        Self(Ipv4Addr::new(first, next, third, fourth))
    }

    /// The plain address.
    pub fn ip(self) -> Ipv4Addr {
        self.0
    }
}

impl fmt::Display for LabAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for LabAddress {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        text.parse::<Ipv4Addr>()
            .ok()
            .filter(|address| address.is_loopback() && *address != Ipv4Addr::new(127, 255, 255, 255))
            .map(Self)
            .ok_or_else(|| Invalid::new("a loopback address such as 127.0.0.2", text))
    }
}

as_string!(LabAddress);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_taken() {
        assert_eq!("127.0.0.2".parse::<LabAddress>().unwrap().port(80).to_string(), "127.0.0.2:80");
        for bad in ["10.0.0.1", "0.0.0.0", "localhost", "::1", "127.0.0", "127.0.0.1; rm"] {
            assert!(bad.parse::<LabAddress>().is_err(), "{bad}");
        }
    }
}
