//! The package repository: a read-only HTTP/1.1 server over the store, and over files that are published beside it.
//!
//! Invariant: a path from outside never becomes a path of the file system. Its segments are parsed into names and
//! digests, and only those are looked up.
//!
//! Files go from the page cache to the socket by `sendfile`, which no HTTP library here offers; the rest of the
//! protocol that a read-only server needs is small, and parsed by httparse.

mod answer;
mod blob;
mod cache;
mod catalog;
mod connection;
mod content;
mod index;
mod measure;
mod options;
mod published;
mod range;
mod release_lists;
mod releases;
mod request;
mod response;
mod route;
mod server;
mod slots;
mod transfer;
mod zip;

#[cfg(test)]
mod tests;

pub use catalog::Catalog;
pub use options::{Access, AccessLog, Limits, Options, ProblemLog};
pub use published::{PublishedPackage, PublishedPackages};
pub use server::Server;
