//! Who answered, and which request it was.

use std::net::SocketAddr;

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};

use crate::core::failure::{Failure, Result};

/// Tells instances behind a load balancer apart.
pub(in crate::samples) const X_INSTANCE: HeaderName = HeaderName::from_static("x-instance");
/// Tells versions of a service apart.
pub(super) const X_VERSION: HeaderName = HeaderName::from_static("x-version");
/// The same for one request through all services.
pub(in crate::samples) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Whose trace a request belongs to; passed on, not read.
pub(in crate::samples) const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");

const LONGEST_REQUEST_ID: usize = 128;
const LONGEST_LABEL: usize = 64;
/// How much of an allocation's id tells it from others, as Nomad itself shows it.
const SHORT_ALLOCATION: usize = 8;

/// What a service calls itself in a header: visible ASCII, at most 64 characters.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Label {
    text: String,
    header: HeaderValue,
}

impl Label {
    fn parse(what: &str, text: &str) -> Result<Self> {
        let unusable = || {
            Failure::usage(format!("{what} cannot be called {text:?}"))
                .hint(format!("use 1 to {LONGEST_LABEL} letters, digits and signs, without spaces"))
        };
        if !is_visible(text.as_bytes(), LONGEST_LABEL) {
            return Err(unusable());
        }
        let header = HeaderValue::from_str(text).map_err(|_| unusable())?;
        Ok(Self { text: text.to_owned(), header })
    }
}

/// The name of one of several instances of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance(Label);

impl Instance {
    /// Takes a name that may be sent in a header.
    pub fn parse(name: &str) -> Result<Self> {
        Label::parse("an instance", name).map(Self)
    }

    /// The name of a task that was given none: the beginning of its Nomad allocation's id, as Nomad shows it.
    pub fn of_allocation(id: &str) -> Option<Self> {
        Self::parse(id.get(..SHORT_ALLOCATION)?).ok()
    }

    /// The name of a process that was given none and is in no allocation: where it listens.
    pub(super) fn at(address: SocketAddr) -> Self {
        let text = address.to_string();
        let header = HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("unknown"));
        Self(Label { text, header })
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.0.text
    }

    pub(super) fn header(&self) -> &HeaderValue {
        &self.0.header
    }
}

/// The version of a service, as it says itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version(Label);

impl Version {
    /// Takes a version that may be sent in a header.
    pub fn parse(version: &str) -> Result<Self> {
        Label::parse("a version", version).map(Self)
    }

    pub(super) fn text(&self) -> &str {
        &self.0.text
    }

    pub(super) fn header(&self) -> &HeaderValue {
        &self.0.header
    }
}

/// The id a request came with, if it is one and only one that can go into a log, else a new one.
pub(super) fn request_id(headers: &HeaderMap) -> HeaderValue {
    let mut given = headers.get_all(REQUEST_ID).iter();
    match (given.next(), given.next()) {
        (Some(id), None) if is_visible(id.as_bytes(), LONGEST_REQUEST_ID) => id.clone(),
        _ => fresh_request_id(),
    }
}

fn is_visible(text: &[u8], longest: usize) -> bool {
    (1..=longest).contains(&text.len()) && text.iter().all(u8::is_ascii_graphic)
}

/// In the form of a version 4 UUID. It tells requests apart and keeps no secret, so a fast generator will do.
fn fresh_request_id() -> HeaderValue {
    const VERSION: u128 = 0x4 << 76;
    const VARIANT: u128 = 0x2 << 62;
    let bits = fastrand::u128(..) & !(0xf << 76) & !(0x3 << 62) | VERSION | VARIANT;
    let hex = format!("{bits:032x}");
    let text = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-");
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("unknown"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id_for(given: &[&[u8]]) -> String {
        let mut headers = HeaderMap::new();
        for id in given {
            headers.append(REQUEST_ID, HeaderValue::from_bytes(id).unwrap());
        }
        request_id(&headers).to_str().unwrap().to_owned()
    }

    #[track_caller]
    fn assert_fresh(id: &str) {
        let form = |(at, letter): (usize, char)| match at {
            8 | 13 | 18 | 23 => letter == '-',
            14 => letter == '4',
            19 => "89ab".contains(letter),
            _ => letter.is_ascii_hexdigit() && !letter.is_ascii_uppercase(),
        };
        assert!(id.len() == 36 && id.chars().enumerate().all(form), "{id}");
    }

    #[test]
    fn a_sane_id_is_kept_and_any_other_replaced() {
        assert_eq!(id_for(&[b"a"]), "a");
        assert_eq!(id_for(&[&[b'~'; 128]]), "~".repeat(128));
        let unusable: [&[&[u8]]; 6] =
            [&[], &[b""], &[b"a b"], &[b"\xc3\xa9"], &[&[b'a'; 129]], &[b"a", b"b"]];
        for given in unusable {
            assert_fresh(&id_for(given));
        }
        assert_ne!(id_for(&[]), id_for(&[]));
    }

    #[test]
    fn an_instance_is_named_after_its_allocation_or_its_address() {
        let named =
            |allocation| Instance::of_allocation(allocation).map(|instance| instance.name().to_owned());
        assert_eq!(named("7cd54a30-9d02-2f8e-1c7e-aa0b7b1d3d0c").as_deref(), Some("7cd54a30"));
        assert_eq!(named("short"), None);
        assert_eq!(named("€€€€"), None);
        for address in ["127.0.0.5:9090", "[::1]:1"] {
            let instance = Instance::at(address.parse().unwrap());
            assert_eq!((instance.name(), instance.header().to_str().unwrap()), (address, address));
        }
        for name in ["", "a b", "é", &"a".repeat(65)] {
            assert!(Instance::parse(name).is_err() && Version::parse(name).is_err(), "{name}");
        }
    }
}
