//! Versions of glibc.

use std::fmt;
use std::str::FromStr;

use crate::core::model::Invalid;

/// A version of glibc, such as 2.34.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct GlibcVersion {
    major: u32,
    minor: u32,
}

impl FromStr for GlibcVersion {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let parts = text
            .split_once('.')
            .and_then(|(major, minor)| Some(Self { major: major.parse().ok()?, minor: minor.parse().ok()? }));
        parts.ok_or_else(|| Invalid::new("a glibc version such as 2.34", text))
    }
}

impl TryFrom<String> for GlibcVersion {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl fmt::Display for GlibcVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        let version = |text: &str| text.parse::<GlibcVersion>();
        assert!(version("2.9").unwrap() < version("2.34").unwrap());
        assert_eq!(version("2.36").unwrap().to_string(), "2.36");
        assert!(version("2").is_err() && version("2.x").is_err());
    }
}
