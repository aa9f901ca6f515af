//! The address a lab lives on.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;

use super::{Invalid, as_string};

/// An address of 127.0.0.0/8, for a lab of processes, or a private one, for a lab of containers. Nothing of a lab listens
/// anywhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LabAddress(Ipv4Addr);

impl LabAddress {
    /// 127.0.0.1.
    pub const DEFAULT: Self = Self(Ipv4Addr::LOCALHOST);

    /// 10.10.10.150: the machine that a lab's containers make up together.
    pub const MACHINE: Self = Self(Ipv4Addr::new(10, 10, 10, 150));

    /// The address with a port.
    pub fn port(self, port: u16) -> SocketAddr {
        SocketAddr::from((self.0, port))
    }

    /// Another loopback address that belongs to this lab, for second instances of what has a fixed port.
    #[must_use]
    pub fn second(self) -> Self {
        if !self.0.is_loopback() {
            // Every machine has a loopback of its own.
            return Self(Ipv4Addr::new(127, 0, 0, 2));
        }
        let [first, second, third, fourth] = self.0.octets();
        // 127.255.255.255 is for broadcasts; 127.254.255.255 leads to 127.0.255.255.
        let next = if second >= 254 { 0 } else { second + 1 };
        Self(Ipv4Addr::new(first, next, third, fourth))
    }

    /// Where a lab's doors are on this machine's loopback: the address itself, 127.0.0.1 for the usual machine of
    /// containers, and for another machine its address with 127 in front.
    #[must_use]
    pub fn doors(self) -> Self {
        let [_, second, third, fourth] = self.0.octets();
        match self {
            _ if self.0.is_loopback() => self,
            Self::MACHINE => Self::DEFAULT,
            _ => Self(Ipv4Addr::new(127, second, third, fourth)),
        }
    }

    /// One that a second lab could have, for advice.
    #[must_use]
    pub fn another(self) -> Self {
        let [first, second, third, fourth] = self.0.octets();
        if self.0.is_loopback() {
            Self(Ipv4Addr::new(127, 0, 0, if self == Self::DEFAULT { 2 } else { 3 }))
        } else {
            Self(Ipv4Addr::new(first, second, if third > 244 { 10 } else { third + 10 }, fourth))
        }
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
            .filter(|address| {
                let own = address.octets()[3];
                // A network's first address is its gateway's, and its last one is for broadcasts.
                let is_machine = address.is_private() && (2..=254).contains(&own);
                (address.is_loopback() && *address != Ipv4Addr::new(127, 255, 255, 255)) || is_machine
            })
            .map(Self)
            .ok_or_else(|| {
                let expected = "a loopback address such as 127.0.0.2, or, for containers, a private one such as 10.10.20.150";
                Invalid::new(expected, text)
            })
    }
}

as_string!(LabAddress);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_and_private_addresses_are_taken() {
        assert_eq!("127.0.0.2".parse::<LabAddress>().unwrap().port(80).to_string(), "127.0.0.2:80");
        assert_eq!("10.20.0.150".parse::<LabAddress>().unwrap().doors().to_string(), "127.20.0.150");
        assert_eq!(LabAddress::MACHINE.doors(), LabAddress::DEFAULT);
        assert_eq!(LabAddress::MACHINE.second().to_string(), "127.0.0.2");
        for bad in
            ["10.0.0.1", "10.0.0.255", "8.8.8.8", "0.0.0.0", "localhost", "::1", "127.0.0", "127.0.0.1; rm"]
        {
            assert!(bad.parse::<LabAddress>().is_err(), "{bad}");
        }
    }
}
