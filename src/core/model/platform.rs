//! The platforms that `deps.lock` has artifacts for.

use std::fmt;
use std::str::FromStr;

use super::{Invalid, as_string};
use crate::core::failure::{Failure, FailureKind};

/// A supported operating system and processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Platform {
    /// Linux on `x86_64`.
    LinuxX86_64,
    /// Linux on 64-bit ARM.
    LinuxArm64,
}

impl Platform {
    /// Every platform, in the order of `deps.lock`.
    pub const ALL: [Self; 2] = [Self::LinuxX86_64, Self::LinuxArm64];

    /// The platform this program runs on.
    pub fn current() -> Result<Self, Failure> {
        match (std::env::consts::OS, std::env::consts::ARCH) {
            ("linux", "x86_64") => Ok(Self::LinuxX86_64),
            ("linux", "aarch64") => Ok(Self::LinuxArm64),
            (os, arch) => Err(Failure::new(
                FailureKind::MissingRequirement,
                format!("{os} {arch} is not supported: meshlab runs on Linux x86_64 and arm64"),
            )),
        }
    }

    /// The name in `deps.lock`.
    pub fn name(self) -> &'static str {
        match self {
            Self::LinuxX86_64 => "linux-x86_64",
            Self::LinuxArm64 => "linux-arm64",
        }
    }

    /// The processor's name in Go and Debian.
    pub fn go_arch(self) -> &'static str {
        match self {
            Self::LinuxX86_64 => "amd64",
            Self::LinuxArm64 => "arm64",
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Platform {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::ALL
            .into_iter()
            .find(|platform| platform.name() == text)
            .ok_or_else(|| Invalid::new("linux-x86_64 or linux-arm64", text))
    }
}

as_string!(Platform);
