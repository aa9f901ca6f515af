//! The IP address of a lab.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;

use super::{Invalid, as_string};

/// The address that a lab listens on, and the only one: in 127.0.0.0/8 for a lab of processes, a private address for a
/// lab of containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LabAddress(Ipv4Addr);

impl LabAddress {
    /// 127.0.0.1.
    pub const DEFAULT: Self = Self(Ipv4Addr::LOCALHOST);

    /// 10.10.10.150: the default address of a lab's machine in containers.
    pub const MACHINE: Self = Self(Ipv4Addr::new(10, 10, 10, 150));

    /// This address with a port.
    pub fn port(self, port: u16) -> SocketAddr {
        SocketAddr::from((self.0, port))
    }

    /// A second loopback address of this lab, for a second instance of a service with a fixed port.
    #[must_use]
    pub fn second(self) -> Self {
        if !self.0.is_loopback() {
            // The machine has its own loopback interface.
            return Self(Ipv4Addr::new(127, 0, 0, 2));
        }
        let [first, second, third, fourth] = self.0.octets();
        // Never 127.255.255.255, the broadcast address.
        let next = if second >= 254 { 0 } else { second + 1 };
        Self(Ipv4Addr::new(first, next, third, fourth))
    }

    /// Whether it is in 127.0.0.0/8.
    pub fn is_loopback(self) -> bool {
        self.0.is_loopback()
    }

    /// The loopback address that belongs to this address: itself, 127.0.0.1 for [`Self::MACHINE`], else the address
    /// with 127 as the first octet.
    #[must_use]
    pub fn on_loopback(self) -> Self {
        let [_, second, third, fourth] = self.0.octets();
        match self {
            _ if self.0.is_loopback() => self,
            Self::MACHINE => Self::DEFAULT,
            _ => Self(Ipv4Addr::new(127, second, third, fourth)),
        }
    }

    /// An address for a second lab, for hints.
    #[must_use]
    pub fn alternative(self) -> Self {
        let [first, second, third, fourth] = self.0.octets();
        if self.0.is_loopback() {
            Self(Ipv4Addr::new(127, 0, 0, if self == Self::DEFAULT { 2 } else { 3 }))
        } else {
            Self(Ipv4Addr::new(first, second, if third > 244 { 10 } else { third + 10 }, fourth))
        }
    }

    /// This address without its type.
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
                // .0 is the network, .1 its gateway, .255 the broadcast address.
                let is_machine = address.is_private() && (2..=254).contains(&own);
                (address.is_loopback() && *address != Ipv4Addr::new(127, 255, 255, 255)) || is_machine
            })
            .map(Self)
            .ok_or_else(|| {
                let expected =
                    "a loopback address such as 127.0.0.2, or, for containers, a private address such as 10.10.20.150";
                Invalid::new(expected, text)
            })
    }
}

as_string!(LabAddress);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_and_private_addresses_are_accepted() {
        assert_eq!("127.0.0.2".parse::<LabAddress>().unwrap().port(80).to_string(), "127.0.0.2:80");
        assert_eq!("10.20.0.150".parse::<LabAddress>().unwrap().on_loopback().to_string(), "127.20.0.150");
        assert_eq!(LabAddress::MACHINE.on_loopback(), LabAddress::DEFAULT);
        assert_eq!(LabAddress::MACHINE.second().to_string(), "127.0.0.2");
        for bad in
            ["10.0.0.1", "10.0.0.255", "8.8.8.8", "0.0.0.0", "localhost", "::1", "127.0.0", "127.0.0.1; rm"]
        {
            assert!(bad.parse::<LabAddress>().is_err(), "{bad}");
        }
    }
}
