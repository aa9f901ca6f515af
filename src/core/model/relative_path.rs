//! A relative path that cannot leave its base folder.

use std::fmt;
use std::str::FromStr;

use camino::{Utf8Path, Utf8PathBuf};

use super::{Invalid, as_string};

/// A relative path without `..`, root, empty parts, `.`, or control characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RelativePath(Utf8PathBuf);

impl RelativePath {
    /// The path.
    pub fn as_path(&self) -> &Utf8Path {
        &self.0
    }

    /// This path joined to `folder`.
    pub fn below(&self, folder: &Utf8Path) -> Utf8PathBuf {
        folder.join(&self.0)
    }
}

impl FromStr for RelativePath {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let plain =
            |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains(char::is_control);
        if text.len() <= 4096 && !text.contains('\\') && text.split('/').all(plain) {
            Ok(Self(Utf8PathBuf::from(text)))
        } else {
            Err(Invalid::new("a relative path without .. or empty parts", text))
        }
    }
}

impl fmt::Display for RelativePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

as_string!(RelativePath);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_leaves_its_folder_is_rejected() {
        let path: RelativePath = "bin/consul".parse().unwrap();
        assert_eq!(path.below(Utf8Path::new("/t")), "/t/bin/consul");
        for bad in ["", "/a", "a//b", "a/", "./a", "a/../b", "..", "a\0b", "a\nb", "..\\a"] {
            assert!(bad.parse::<RelativePath>().is_err(), "{bad:?}");
        }
    }
}
