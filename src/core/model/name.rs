//! Names of artifacts, files, labs and steps.

use std::fmt;
use std::str::FromStr;

use super::{Invalid, as_string};

const MAX_NAME: usize = 128;

/// Lower-case letters, digits and single dashes: safe as a file name, a URL segment and a shell word.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slug(String);

impl Slug {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Slug {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let well_formed = text.len() <= MAX_NAME
            && text.split('-').all(|word| {
                !word.is_empty()
                    && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
            });
        if well_formed {
            Ok(Self(text.to_owned()))
        } else {
            Err(Invalid::new("lower-case letters, digits and single dashes", text))
        }
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

as_string!(Slug);

/// The name of an artifact in `deps.lock`, for instance `consul`.
pub type ArtifactName = Slug;

/// The name of a lab, for instance `1-tcp-echo`.
pub type LabId = Slug;

/// The name of a step within its lab, for instance `echo-server`.
pub type StepId = Slug;

/// The name of one file: no folder, not hidden, only characters that need no quoting in a URL or a shell.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileName(String);

impl FileName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for FileName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-+~%".contains(&byte);
        if !text.is_empty() && text.len() <= 255 && !text.starts_with('.') && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Invalid::new("a file name of letters, digits and . _ - + ~ %", text))
        }
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

as_string!(FileName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_safe_in_file_names_urls_and_shells() {
        for good in ["consul", "1-tcp-echo", "cni-plugins", "x"] {
            assert_eq!(good.parse::<Slug>().unwrap().as_str(), good);
        }
        for bad in ["", "-a", "a-", "a--b", "A", "a b", "../a", "a/b", "a.b", &"a".repeat(129)] {
            assert!(bad.parse::<Slug>().is_err(), "{bad}");
        }
    }

    #[test]
    fn file_names_have_no_folders() {
        assert!("libluajit-5.1-2_2.1.0~beta3+git20220320_amd64.deb".parse::<FileName>().is_ok());
        for bad in ["", ".", "..", ".hidden", "a/b", "a\\b", "a b", "a\n", "ä"] {
            assert!(bad.parse::<FileName>().is_err(), "{bad}");
        }
    }
}
