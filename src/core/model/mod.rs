//! Validated types: text is parsed into one of these where it enters meshlab.

mod address;
mod bounded;
pub mod call_path;
mod digest;
mod environment_spec;
mod hashed;
mod name;
mod platform;
mod relative_path;
mod runtime_kind;
mod size;

pub use address::LabAddress;
pub use bounded::{Bounded, HttpStatus, Port};
pub use digest::{Digest, DigestAlgorithm, Hasher};
pub use environment_spec::{EnvironmentSpec, Network};
pub use hashed::Hashed;
pub use name::{ArtifactName, FileName, LabId, Slug, StepId};
pub use platform::Platform;
pub use relative_path::RelativePath;
pub use runtime_kind::RuntimeKind;
pub use size::ByteSize;

/// Text that is not a valid value of a type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, found {found:?}")]
pub struct Invalid {
    /// A description of valid values.
    pub expected: &'static str,
    /// The invalid text.
    pub found: String,
}

impl Invalid {
    pub(crate) fn new(expected: &'static str, found: impl Into<String>) -> Self {
        Self { expected, found: found.into() }
    }
}

/// Implements `Serialize` and `Deserialize` as one string, through `Display` and `FromStr`.
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
