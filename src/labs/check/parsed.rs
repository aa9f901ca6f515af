//! Values of other crates' types in a `lab.toml`, parsed by serde so that an error has their position.

use std::fmt;
use std::str::FromStr;

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

/// A value parsed from a text.
#[derive(Debug, Clone)]
pub(super) struct Parsed<T>(pub(super) T);

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for Parsed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(|error| D::Error::custom(format_args!("{text:?}: {error}")))
    }
}

/// Request headers.
#[derive(Debug, Clone, Default)]
pub(super) struct Headers(pub(super) HeaderMap);

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;

        impl<'de> Visitor<'de> for Each {
            type Value = Headers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("headers, each a name and a text")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Headers, A::Error> {
                let mut headers = HeaderMap::new();
                while let Some((name, value)) =
                    entries.next_entry::<Parsed<HeaderName>, Parsed<HeaderValue>>()?
                {
                    headers.append(name.0, value.0);
                }
                Ok(Headers(headers))
            }
        }

        deserializer.deserialize_map(Each)
    }
}
