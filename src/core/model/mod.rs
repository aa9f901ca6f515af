//! Types that cannot hold a wrong value. Text becomes one of these where it enters, and is trusted from there on.

mod address;
pub mod call_path;
mod digest;
mod environment_spec;
mod hashed;
mod name;
mod platform;
mod relative_path;
mod runtime_kind;
mod size;
mod within;

pub use address::LabAddress;
pub use digest::{Digest, DigestAlgorithm, Hasher};
pub use environment_spec::{EnvironmentSpec, Network};
pub use hashed::Hashed;
pub use name::{ArtifactName, FileName, LabId, Slug, StepId};
pub use platform::Platform;
pub use relative_path::RelativePath;
pub use runtime_kind::RuntimeKind;
pub use size::ByteSize;
pub use within::{HttpStatus, Port, Within};

/// Text that is not a value of the type it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, found {found:?}")]
pub struct Invalid {
    /// What would have been right.
    pub expected: &'static str,
    /// What was there.
    pub found: String,
}

impl Invalid {
    pub(crate) fn new(expected: &'static str, found: impl Into<String>) -> Self {
        Self { expected, found: found.into() }
    }
}

/// `Display`, `FromStr`-based `Serialize` and `Deserialize` for a type that is written as one string.
macro_rules! as_string {
    ($type:ty) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use as_string;
