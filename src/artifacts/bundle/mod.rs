//! One file that moves a whole lab to a machine without a network: `deps.lock`, a manifest and the stored files.
//!
//! A bundle is a plain tar file, so that any tar can list it and take things out of it:
//!
//! ```text
//! meshlab-bundle/manifest-<sha256 of it>.json   what is in here: artifacts, versions, platforms, digests, sizes
//! meshlab-bundle/deps.lock                      the lock it was made with
//! meshlab-bundle/meshlab                        the program, where it was asked for
//! meshlab-bundle/sha256/<hex>                   each file once, in the manifest's order
//! ```
//!
//! Invariant: the same lock and the same choice make the same bytes: no time, no owner, no name of a machine is in it.
//!
//! Invariant: a bundle is believed in nothing. The only files that get from it into the store are those that the lock
//! in force names, after every byte was hashed.

mod export;
mod flow;
mod import;
mod manifest;
mod member;
mod progress;
mod reader;
#[cfg(test)]
mod tests;

pub use export::{Export, Exported, export};
pub use import::{Imported, import};
pub use manifest::{Bundled, BundledFile, Manifest, Program};
