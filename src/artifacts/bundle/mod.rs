//! Bundles: one file with a manifest, `deps.lock` and files of the store, for machines without network.
//!
//! A bundle is a tar archive that any tar program can list and extract:
//!
//! ```text
//! meshlab-bundle/manifest-<its sha256>.json     artifacts, versions, platforms, digests, sizes
//! meshlab-bundle/deps.lock                      the lock that it was exported with
//! meshlab-bundle/meshlab                        the meshlab binary, if it is included
//! meshlab-bundle/sha256/<hex>                   each file once, in the order of the manifest
//! ```
//!
//! Invariant: the same lock and artifacts always produce the same bytes. A bundle contains no time, owner or host name.
//!
//! Invariant: a bundle is not trusted. Only files that are in the current lock are stored, after they were hashed.

mod export;
mod import;
mod manifest;
mod member;
mod progress;
mod reader;
#[cfg(test)]
mod tests;
mod write_behind;

pub use export::{Export, Exported, export};
pub use import::{Imported, import};
pub use manifest::{BundledArtifact, BundledFile, BundledLock, BundledProgram, Manifest};
