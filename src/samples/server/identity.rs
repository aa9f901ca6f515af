//! Names of instances and versions, and request ids.

use std::net::SocketAddr;

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};

use crate::core::failure::{Failure, Result};

/// The header with the instance that answered.
pub(in crate::samples) const X_INSTANCE: HeaderName = HeaderName::from_static("x-instance");
/// The header with the version that answered.
pub(super) const X_VERSION: HeaderName = HeaderName::from_static("x-version");
/// The header with the id of a request, the same in all services.
pub(in crate::samples) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The header with the trace of a request; forwarded, not read.
pub(in crate::samples) const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");

const MAX_REQUEST_ID_BYTES: usize = 128;
const MAX_LABEL_BYTES: usize = 64;
/// The length of an allocation's short id, as Nomad shows it.
const SHORT_ID_BYTES: usize = 8;

/// A value of a header: visible ASCII, at most 64 characters.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Label {
    text: String,
    header: HeaderValue,
}

impl Label {
    fn parse(what: &str, text: &str) -> Result<Self> {
        let unusable = || {
            Failure::usage(format!("invalid {what} {text:?}"))
                .hint(format!("use 1 to {MAX_LABEL_BYTES} ASCII characters without spaces"))
        };
        if !is_visible(text.as_bytes(), MAX_LABEL_BYTES) {
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
    /// Parses a name that can be sent in a header.
    pub fn parse(name: &str) -> Result<Self> {
        Label::parse("instance name", name).map(Self)
    }

    /// The default name in a Nomad task: the short id of its allocation.
    pub fn of_allocation(id: &str) -> Option<Self> {
        Self::parse(id.get(..SHORT_ID_BYTES)?).ok()
    }

    /// The default name outside of Nomad: the address that the service listens on.
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

/// The version of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version(Label);

impl Version {
    /// Parses a version that can be sent in a header.
    pub fn parse(version: &str) -> Result<Self> {
        Label::parse("version", version).map(Self)
    }

    pub(super) fn text(&self) -> &str {
        &self.0.text
    }

    pub(super) fn header(&self) -> &HeaderValue {
        &self.0.header
    }
}

/// The id of a request if it has exactly one that can be logged, else a new one.
pub(super) fn request_id(headers: &HeaderMap) -> HeaderValue {
    let mut given = headers.get_all(REQUEST_ID).iter();
    match (given.next(), given.next()) {
        (Some(id), None) if is_visible(id.as_bytes(), MAX_REQUEST_ID_BYTES) => id.clone(),
        _ => fresh_request_id(),
    }
}

fn is_visible(text: &[u8], longest: usize) -> bool {
    (1..=longest).contains(&text.len()) && text.iter().all(u8::is_ascii_graphic)
}

/// A new id in the form of a version 4 UUID. It is not a secret: a fast generator suffices.
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
    fn a_valid_id_is_kept_and_any_other_replaced() {
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
